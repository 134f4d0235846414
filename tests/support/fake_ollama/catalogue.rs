//! The models that the fake has, and the routes that list, fetch and remove them.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Value, json};

use super::{Shared, body_json, full_name, go_json, json_of, model_of, refuse};

/// A model as the fake has it.
#[derive(Debug, Clone)]
pub struct FakeModel {
    /// With its tag.
    pub name: String,
    pub capabilities: Vec<&'static str>,
    pub size: u64,
    pub parameters: &'static str,
}

impl FakeModel {
    pub fn new(name: &str, capabilities: &[&'static str]) -> Self {
        Self {
            name: full_name(name),
            capabilities: capabilities.to_vec(),
            size: 2_019_393_189,
            parameters: "3.2B",
        }
    }

    /// One that answers, one that thinks, one without tools, and one that can't chat.
    pub fn usual() -> Vec<Self> {
        vec![
            Self::new("llama3.2", &["completion", "tools"]),
            Self::new("qwen3", &["completion", "tools", "thinking"]),
            Self::new("tinyllama", &["completion"]),
            Self::new("all-minilm", &["embedding"]),
        ]
    }

    pub fn can(&self, what: &str) -> bool {
        self.capabilities.contains(&what)
    }

    fn details(&self) -> Value {
        json!({"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
            "parameter_size": self.parameters, "quantization_level": "Q4_K_M"})
    }

    fn digest(&self) -> String {
        // Any 64 hex digits will do, as long as they stay the same.
        let seed = self
            .name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("{seed:016x}").repeat(4)
    }

    fn listed(&self) -> Value {
        json!({"name": self.name, "model": self.name, "modified_at": "2026-05-04T17:37:44.706015396-07:00",
            "size": self.size, "digest": self.digest(), "details": self.details(),
            "capabilities": self.capabilities})
    }
}

impl Shared {
    /// The model of that name; `fake-…` is always there, and can everything.
    pub(super) fn model(&self, name: &str) -> Option<FakeModel> {
        let name = full_name(name);
        if name.starts_with("fake-") {
            return Some(FakeModel::new(&name, &["completion", "tools", "thinking"]));
        }
        self.now()
            .models
            .iter()
            .find(|model| model.name == name)
            .cloned()
    }
}

pub(super) fn known(shared: &Shared, body: &Value) -> Result<FakeModel, Response> {
    let name = model_of(body);
    if name.is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, "model is required"));
    }
    shared
        .model(&name)
        .ok_or_else(|| refuse(StatusCode::NOT_FOUND, &format!("model '{name}' not found")))
}

pub(super) async fn tags(State(shared): State<Arc<Shared>>) -> Response {
    let models: Vec<Value> = shared.now().models.iter().map(FakeModel::listed).collect();
    json_of(&json!({"models": models}))
}

pub(super) async fn ps(State(shared): State<Arc<Shared>>) -> Response {
    let loaded = shared.now().loaded.clone();
    let models: Vec<Value> = loaded
        .into_iter()
        .filter_map(|(name, context)| {
            let model = shared.model(&name)?;
            Some(
                json!({"name": model.name, "model": model.name, "size": 5_137_025_024_u64,
                "digest": model.digest(), "details": model.details(),
                "expires_at": "2026-06-04T14:38:31.83753-07:00", "size_vram": 5_137_025_024_u64,
                "context_length": context}),
            )
        })
        .collect();
    json_of(&json!({"models": models}))
}

pub(super) async fn show(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    match body_json(&body).and_then(|body| known(&shared, &body)) {
        Err(refusal) => refusal,
        Ok(model) => json_of(&json!({
            "license": "a licence", "modelfile": format!("FROM {}", model.name),
            "parameters": "stop \"<|eot_id|>\"", "template": "{{ .Prompt }}", "details": model.details(),
            "model_info": {"general.architecture": "llama", "general.parameter_count": 3_212_749_888_u64,
                "llama.context_length": 131_072},
            "capabilities": model.capabilities, "modified_at": "2026-05-04T17:37:44.706015396-07:00"})),
    }
}

pub(super) async fn delete(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    match body_json(&body).and_then(|body| known(&shared, &body)) {
        Err(refusal) => refusal,
        Ok(model) => {
            shared.now().models.retain(|known| known.name != model.name);
            StatusCode::OK.into_response()
        }
    }
}

pub(super) async fn copy(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = match body_json(&body) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let field = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (source, destination) = (field("source"), field("destination"));
    let Some(model) = shared.model(&source) else {
        return refuse(
            StatusCode::NOT_FOUND,
            &format!("model \"{source}\" not found"),
        );
    };
    shared.now().models.push(FakeModel {
        name: full_name(&destination),
        ..model
    });
    StatusCode::OK.into_response()
}

pub(super) async fn embed(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = match body_json(&body) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let model = match known(&shared, &body) {
        Ok(model) => model,
        Err(refusal) => return refusal,
    };
    if !model.can("embedding") {
        let refusal = format!("\"{}\" does not support embeddings", model.name);
        return refuse(StatusCode::BAD_REQUEST, &refusal);
    }
    let inputs: Vec<String> = match body.get("input") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => return refuse(StatusCode::BAD_REQUEST, "invalid input type"),
    };
    let embeddings: Vec<[f64; 3]> = inputs
        .iter()
        .map(|text| [text.len() as f64 / 100.0, -0.25, 0.5])
        .collect();
    json_of(
        &json!({"model": model.name, "embeddings": embeddings, "total_duration": 14_143_917,
        "load_duration": 1_019_500, "prompt_eval_count": 8}),
    )
}

/// Progress as a stream; `fake-missing` isn't in the registry, and `fake-stuck` never ends.
pub(super) async fn pull(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = match body_json(&body) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let name = model_of(&body);
    if name.is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "invalid model name");
    }
    let name = full_name(&name);
    let digest = "sha256:dde5aa3fc5ffc17176b5e8bdc82f587b24b2678c6c66101bf7da77af9f7ccdff";
    let total = 2_019_377_376_u64;
    let part = |completed: u64| match completed {
        // As Go leaves out a zero.
        0 => json!({"status": "pulling dde5aa3fc5ff", "digest": digest, "total": total}),
        _ => {
            json!({"status": "pulling dde5aa3fc5ff", "digest": digest, "total": total, "completed": completed})
        }
    };
    let mut lines = vec![json!({"status": "pulling manifest"})];
    if name.starts_with("fake-missing") {
        lines.push(json!({"error": "pull model manifest: file does not exist"}));
    } else {
        lines.extend([part(0), part(241_970), part(total / 2), part(total)]);
        lines.push(json!({"status": "verifying sha256 digest"}));
        lines.push(json!({"status": "writing manifest"}));
        lines.push(json!({"status": "success"}));
        shared
            .now()
            .models
            .push(FakeModel::new(&name, &["completion", "tools"]));
    }
    if body.get("stream") == Some(&Value::Bool(false)) {
        return json_of(lines.last().unwrap_or(&Value::Null));
    }
    let stuck = name.starts_with("fake-stuck");
    let pace = shared.options.pace;
    let lines = stream::unfold(lines.into_iter().enumerate(), move |mut lines| async move {
        let (n, line) = lines.next()?;
        if stuck && n == 3 {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(pace).await;
        Some((
            Ok::<_, std::convert::Infallible>(go_json(&line) + "\n"),
            lines,
        ))
    });
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines),
    )
        .into_response()
}
