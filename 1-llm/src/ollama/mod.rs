//! Ollama, over its native API.
//!
//! Not over its `/v1`, which ignores `num_ctx` and `think`.

// Where it is: the rules of OLLAMA_HOST.
mod host;
// Its JSON, in and out.
mod wire;
// Lines out of bytes that may be cut anywhere.
pub mod ndjson;
// What a line says.
pub mod decode;
// One chat, from the request to the last line.
mod stream;
// How full the context is, before Ollama cuts it silently.
mod context;
// Everything but chat: show, pull, embed, load…
mod manage;
// What its refusals mean.
mod failure;

use reqwest::Method;
use tokio::time::timeout;

pub use host::Host;
pub use manage::{Embeddings, Loaded, PullProgress, Shown};
pub use wire::Details;

pub(crate) use failure::shown_name;
pub(crate) use wire::fresh_call_id;

use crate::{
    ChatRequest, ChatStream, Health, Model, Provider, ProviderError, Settings,
    error::ErrorKind,
    http::{Engine, Http, body_of},
    retry,
    settings::Limit,
};

const ENGINE: Engine = Engine {
    name: "Ollama",
    start: "Start it with: ollama serve",
    key_variable: "OLLAMA_API_KEY",
};

/// An Ollama server.
#[derive(Debug, Clone)]
pub struct Ollama {
    http: Http,
    default_model: Option<String>,
    num_ctx: Option<u32>,
}

impl Ollama {
    /// A client for the server at `host`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the key can't be a header, or HTTPS has no root certificates.
    pub fn new(host: Host, settings: &Settings, key: Option<&str>) -> Result<Self, ProviderError> {
        Ok(Self {
            http: Http::new(host, settings.limits(), key, ENGINE)?,
            default_model: settings.default_model.clone(),
            num_ctx: settings.num_ctx,
        })
    }

    /// Where this client sends its requests.
    pub fn host(&self) -> &Host {
        &self.http.host
    }

    /// The server's version.
    ///
    /// # Errors
    /// When nothing answers, or something that isn't Ollama does.
    pub async fn version(&self) -> Result<String, ProviderError> {
        let version: wire::Version = self.get("api/version", Limit::Connect).await?;
        Ok(version.version)
    }

    /// The model for a chat that names none.
    pub(crate) async fn default_model(&self) -> Result<String, ProviderError> {
        if let Some(name) = &self.default_model {
            return Ok(name.clone());
        }
        let models = self.models().await?;
        let can = |model: &&Model, what: &str| model.capabilities.iter().any(|c| c == what);
        models
            .iter()
            .find(|model| can(model, "completion") && can(model, "tools"))
            .or_else(|| models.iter().find(|model| can(model, "completion")))
            // Servers from before capabilities were listed: anything may chat.
            .or_else(|| models.iter().find(|model| model.capabilities.is_empty()))
            .map(|model| model.name.clone())
            .ok_or_else(|| {
                ProviderError::new(
                    ErrorKind::ModelNotFound,
                    "Ollama has no model that can chat yet. Get one with: ollama pull llama3.2",
                    format!(
                        "{} models at {}, none for chat",
                        models.len(),
                        self.http.host.shown()
                    ),
                )
            })
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        within: Limit,
    ) -> Result<T, ProviderError> {
        self.http
            .json(Method::GET, path, None, within)
            .await
            .map_err(|failure| failure::explain(&self.http, failure, None))
    }
}

#[async_trait::async_trait]
impl Provider for Ollama {
    fn name(&self) -> &'static str {
        "ollama"
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let model = match &request.model {
            Some(name) => name.clone(),
            None => retry::over(|| self.default_model()).await?,
        };
        let body = body_of(&wire::ChatBody::new(&model, &request, self.num_ctx))?;
        Ok(stream::chat(
            self.http.traced(request.trace.as_ref()),
            model,
            body,
            context::estimate(&request),
        ))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        // Ollama opens each model's file for this list: on a slow disk that takes its time.
        let tags: wire::Tags = self.get("api/tags", Limit::Idle).await?;
        Ok(tags
            .models
            .unwrap_or_default()
            .into_iter()
            .map(Model::from)
            .collect())
    }

    async fn health(&self) -> Result<Health, ProviderError> {
        let soon = self.http.limits.of(Limit::Connect);
        let (version, default_model) =
            tokio::join!(self.version(), timeout(soon, self.default_model()));
        Ok(Health {
            provider: self.name().to_owned(),
            version: version?,
            // Which model would speak is good to know, but without it Ollama still answers.
            default_model: default_model
                .map(Result::unwrap_or_default)
                .unwrap_or_default(),
        })
    }
}

impl From<wire::Tag> for Model {
    fn from(tag: wire::Tag) -> Self {
        let details = tag.details.unwrap_or_default();
        Self {
            name: tag.name,
            size: tag.size,
            parameters: details.parameter_size,
            quantization: details.quantization_level,
            capabilities: tag.capabilities.unwrap_or_default(),
        }
    }
}
