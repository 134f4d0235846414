//! Everything but chat: what is installed and loaded, and how that is changed.

use std::time::Duration;

use async_stream::try_stream;
use futures_util::Stream;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    client::Ollama,
    failure::{explain, line_error},
    loaded::{self, LoadedModel},
    wire::{ChatLine, Details},
};
use crate::{
    ProviderError,
    error::ErrorKind,
    http::{Http, json_body},
    lines::BodyLines,
    settings::Timeout,
    text::{clean_name, excerpt},
};

/// What a model is and can do, as `/api/show` describes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelInfo {
    /// Its size, family and quantisation.
    pub details: Details,
    /// What it can do: `completion`, `tools`, `thinking`, `vision`, `embedding`…
    pub capabilities: Vec<String>,
    /// Its default options, as lines of text.
    pub parameters: String,
    /// How a conversation is written out for it.
    pub template: String,
    /// The file's own facts, such as `llama.context_length`.
    pub model_info: Map<String, Value>,
}

impl ModelInfo {
    /// The longest context that the model was made for.
    pub fn longest_context(&self) -> Option<u64> {
        let family = self.model_info.get("general.architecture")?.as_str()?;
        self.model_info
            .get(&format!("{family}.context_length"))?
            .as_u64()
    }
}

/// Vectors, one for each input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embeddings {
    /// Which model made them.
    pub model: String,
    /// One vector for each input, in order.
    pub embeddings: Vec<Vec<f32>>,
    /// Tokens that the model read.
    #[serde(default)]
    pub prompt_eval_count: u64,
}

/// A step of a pull.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PullProgress {
    /// The step, in Ollama's words; `success` is the last.
    pub status: String,
    /// The layer that is being fetched; empty when none is.
    pub digest: String,
    /// Bytes of the layer; 0 when none is being fetched.
    pub total: u64,
    /// Bytes of it that have arrived.
    pub completed: u64,
    error: Option<Value>,
}

impl Ollama {
    /// Checks that something answers within the connect timeout.
    ///
    /// # Errors
    /// When nothing does.
    pub async fn heartbeat(&self) -> Result<(), ProviderError> {
        let sent = self
            .http
            .send(Method::HEAD, "", None, Timeout::Connect)
            .await;
        sent.map(|_| ())
            .map_err(|failure| explain(&self.http, failure, None))
    }

    /// The models in memory now.
    ///
    /// # Errors
    /// When Ollama doesn't answer.
    pub async fn loaded(&self) -> Result<Vec<LoadedModel>, ProviderError> {
        loaded::list(&self.http).await
    }

    /// What a model is and can do.
    ///
    /// # Errors
    /// When it isn't installed, or Ollama doesn't answer.
    pub async fn show(&self, model: &str) -> Result<ModelInfo, ProviderError> {
        let body = json!({"model": model});
        self.post("api/show", &body, model, Timeout::Idle).await
    }

    /// Vectors for some texts.
    ///
    /// # Errors
    /// When the model isn't installed or can't embed, or Ollama doesn't answer.
    pub async fn embed(&self, model: &str, input: &[String]) -> Result<Embeddings, ProviderError> {
        let body = json!({"model": model, "input": input});
        self.post("api/embed", &body, model, Timeout::FirstByte)
            .await
    }

    /// Removes a model from the disk.
    ///
    /// # Errors
    /// When it isn't installed, or Ollama doesn't answer.
    pub async fn delete(&self, model: &str) -> Result<(), ProviderError> {
        let body = json_body(&json!({"model": model}))?;
        // The answer is an empty body: there is nothing to read.
        let sent = self
            .http
            .send(Method::DELETE, "api/delete", Some(body), Timeout::Idle)
            .await;
        sent.map(|_| ())
            .map_err(|failure| explain(&self.http, failure, Some(model)))
    }

