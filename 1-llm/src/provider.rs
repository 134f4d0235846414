//! The one trait that the rest of the stack depends on.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use crate::{ChatEvent, ChatRequest, Completion, ErrorKind, ProviderError};

/// An answer on its way. Dropping it cancels the work behind it.
pub type ChatStream = Pin<Box<dyn Stream<Item = Result<ChatEvent, ProviderError>> + Send>>;

/// An engine that can hold a chat: Ollama, an OpenAI-compatible server, the built-in tutor.
#[async_trait::async_trait]
pub trait Provider: Send + Sync {
    /// A short fixed name: `ollama`, `openai`, `tutor`.
    fn name(&self) -> &'static str;

    /// Starts an answer. The stream ends with [`ChatEvent::Done`] or with an error. An answer that
    /// was cut off ends with [`ErrorKind::Truncated`].
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError>;

    /// The whole answer at once, for callers who don't show it as it grows.
    async fn complete(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let mut answer = self.chat(request).await?;
        while let Some(event) = answer.next().await {
            if let ChatEvent::Done(completion) = event? {
                return Ok(*completion);
            }
        }
        Err(ProviderError::new(
            ErrorKind::Truncated,
            "The answer stopped before its end. Ask again.",
            format!("the stream of {} ended without Done", self.name()),
        ))
    }

    /// The models that can be asked for, by name.
    async fn models(&self) -> Result<Vec<Model>, ProviderError>;

    /// Whether the engine answers, and its version. Returns within the connect timeout and a moment.
    async fn health(&self) -> Result<Health, ProviderError>;
}

/// A model that a provider offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The name to ask for it by.
    pub name: String,
    /// Bytes on disk; 0 when the engine doesn't say.
    pub size: u64,
    /// Parameter count as the engine words it, such as `3.2B`; empty when unknown.
    pub parameters: String,
    /// Quantisation, such as `Q4_K_M`; empty when unknown.
    pub quantization: String,
    /// Its abilities: `completion`, `tools`, `thinking`, `vision`, `embedding`…
    pub capabilities: Vec<String>,
}

/// The engine behind a provider, when it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The provider's name, as [`Provider::name`] gives it.
    pub provider: String,
    /// The engine's version; empty when it has none.
    pub version: String,
    /// The model that is used when none is named; empty when there is none.
    pub default_model: String,
}
