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
    pieces::GrowingCalls,
    wire::{ChatBody, Chunk, Models},
};
use crate::{
    Address, ChatEvent, ChatRequest, ChatStream, Health, Model, Provider, ProviderError, Settings,
    address::Syntax,
    answer::Answer,
    chat::{Timings, Usage},
    error::ErrorKind,
    events::BodyEvents,
    http::{Engine, Http, json_body},
    retry,
    settings::Timeout,
    text::clean_name,
};

const ENGINE: Engine = Engine {
    name: "The model server",
    start: "Start it, or set base_url to where it listens.",
    address_variable: "OPENAI_BASE_URL",
    key_variable: "OPENAI_API_KEY",
};

/// A server with an OpenAI-compatible API.
#[derive(Debug, Clone)]
pub struct OpenAi {
    http: Http,
    default_model: Option<String>,
}

impl OpenAi {
    /// A client for the server at this address, which without a path means its `/v1`. Nothing is
    /// sent yet.
    ///
    /// # Errors
    /// When the key can't be a header, or HTTPS has no root certificates.
    pub fn new(
        mut address: Address,
        settings: &Settings,
        key: Option<&str>,
    ) -> Result<Self, ProviderError> {
        if address.url.path() == "/" {
            address.url.set_path("/v1/");
        }
        Ok(Self {
            http: Http::new(address, settings.timeouts(), key, ENGINE)?,
            default_model: settings.default_model.clone(),
        })
    }

    /// A client for the configured server: its address from `base_url`, else from
    /// `OPENAI_BASE_URL`; its key from `OPENAI_API_KEY`. Nothing is sent yet.
    ///
    /// # Errors
    /// When there is no address, or when it or the key can't be used; the message names where it
    /// was set.
    pub fn connect(
        settings: &Settings,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ProviderError> {
        let variable = ENGINE.address_variable;
        let address = Address::find(settings.base_url.as_deref(), variable, Syntax::Url, env)
            .and_then(|found| {
                found.ok_or_else(|| {
                    format!(
                        "provider openai needs an address: set base_url or {variable}, such as \
                         http://127.0.0.1:8000/v1"
                    )
                })
            })
            .map_err(ProviderError::invalid)?;
        Self::new(address, settings, ENGINE.key(env).as_deref())
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
                    format!("an empty list at {}", self.http.address.as_str()),
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
            None => retry::ask(|| self.default_model()).await?,
        };
        let body = json_body(&ChatBody::new(&model, &request))?;
        let http = self.http.with_trace(request.trace.as_ref());
        Ok(chat(http, model, body))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        let sent = self
            .http
            .json(Method::GET, "models", None, Timeout::Connect)
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
            // The API has no route for it.
            version: String::new(),
            default_model: self.default_model().await?,
        })
    }
}

/// Sends the chat and reads its events. Dropping the stream closes the connection.
fn chat(http: Http, model: String, body: Bytes) -> ChatStream {
    Box::pin(try_stream! {
        let started = Instant::now();
        let sending = retry::send(&http, "chat/completions", &body, |failure| {
            explain(&http, failure, Some(&model))
        });
        let (response, first_byte_by) = sending.await?;
        let mut events = BodyEvents::new(&http, response, first_byte_by)?;
        let mut answer = Answer::new("openai", model, started);
        let mut calls = GrowingCalls::default();
        let (mut finish, mut usage, mut timings) = (None, Usage::default(), Timings::default());
        while let Some(event) = events.next().await? {
            let Some(data) = event.data else { continue };
            if event.event.as_deref() == Some("error") {
                Err(stream_error(&http, data.as_bytes()))?;
            }
            if data.trim() == "[DONE]" {
                break;
            }
            let chunk: Chunk<'_> =
                serde_json::from_str(&data).map_err(|error| http.not_understood(data.as_bytes(), &error))?;
            if chunk.error.is_some() {
                Err(stream_error(&http, data.as_bytes()))?;
            }
            if let Some(model) = chunk.model.filter(|model| !model.is_empty()) {
                answer.model = clean_name(&model);
            }
            if let Some(counted) = chunk.usage {
                usage = counted.into();
            }
            if let Some(measured) = chunk.timings {
                timings = measured.into();
            }
            // A request for one answer gets one; a last chunk with the usage has none.
            let Some(mut choice) = chunk.choices.unwrap_or_default().into_iter().next() else { continue };
            let (thinking, content) = choice.delta.take_text();
            for event in answer.append(thinking, content, Vec::new())? {
                yield event;
            }
            for piece in choice.delta.tool_calls.into_iter().flatten() {
                calls.add(piece)?;
            }
            if choice.finish_reason.is_some() {
                finish = choice.finish_reason;
            }
        }
        // The end is `[DONE]`, but not every server sends it; one that said why it finished has.
        let Some(reason) = finish else {
            Err(answer.cut_error(ENGINE.name))?;
            return;
        };
        for event in answer.append("".into(), "".into(), calls.finish()?)? {
            yield event;
        }
        events.read_end().await;
        // Asking for tools is an ordinary end, as it is with Ollama.
        let reason = if reason == "tool_calls" { "stop".to_owned() } else { clean_name(&reason) };
        timings.total = started.elapsed();
        yield ChatEvent::Done(Box::new(answer.finish(reason, usage, timings)));
    })
}