    /// Loads a model, so that the next chat doesn't wait for it. `keep_alive` is how long it
    /// stays, such as `"10m"`; `None` leaves that to Ollama.
    ///
    /// # Errors
    /// When it isn't installed, doesn't fit into memory, or Ollama doesn't answer.
    pub async fn preload(
        &self,
        model: &str,
        keep_alive: Option<&str>,
    ) -> Result<Duration, ProviderError> {
        let started = Instant::now();
        let mut body = json!({"model": model, "messages": [], "stream": false});
        if let Some(time) = keep_alive {
            body["keep_alive"] = time.into();
        }
        // With the configured context, or the first chat would load it once more.
        if let Some(tokens) = self.num_ctx {
            body["options"] = json!({"num_ctx": tokens});
        }
        self.load(model, &body).await?;
        Ok(started.elapsed())
    }

    /// Takes a model out of memory.
    ///
    /// # Errors
    /// When it isn't installed, or Ollama doesn't answer.
    pub async fn unload(&self, model: &str) -> Result<(), ProviderError> {
        self.load(
            model,
            &json!({"model": model, "messages": [], "stream": false, "keep_alive": 0}),
        )
        .await
    }

    async fn load(&self, model: &str, body: &Value) -> Result<(), ProviderError> {
        let body = json_body(body)?;
        let timeout = Timeout::FirstByte;
        let deadline = Instant::now() + self.http.timeouts.duration(timeout);
        let explained = |failure| explain(&self.http, failure, Some(model));
        let response = self
            .http
            .send(Method::POST, "api/chat", Some(body), timeout)
            .await
            .map_err(explained)?;
        let answer = self
            .http
            .read_whole(response, 1 << 20, deadline, timeout)
            .await?;
        let line: ChatLine<'_> = serde_json::from_slice(&answer)
            .map_err(|error| self.http.not_understood(&answer, &error))?;
        match &line.error {
            Some(error) => Err(line_error(&self.http, error, model)),
            None => Ok(()),
        }
    }

    /// Fetches a model, step by step. Dropping the stream stops it; what has been fetched stays,
    /// and the next pull continues from there.
    pub fn pull(
        &self,
        model: &str,
    ) -> impl Stream<Item = Result<PullProgress, ProviderError>> + Send + use<> {
        let (mut http, model) = (self.http.clone(), model.to_owned());
        // Ollama is silent for minutes while it verifies a large file.
        http.timeouts.idle = http.timeouts.idle.max(http.timeouts.first_byte);
        try_stream! {
            let body = json_body(&json!({"model": model}))?;
            let sent = http.send(Method::POST, "api/pull", Some(body), Timeout::FirstByte).await;
            let response = sent.map_err(|failure| explain(&http, failure, Some(&model)))?;
            let first_by = Instant::now() + http.timeouts.first_byte;
            let mut lines = BodyLines::new(&http, response, first_by, &["json"])?;
            while let Some(line) = lines.next().await? {
                let mut step: PullProgress =
                    serde_json::from_slice(&line).map_err(|error| http.not_understood(&line, &error))?;
                step.status = clean_name(&step.status);
                if let Some(error) = &step.error {
                    Err(pull_error(&http, error, &model))?;
                }
                let done = step.status == "success";
                yield step;
                if done {
                    return;
                }
            }
            Err(ProviderError::new(
                ErrorKind::Truncated,
                "The pull stopped before its end. Run it again: it continues from where it stopped.",
                "the pull's body ended without success",
            ))?;
        }
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        model: &str,
        timeout: Timeout,
    ) -> Result<T, ProviderError> {
        let sent = self
            .http
            .json(Method::POST, path, Some(json_body(body)?), timeout)
            .await;
        sent.map_err(|failure| explain(&self.http, failure, Some(model)))
    }
}

fn pull_error(http: &Http, error: &Value, model: &str) -> ProviderError {
    let message = error.to_string();
    if message.contains("does not exist") || message.contains("not found") {
        return ProviderError::new(
            ErrorKind::ModelNotFound,
            "There is no model of that name to pull. Look it up at https://ollama.com/library",
            format!(
                "pulling {}: {}",
                excerpt(model.as_bytes(), 80),
                excerpt(message.as_bytes(), 500)
            ),
        );
    }
    let mut error = line_error(http, error, model);
    error.public =
        "The pull failed. Is there a network, and room on the disk? Run it again: it continues \
        from where it stopped."
            .to_owned();
    error
}
