//! The routes that answer: what is refused, and who says the rest.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{
    Shared, body_json,
    catalogue::known,
    full_name, json_of,
    mode::Mode,
    refuse,
    said::{Said, say, tokens},
    steps::{CREATED, Running, Step, done_line, line, play, steps},
};

pub(super) async fn chat(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = match body_json(&body) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let model = match known(&shared, &body) {
        Ok(model) => model,
        Err(refusal) => return refusal,
    };
    let wants = |field: &str| body.get(field).is_some_and(|value| !is_nothing(value));
    if wants("tools") && !model.can("tools") {
        let refusal = format!(
            "registry.ollama.ai/library/{} does not support tools",
            model.name
        );
        return refuse(StatusCode::BAD_REQUEST, &refusal);
    }
    if wants("think") && !model.can("thinking") {
        let refusal = format!(
            "\"{}\" does not support thinking",
            body["model"].as_str().unwrap_or("")
        );
        return refuse(StatusCode::BAD_REQUEST, &refusal);
    }
    if !model.can("completion") {
        return refuse(
            StatusCode::BAD_REQUEST,
            &format!("\"{}\" does not support chat", model.name),
        );
    }
    if let Some(wrong) = wrong_option(&body) {
        return refuse(StatusCode::BAD_REQUEST, &wrong);
    }
    let mode = match shared.options.mode {
        Mode::ByModel => Mode::of_model(&model.name),
        mode => mode,
    };
    let messages = body
        .get("messages")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if messages.is_empty() {
        return load_or_unload(&shared, &model.name, &body, "message");
    }
    if let Some(answer) = refused(&shared, mode) {
        return answer;
    }
    if shared.options.loads_at_once {
        remember_loaded(&shared, &model.name, &body);
    }
    let said = say(&shared, mode, &body, &messages);
    let prompt = prompt_tokens(&body).min(context_of(&shared, &model.name));
    let name = body["model"].as_str().unwrap_or_default();
    if body.get("stream") == Some(&Value::Bool(false)) {
        if matches!(mode, Mode::Hang | Mode::Stall | Mode::Drip) {
            std::future::pending::<()>().await;
        }
        return whole(name, mode, &said, prompt);
    }
    let mut steps = steps(&shared, name, mode, &said, prompt);
    let running = Running::new(Arc::clone(&shared));
    // Ollama sends its headers with the first line, and not before.
    match steps.first() {
        Some(Step::Wait(time)) => {
            tokio::time::sleep(*time).await;
            steps.remove(0);
        }
        Some(Step::Hang) => std::future::pending().await,
        _ => {}
    }
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(play(running, steps)),
    )
        .into_response()
}

/// The older route, for clients that still use it: the same words without a conversation.
pub(super) async fn generate(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = match body_json(&body) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let model = match known(&shared, &body) {
        Ok(model) => model,
        Err(refusal) => return refusal,
    };
    let prompt = body
        .get("prompt")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if prompt.is_empty() {
        return load_or_unload(&shared, &model.name, &body, "response");
    }
    let text = format!("You asked: {prompt}");
    if body.get("stream") == Some(&Value::Bool(false)) {
        let mut last = done_line(&model.name, 8, 4);
        last.insert("response".to_owned(), text.into());
        return json_of(&last.into());
    }
    let mut steps: Vec<Step> = tokens(&text)
        .map(|token| line(&json!({"model": model.name, "created_at": CREATED, "response": token, "done": false})))
        .collect();
    let mut last = done_line(&model.name, 8, 4);
    last.insert("response".to_owned(), "".into());
    steps.push(line(&last.into()));
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(play(Running::new(shared), steps)),
    )
        .into_response()
}

