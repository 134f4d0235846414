//! The lines of one chat, decoded. No I/O happens here, so that any stream can be tried on it.

use serde_json::Value;
use tokio::time::Instant;

use super::wire::{ChatLine, LineMessage};
use crate::{ChatEvent, ProviderError, ToolCall, answer::Answer};

/// Decodes a chat line by line, and puts the whole answer together.
pub struct Decoder {
    answer: Answer,
}

/// Why a line ends the chat.
#[derive(Debug)]
pub enum LineError {
    /// It isn't what Ollama sends.
    NotUnderstood(serde_json::Error),
    /// Ollama says that it failed. This comes as a line, since the status 200 was sent long ago.
    Engine(Value),
    /// The answer has become too large.
    TooMuch(ProviderError),
}

impl Decoder {
    /// A decoder for an answer of that model, asked for at that time.
    pub fn new(model: &str, started: Instant) -> Self {
        Self {
            answer: Answer::new("ollama", model.to_owned(), started),
        }
    }

    /// What a line brings, in order; the last line's last event is [`ChatEvent::Done`].
    ///
    /// # Errors
    /// See [`LineError`].
    pub fn line(
        &mut self,
        line: &[u8],
    ) -> Result<impl Iterator<Item = ChatEvent> + use<>, LineError> {
        let mut line: ChatLine<'_> =
            serde_json::from_slice(line).map_err(LineError::NotUnderstood)?;
        if let Some(error) = line.error {
            return Err(LineError::Engine(error));
        }
        // The last line may carry text and tool calls too, so the message is read before `done`
        // is looked at.
        let LineMessage {
            thinking,
            content,
            tool_calls,
        } = line.message();
        let calls = tool_calls
            .into_iter()
            .flatten()
            .map(ToolCall::from)
            .collect();
        let events = self
            .answer
            .take(thinking.0, content.0, calls)
            .map_err(LineError::TooMuch)?;
        let done = line.done.then(|| {
            let (usage, timings) = (line.usage(), line.timings());
            if !line.model.0.is_empty() {
                self.answer.model = line.model.0.into_owned();
            }
            let done_reason = line.done_reason.0.into_owned();
            ChatEvent::Done(Box::new(self.answer.finish(done_reason, usage, timings)))
        });
        Ok(events.chain(done))
    }

    /// The error for a stream that ended before its `done` line.
    pub(crate) fn cut(&self) -> ProviderError {
        self.answer.cut("Ollama")
    }
}
