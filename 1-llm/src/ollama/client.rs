//! The provider itself: which model speaks, and which route is asked for what.

use reqwest::Method;
use tokio::time::timeout;

use super::{context, failure, stream, wire};
use crate::{
    Address, ChatRequest, ChatStream, Health, Model, Provider, ProviderError, Settings,
    address::Syntax,
    error::ErrorKind,
    http::{Engine, Http, json_body},
    retry,
    settings::Timeout,
    text::{clean_name, clean_names},
};

const ENGINE: Engine = Engine {
    name: "Ollama",
    start: "Start it with: ollama serve",
    address_variable: "OLLAMA_HOST",
    key_variable: "OLLAMA_API_KEY",
};

/// An Ollama server.
#[derive(Debug, Clone)]
pub struct Ollama {
    pub(super) http: Http,
    default_model: Option<String>,
    pub(super) num_ctx: Option<u32>,
}

impl Ollama {
    /// A client for the server at this address. Nothing is sent yet.
    ///
    /// # Errors
    /// When the key can't be a header, or HTTPS has no root certificates.
    pub fn new(
        address: Address,
        settings: &Settings,
        key: Option<&str>,
    ) -> Result<Self, ProviderError> {
        Ok(Self {
            http: Http::new(address, settings.timeouts(), key, ENGINE)?,
            default_model: settings.default_model.clone(),
            num_ctx: settings.num_ctx,
        })
    }

    /// A client for the configured server: its address from `base_url`, else from `OLLAMA_HOST`,
    /// else Ollama's usual one; its key from `OLLAMA_API_KEY`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address or the key can't be used; the message names where it was set.
    pub fn connect(
        settings: &Settings,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ProviderError> {
        let variable = ENGINE.address_variable;
        let found = Address::find(settings.base_url.as_deref(), variable, Syntax::Ollama, env);
        let address = match found.map_err(ProviderError::invalid)? {
            Some(address) => address,
            None => Address::ollama_default().map_err(ProviderError::invalid)?,
        };
        if let Some(warning) = &address.warning {
            tracing::warn!("{}: {warning}", address.source);
        }
        Self::new(address, settings, ENGINE.key(env).as_deref())
    }

    /// Where this client sends its requests.
    pub fn address(&self) -> &Address {
        &self.http.address
    }

    /// The server's version.
    ///
    /// # Errors
    /// When nothing answers, or something that isn't Ollama does.
    pub async fn version(&self) -> Result<String, ProviderError> {
        let version: wire::Version = self.get("api/version", Timeout::Connect).await?;
        Ok(clean_name(&version.version))
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
                        self.http.address.as_str()
                    ),
                )
            })
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        timeout: Timeout,
    ) -> Result<T, ProviderError> {
        self.http
            .json(Method::GET, path, None, timeout)
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
            None => retry::ask(|| self.default_model()).await?,
        };
        let body = json_body(&wire::ChatBody::new(&model, &request, self.num_ctx))?;
        Ok(stream::chat(
            self.http.with_trace(request.trace.as_ref()),
            model,
            body,
            context::estimate(&request),
        ))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        // Ollama opens each model's file for this list, which takes its time on a slow disk.
        let tags: wire::Tags = self.get("api/tags", Timeout::Idle).await?;
        Ok(tags
            .models
            .unwrap_or_default()
            .into_iter()
            .map(Model::from)
            .collect())
    }

    async fn health(&self) -> Result<Health, ProviderError> {
        let soon = self.http.timeouts.duration(Timeout::Connect);
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
            name: clean_name(&tag.name),
            size: tag.size,
            parameters: clean_name(&details.parameter_size),
            quantization: clean_name(&details.quantization_level),
            capabilities: clean_names(&tag.capabilities.unwrap_or_default()),
        }
    }
}
