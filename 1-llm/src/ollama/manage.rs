//! Everything but chat: what is installed and loaded, and how that is changed.

use std::time::Duration;

use async_stream::try_stream;
use futures_util::Stream;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    Ollama,
    failure::{explain, line_error},
    wire::{ChatLine, Details},
};
use crate::{
    ProviderError,
    error::ErrorKind,
    http::{Failure, Http, body_of},
    lines::BodyLines,
    settings::Limit,
};

/// A model that is in memory now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Its name, with its tag.
    pub name: String,
    /// Bytes in memory, of any kind.
    #[serde(default)]
    pub size: u64,
    /// Bytes of those on a graphics card.
    #[serde(default)]
    pub size_vram: u64,
    /// The context that it was loaded with, in tokens; 0 when the server doesn't say.
    #[serde(default)]
    pub context_length: u64,
}

/// What `show` tells about a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// Size, family, quantisation.
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

impl Shown {
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
    /// Tokens read.
    #[serde(default)]
    pub prompt_eval_count: u64,
}

/// A step of a pull.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PullProgress {
    /// What is being done, in Ollama's words; `success` is the last.
    pub status: String,
    /// Which layer, when one is being fetched.
    pub digest: String,
    /// Bytes of the layer; 0 when none is being fetched.
    pub total: u64,
    /// Bytes of it that are there.
    pub completed: u64,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Ps {
    #[serde(default)]
    models: Option<Vec<Loaded>>,
}

impl Ollama {
    /// Whether anything answers, and within the connect time-out.
    ///
    /// # Errors
    /// When nothing does.
    pub async fn heartbeat(&self) -> Result<(), ProviderError> {
        let sent = self.http.send(Method::HEAD, "", None, Limit::Connect).await;
        sent.map(|_| ())
            .map_err(|failure| explain(&self.http, failure, None))
    }

    /// The models in memory now.
    ///
    /// # Errors
    /// When Ollama doesn't answer.
    pub async fn loaded(&self) -> Result<Vec<Loaded>, ProviderError> {
        ps(&self.http).await
    }

    /// What a model is and can do.
    ///
    /// # Errors
    /// When it isn't installed, or Ollama doesn't answer.
    pub async fn show(&self, model: &str) -> Result<Shown, ProviderError> {
        let body = json!({"model": model});
        self.post("api/show", &body, model, Limit::Idle).await
    }

    /// Vectors for some texts.
    ///
    /// # Errors
    /// When the model isn't installed or can't embed, or Ollama doesn't answer.
    pub async fn embed(&self, model: &str, input: &[String]) -> Result<Embeddings, ProviderError> {
        let body = json!({"model": model, "input": input});
        self.post("api/embed", &body, model, Limit::FirstByte).await
    }

    /// Removes a model from the disk.
    ///
    /// # Errors
    /// When it isn't installed, or Ollama doesn't answer.
    pub async fn delete(&self, model: &str) -> Result<(), ProviderError> {
        let body = body_of(&json!({"model": model}))?;
        // The answer is an empty body: there is nothing to read.
        let sent = self
            .http
            .send(Method::DELETE, "api/delete", Some(body), Limit::Idle)
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
        let body = body_of(body)?;
        let within = Limit::FirstByte;
        let deadline = Instant::now() + self.http.limits.of(within);
        let explained = |failure| explain(&self.http, failure, Some(model));
        let response = self
            .http
            .send(Method::POST, "api/chat", Some(body), within)
            .await
            .map_err(explained)?;
        let answer = self.http.whole(response, 1 << 20, deadline, within).await?;
        let line: ChatLine<'_> = serde_json::from_slice(&answer)
            .map_err(|error| self.http.not_understood(&answer, &error))?;
        match &line.error {
            Some(error) => Err(line_error(&self.http, error, model)),
            None => Ok(()),
        }
    }

    /// Fetches a model, step by step. Dropping the stream stops it; what has been fetched stays,
    /// and the next pull goes on from there.
    pub fn pull(
        &self,
        model: &str,
    ) -> impl Stream<Item = Result<PullProgress, ProviderError>> + Send + use<> {
        let (mut http, model) = (self.http.clone(), model.to_owned());
        // Verifying a large file says nothing for minutes.
        http.limits.idle = http.limits.idle.max(http.limits.first_byte);
        try_stream! {
            let body = body_of(&json!({"model": model}))?;
            let sent = http.send(Method::POST, "api/pull", Some(body), Limit::FirstByte).await;
            let response = sent.map_err(|failure| explain(&http, failure, Some(&model)))?;
            let first_by = Instant::now() + http.limits.first_byte;
            let mut lines = BodyLines::new(&http, response, first_by, &["json"])?;
            while let Some(line) = lines.next().await? {
                let step: PullProgress =
                    serde_json::from_slice(&line).map_err(|error| http.not_understood(&line, &error))?;
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
                "The pull stopped before its end. Run it again: it goes on from where it was.",
                "the pull's body ended without success",
            ))?;
        }
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        model: &str,
        within: Limit,
    ) -> Result<T, ProviderError> {
        let sent = self
            .http
            .json(Method::POST, path, Some(body_of(body)?), within)
            .await;
        sent.map_err(|failure| explain(&self.http, failure, Some(model)))
    }
}

/// How a model is loaded, if it is.
pub(crate) async fn loaded(http: &Http, model: &str) -> Result<Option<Loaded>, ProviderError> {
    let wanted = full_name(model);
    Ok(ps(http)
        .await?
        .into_iter()
        .find(|loaded| full_name(&loaded.name) == wanted))
}

async fn ps(http: &Http) -> Result<Vec<Loaded>, ProviderError> {
    let answer: Result<Ps, Failure> = http.json(Method::GET, "api/ps", None, Limit::Connect).await;
    let ps = answer.map_err(|failure| explain(http, failure, None))?;
    Ok(ps.models.unwrap_or_default())
}

/// A name without a tag means `:latest`, and case doesn't matter.
pub(crate) fn full_name(name: &str) -> String {
    let name = name.to_lowercase();
    let tagged = name
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains(':'));
    if tagged {
        name
    } else {
        format!("{name}:latest")
    }
}

fn pull_error(http: &Http, error: &Value, model: &str) -> ProviderError {
    let said = error.to_string();
    if said.contains("does not exist") || said.contains("not found") {
        return ProviderError::new(
            ErrorKind::ModelNotFound,
            "There is no model of that name to pull. Look it up at https://ollama.com/library",
            format!("pulling {model}: {said}"),
        );
    }
    let mut error = line_error(http, error, model);
    error.public =
        "The pull failed. Is there a network, and room on the disk? Run it again: it goes on \
        from where it was."
            .to_owned();
    error
}

#[cfg(test)]
mod tests {
    use super::full_name;

    #[test]
    fn a_name_without_a_tag_is_the_latest() {
        assert_eq!(full_name("Llama3.2"), "llama3.2:latest");
        assert_eq!(full_name("llama3.2:3b"), "llama3.2:3b");
        assert_eq!(
            full_name("host:5000/team/model"),
            "host:5000/team/model:latest"
        );
    }
}
