//! Any server that speaks OpenAI's `/v1/chat/completions`: llama.cpp's, vLLM, LM Studio, or a
//! cluster behind one address.

// Its JSON, in and out.
mod wire;
// Tool calls, put together from pieces.
mod pieces;
// What its refusals mean.
mod failure;

use async_stream::try_stream;
use bytes::Bytes;
use reqwest::Method;
use tokio::time::Instant;

use self::{
    failure::{explain, stream_error},
    pieces::Pieces,
    wire::{ChatBody, Chunk, Models},
};
use crate::{
    ChatEvent, ChatRequest, ChatStream, Health, Model, Provider, ProviderError, Settings,
    answer::Answer,
    chat::{Timings, Usage},
    error::ErrorKind,
    http::{Engine, Http, body_of},
    lines::BodyLines,
    ollama::Host,
    retry,
    settings::Limit,
};

const ENGINE: Engine = Engine {
    name: "The model server",
    start: "Start it, or set base_url to where it listens.",
    key_variable: "OPENAI_API_KEY",
};

/// A server with an OpenAI-compatible API.
#[derive(Debug, Clone)]
pub struct OpenAi {
    http: Http,
    default_model: Option<String>,
}

impl OpenAi {
    /// A client for the server at `host`. An address without a path means its `/v1`. Nothing is
    /// sent yet.
    ///
    /// # Errors
    /// When the key can't be a header, or HTTPS has no root certificates.
    pub fn new(
        mut host: Host,
        settings: &Settings,
        key: Option<&str>,
    ) -> Result<Self, ProviderError> {
        if host.url.path() == "/" {
            host.url.set_path("/v1/");
        }
        Ok(Self {
            http: Http::new(host, settings.limits(), key, ENGINE)?,
            default_model: settings.default_model.clone(),
        })
    }

    async fn default_model(&self) -> Result<String, ProviderError> {
        if let Some(name) = &self.default_model {
            return Ok(name.clone());
        }
        self.models()
            .await?
            .into_iter()
            .next()
            .map(|model| model.name)
            .ok_or_else(|| {
                ProviderError::new(
                    ErrorKind::ModelNotFound,
                    "The model server lists no model. Load one there, or set default_model.",
                    format!("an empty list at {}", self.http.host.shown()),
                )
            })
    }
}

#[async_trait::async_trait]
impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let model = match &request.model {
            Some(name) => name.clone(),
            None => retry::over(|| self.default_model()).await?,
        };
        let body = body_of(&ChatBody::new(&model, &request))?;
        let http = self.http.traced(request.trace.as_ref());
        Ok(chat(http, model, body))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        let sent = self
            .http
            .json(Method::GET, "models", None, Limit::Connect)
            .await;
        let models: Models = sent.map_err(|failure| explain(&self.http, failure, None))?;
        Ok(models
            .data
            .unwrap_or_default()
            .into_iter()
            .map(Model::from)
            .collect())
    }

    async fn health(&self) -> Result<Health, ProviderError> {
        Ok(Health {
            provider: self.name().to_owned(),
            // The API has no route that tells it.
            version: String::new(),
            default_model: self.default_model().await?,
        })
    }
}

/// Sends the chat and reads its events. Dropping the stream closes the connection.
fn chat(http: Http, model: String, body: Bytes) -> ChatStream {
    Box::pin(try_stream! {
        let started = Instant::now();
        let mut tried = 0;
        let (response, first_byte_by) = loop {
            tried += 1;
            let first_byte_by = Instant::now() + http.limits.first_byte;
            let within = Limit::FirstByte;
            let failure = match http.send(Method::POST, "chat/completions", Some(body.clone()), within).await {
                Ok(response) => break (response, first_byte_by),
                Err(failure) => failure,
            };
            let told = failure.told();
            let error = explain(&http, failure, Some(&model));
            match retry::pause(&error, told, tried) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => Err(error)?,
            }
        };
        let mut lines = BodyLines::new(&http, response, first_byte_by, &["event-stream"])?;
        let mut answer = Answer::new("openai", model, started);
        let mut pieces = Pieces::default();
        let (mut finish, mut usage, mut timings) = (None, Usage::default(), Timings::default());
        while let Some(line) = lines.next().await? {
            // Comments keep the connection alive, and event names and ids aren't used here. Each
            // event of this API is one line of data.
            let line = std::str::from_utf8(&line).map_err(|error| http.not_understood(&line, &error))?;
            let data = match wire::field(line) {
                Some(("data", data)) => data,
                Some(("error", error)) => Err(stream_error(&http, error.as_bytes()))?,
                _ => continue,
            };
            if data == "[DONE]" {
                break;
            }
            let chunk: Chunk<'_> =
                serde_json::from_str(data).map_err(|error| http.not_understood(data.as_bytes(), &error))?;
            if chunk.error.is_some() {
                Err(stream_error(&http, data.as_bytes()))?;
            }
            if let Some(model) = chunk.model.filter(|model| !model.is_empty()) {
                answer.model = model.into_owned();
            }
            if let Some(counted) = chunk.usage {
                usage = counted.into();
            }
            if let Some(measured) = chunk.timings {
                timings = measured.into();
            }
            // A request for one answer gets one; a last chunk with the usage has none.
            let Some(mut choice) = chunk.choices.unwrap_or_default().into_iter().next() else { continue };
            let (thinking, content) = choice.delta.text();
            for event in answer.take(thinking, content, Vec::new())? {
                yield event;
            }
            for piece in choice.delta.tool_calls.into_iter().flatten() {
                pieces.add(piece)?;
            }
            if choice.finish_reason.is_some() {
                finish = choice.finish_reason;
            }
        }
        // The end is `[DONE]`, but not every server sends it; one that said why it finished has.
        let Some(reason) = finish else {
            Err(answer.cut("The model server"))?;
            return;
        };
        for event in answer.take("".into(), "".into(), pieces.whole()?)? {
            yield event;
        }
        lines.end().await;
        // Asking for tools is an ordinary end, as it is with Ollama.
        let reason = if reason == "tool_calls" { "stop".to_owned() } else { reason };
        timings.total = started.elapsed();
        yield ChatEvent::Done(Box::new(answer.finish(reason, usage, timings)));
    })
}