/// Modes that are refusals from the start.
fn refused(shared: &Shared, mode: Mode) -> Option<Response> {
    let busy = "server busy, please try again.  maximum pending requests exceeded";
    let page = "<!DOCTYPE html><html><body><h1>It works!</h1></body></html>";
    let html = [(header::CONTENT_TYPE, "text/html")];
    Some(match mode {
        Mode::Busy => {
            let mut now = shared.now();
            now.busy_left = now.busy_left.checked_sub(1)?;
            refuse(StatusCode::SERVICE_UNAVAILABLE, busy)
        }
        Mode::Full => refuse(StatusCode::SERVICE_UNAVAILABLE, busy),
        Mode::Crash => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "llama-server process has terminated: exit status 2",
        ),
        Mode::Unauthorized => {
            let body = json!({"error": "unauthorized", "signin_url": "https://ollama.com/connect"});
            (StatusCode::UNAUTHORIZED, json_of(&body)).into_response()
        }
        Mode::Html => (html, page).into_response(),
        Mode::BadGateway => (StatusCode::INTERNAL_SERVER_ERROR, html, page).into_response(),
        Mode::Redirect => (
            StatusCode::TEMPORARY_REDIRECT,
            [(header::LOCATION, shared.options.redirect_to.clone())],
        )
            .into_response(),
        Mode::ContextFull => refuse(
            StatusCode::BAD_REQUEST,
            "the request exceeds the available context size, try increasing it",
        ),
        _ => return None,
    })
}

/// Not streamed: one object, with everything put together.
fn whole(model: &str, mode: Mode, said: &Said, prompt: u64) -> Response {
    if matches!(
        mode,
        Mode::ErrorMidStream | Mode::ErrorFirst | Mode::Cut | Mode::Reset
    ) {
        return refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "an error was encountered while running the model",
        );
    }
    let mut message = Map::from_iter([
        ("role".to_owned(), json!("assistant")),
        ("content".to_owned(), json!(said.content)),
    ]);
    if !said.thinking.is_empty() {
        message.insert("thinking".to_owned(), json!(said.thinking));
    }
    if !said.tool_calls.is_empty() {
        message.insert("tool_calls".to_owned(), json!(said.tool_calls));
    }
    let mut last = done_line(model, prompt, tokens(&said.content).count() as u64 + 1);
    last.insert("message".to_owned(), message.into());
    json_of(&last.into())
}

fn load_or_unload(shared: &Shared, model: &str, body: &Value, text_field: &str) -> Response {
    let unload = body
        .get("keep_alive")
        .is_some_and(|value| value.as_f64() == Some(0.0) || value == "0" || value == "0s");
    if unload {
        shared
            .now()
            .loaded
            .retain(|(name, _)| *name != full_name(model));
    } else {
        remember_loaded(shared, model, body);
    }
    let text = if text_field == "message" {
        json!({"role": "assistant", "content": ""})
    } else {
        json!("")
    };
    json_of(
        &json!({"model": model, "created_at": CREATED, text_field: text, "done": true,
        "done_reason": if unload { "unload" } else { "load" }}),
    )
}

fn remember_loaded(shared: &Shared, model: &str, body: &Value) {
    let name = full_name(model);
    let asked = body["options"]["num_ctx"].as_u64();
    let mut now = shared.now();
    match now.loaded.iter_mut().find(|(known, _)| *known == name) {
        Some((_, context)) => *context = asked.unwrap_or(*context),
        None => now.loaded.push((name, asked.unwrap_or(4096))),
    }
}

fn context_of(shared: &Shared, model: &str) -> u64 {
    let name = full_name(model);
    shared
        .now()
        .loaded
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(4096, |(_, context)| *context)
}

/// About four letters a token, as English has it.
fn prompt_tokens(body: &Value) -> u64 {
    let text = body["messages"].to_string().len() + body["tools"].to_string().len();
    text as u64 / 4 + 1
}

fn wrong_option(body: &Value) -> Option<String> {
    let options = body.get("options")?.as_object()?;
    let wrong = [
        "num_ctx",
        "num_predict",
        "seed",
        "temperature",
        "top_p",
        "top_k",
    ]
    .into_iter()
    .find(|name| {
        options
            .get(*name)
            .is_some_and(|value| !value.is_number() && !value.is_null())
    })?;
    Some(format!("option \"{wrong}\" must be of type integer"))
}

fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value.as_array().is_some_and(Vec::is_empty)
}
