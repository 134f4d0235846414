//! An answer as it grows: what every engine's stream has in common.

use std::{borrow::Cow, time::Duration};

use tokio::time::Instant;

use crate::{
    ChatEvent, Completion, Message, ProviderError, Role, ToolCall,
    chat::{Timings, Usage},
    error::ErrorKind,
};

/// The longest answer that is put together. A million tokens is about 5 MB.
const LONGEST: usize = 64 << 20;
/// No model asks for this many tools at once unless it has gone astray.
const MAX_CALLS: usize = 256;

/// The part of an answer that has come so far.
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

    /// Adds a piece, and gives its events in the order in which a model makes them: it thinks,
    /// says something, and asks for tools.
    pub(crate) fn append(
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
            || self.message.tool_calls.len() > MAX_CALLS
        {
            return Err(ProviderError::new(
                ErrorKind::Engine,
                format!(
                    "The answer grew beyond {} MB, or {MAX_CALLS} tool calls, and was stopped.",
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

    /// The whole answer. `timings` are the engine's own, but the first token's is measured here.
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

    /// The error for an answer that ended before it was complete.
    pub(crate) fn cut_error(&self, engine: &str) -> ProviderError {
        ProviderError::new(
            ErrorKind::Truncated,
            format!(
                "{engine} stopped in the middle of the answer, which is not complete. Ask again."
            ),
            format!(
                "the body ended before the answer did, after {} bytes of text",
                self.message.content.len()
            ),
        )
    }
}
