//! The contract: refuse before the stream begins, and end it with `Done`.

use futures_util::stream;
use mcp_llm::{
    ChatEvent, ChatRequest, ChatStream, Completion, ErrorKind, Health, Message, Model, Provider,
    ProviderError, Role,
    chat::{Timings, Usage},
};

/// Says what it was told.
pub struct Parrot;

#[async_trait::async_trait]
impl Provider for Parrot {
    fn name(&self) -> &'static str {
        "parrot"
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let Some(told) = request.messages.last() else {
            return Err(ProviderError::new(
                ErrorKind::Invalid,
                "There is no message to answer. Send at least one.",
                "a request without messages",
            ));
        };
        let done = ChatEvent::Done(Box::new(Completion {
            provider: self.name().into(),
            model: "parrot".into(),
            message: Message::new(Role::Assistant, told.content.as_str()),
            done_reason: "stop".into(),
            usage: Usage::default(),
            timings: Timings::default(),
            context: None,
            warnings: Vec::new(),
        }));
        let pieces: Vec<Result<ChatEvent, ProviderError>> = told
            .content
            .split_inclusive(' ')
            .map(|word| ChatEvent::Content(word.to_owned()))
            .chain([done])
            .map(Ok)
            .collect();
        Ok(Box::pin(stream::iter(pieces)))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        Ok(Vec::new())
    }

    async fn health(&self) -> Result<Health, ProviderError> {
        Ok(Health {
            provider: self.name().into(),
            version: String::new(),
            default_model: String::new(),
        })
    }
}
