//! An answer as it grows: what every engine's stream has in common.

use std::{borrow::Cow, time::Duration};

use tokio::time::Instant;

use crate::{
    ChatEvent, Completion, Message, ProviderError, Role, ToolCall,
    chat::{Timings, Usage},
    error::ErrorKind,
};

/// A whole answer, put together. A million tokens is about 5 MB.
const LONGEST: usize = 64 << 20;
/// No model asks for this many tools at once unless it has gone astray.
const MOST_CALLS: usize = 256;

/// What has come so far.
pub(crate) struct Answer {
    provider: &'static str,
    pub(crate) model: String,
    pub(crate) message: Message,
    started: Instant,
    first_token: Option<Duration>,
}

impl Answer {
    pub(crate) fn new(provider: &'static str, model: String, started: Instant) -> Self {
        Self {
            provider,
            model,
            message: Message::new(Role::Assistant, ""),
            started,
            first_token: None,
        }
    }

    /// Adds what came, and gives it on, in the order in which a model makes it.
    pub(crate) fn take(
        &mut self,
        thinking: Cow<'_, str>,
        content: Cow<'_, str>,
        calls: Vec<ToolCall>,
    ) -> Result<impl Iterator<Item = ChatEvent> + use<>, ProviderError> {
        if !thinking.is_empty() {
            self.message
                .thinking
                .get_or_insert_default()
                .push_str(&thinking);
        }
        self.message.content.push_str(&content);
        self.message.tool_calls.extend_from_slice(&calls);
        let thought = self.message.thinking.as_ref().map_or(0, String::len);
        if self.message.content.len() + thought > LONGEST
            || self.message.tool_calls.len() > MOST_CALLS
        {
            return Err(ProviderError::new(
                ErrorKind::Engine,
                format!(
                    "The answer passed {} MB, or {MOST_CALLS} tool calls, and was stopped.",
                    LONGEST >> 20
                ),
                "the answer passed its limit",
            ));
        }
        let events = [
            (!thinking.is_empty()).then(|| ChatEvent::Thinking(thinking.into_owned())),
            (!content.is_empty()).then(|| ChatEvent::Content(content.into_owned())),
            (!calls.is_empty()).then_some(ChatEvent::ToolCalls(calls)),
        ];
        if self.first_token.is_none() && events.iter().any(Option::is_some) {
            self.first_token = Some(self.started.elapsed());
        }
        Ok(events.into_iter().flatten())
    }

    /// The whole of it. `timings` are the engine's own; the first token's was measured here.
    pub(crate) fn finish(
        &mut self,
        done_reason: String,
        usage: Usage,
        timings: Timings,
    ) -> Completion {
        Completion {
            provider: self.provider.to_owned(),
            model: std::mem::take(&mut self.model),
            message: std::mem::replace(&mut self.message, Message::new(Role::Assistant, "")),
            done_reason,
            usage,
            timings: Timings {
                first_token: self.first_token.unwrap_or_default(),
                ..timings
            },
            context: None,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn cut(&self, engine: &str) -> ProviderError {
        ProviderError::new(
            ErrorKind::Truncated,
            format!(
                "{engine} stopped in the middle of the answer: what came is not the whole of it."
            ),
            format!(
                "the body ended before the answer did, after {} bytes of text",
                self.message.content.len()
            ),
        )
    }
}
