//! The lines of one chat, decoded. No I/O happens here, so that any stream can be tried on it.

use serde_json::Value;
use tokio::time::Instant;

use super::wire::{ChatLine, LineMessage, Text};
use crate::{ChatEvent, ProviderError, ToolCall, answer::Answer, text::clean_name};

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
    /// The answer has become too long.
    TooLong(ProviderError),
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
    pub fn decode_line(
        &mut self,
        line: &[u8],
    ) -> Result<impl Iterator<Item = ChatEvent> + use<>, LineError> {
        let mut line = match read_usual(line) {
            Some(line) => line,
            None => serde_json::from_slice(line).map_err(LineError::NotUnderstood)?,
        };
        if let Some(error) = line.error {
            return Err(LineError::Engine(error));
        }
        // The last line may carry text and tool calls too, so the message is read before `done`
        // is looked at.
        let LineMessage {
            thinking,
            content,
            tool_calls,
        } = line.take_message();
        let calls = tool_calls
            .into_iter()
            .flatten()
            .map(ToolCall::from)
            .collect();
        let events = self
            .answer
            .append(thinking.0, content.0, calls)
            .map_err(LineError::TooLong)?;
        let done = line.done.then(|| {
            let (usage, timings) = (line.usage(), line.timings());
            if !line.model.0.is_empty() {
                self.answer.model = clean_name(&line.model.0);
            }
            let done_reason = clean_name(&line.done_reason.0);
            ChatEvent::Done(Box::new(self.answer.finish(done_reason, usage, timings)))
        });
        Ok(events.chain(done))
    }

    /// The error for a stream that ended before its `done` line.
    pub(super) fn cut_error(&self) -> ProviderError {
        self.answer.cut_error("Ollama")
    }
}

/// The line that an answer has thousands of, read by its fixed parts: three times as fast, and
/// the same as reading it as JSON, which is what happens to every other line.
fn read_usual(line: &[u8]) -> Option<ChatLine<'_>> {
    let rest = after_string(line.strip_prefix(br#"{"model":""#)?)?;
    let rest = after_string(rest.strip_prefix(br#","created_at":""#)?)?;
    let quoted = rest
        .strip_prefix(br#","message":{"role":"assistant","content":"#)?
        .strip_suffix(br#"},"done":false}"#)?;
    // One JSON string and nothing else, or this isn't that line.
    let content: Text<'_> = serde_json::from_slice(quoted).ok()?;
    Some(ChatLine::with_content(content))
}

/// What follows a string of plain ASCII without escapes.
fn after_string(text: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'"', text)?;
    let (inside, rest) = text.split_at_checked(end)?;
    let plain = inside
        .iter()
        .all(|byte| (b' '..=b'~').contains(byte) && *byte != b'\\');
    if plain { rest.get(1..) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn as_json(line: &[u8]) -> Option<(String, bool)> {
        let mut line: ChatLine<'_> = serde_json::from_slice(line).ok()?;
        let nothing_else = !line.done && line.error.is_none() && line.prompt_eval_count == 0;
        let message = line.take_message();
        let only_text = message.thinking.0.is_empty() && message.tool_calls.is_none();
        Some((message.content.0.into_owned(), nothing_else && only_text))
    }

    fn as_usual(line: &[u8]) -> Option<String> {
        read_usual(line).map(|mut line| line.take_message().content.0.into_owned())
    }

    #[test]
    fn the_usual_line_is_read_by_its_parts() {
        let line = |content: &str| {
            format!(
                r#"{{"model":"m","created_at":"2026","message":{{"role":"assistant","content":{content}}},"done":false}}"#
            )
        };
        for (content, text) in [
            (r#""The""#, "The"),
            (r#""a\u003cb\n""#, "a<b\n"),
            (r#""""#, ""),
            (r#""åß🦙""#, "åß🦙"),
        ] {
            assert_eq!(as_usual(line(content).as_bytes()).as_deref(), Some(text));
        }
        for other in [
            r#""a","thinking":"b""#,
            r#""a"}"#,
            r#""a\x""#,
            "7",
            r#""a","tool_calls":[]"#,
        ] {
            assert_eq!(as_usual(line(other).as_bytes()), None, "{other}");
        }
    }

    /// Pieces that lines are made of, so that chance finds the edges.
    fn line_like() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(br#"{"model":""#.to_vec()),
            Just(br#"","created_at":""#.to_vec()),
            Just(br#"","message":{"role":"assistant","content":"#.to_vec()),
            Just(br#"},"done":false}"#.to_vec()),
            Just(br#","done":true}"#.to_vec()),
            Just(br#""text""#.to_vec()),
            Just(b"null".to_vec()),
            Just(br#"\""#.to_vec()),
            Just(br#"","thinking":""#.to_vec()),
            proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
    }

    /// The usual line, with something unusual in each of its open places.
    fn nearly_usual() -> impl Strategy<Value = Vec<u8>> {
        let hole = || prop_oneof![3 => "[ -~]{0,8}".prop_map(String::into_bytes), 1 => proptest::collection::vec(any::<u8>(), 0..4)];
        (hole(), hole(), hole()).prop_map(|(model, time, content)| {
            let mut line = br#"{"model":""#.to_vec();
            line.extend(model);
            line.extend(br#"","created_at":""#);
            line.extend(time);
            line.extend(br#"","message":{"role":"assistant","content":""#);
            line.extend(content);
            line.extend(br#""},"done":false}"#);
            line
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn reading_a_line_by_its_parts_never_differs_from_reading_it_as_json(
            line in prop_oneof![line_like(), nearly_usual()]
        ) {
            if let Some(text) = as_usual(&line) {
                prop_assert_eq!(as_json(&line), Some((text, true)));
            }
        }
    }
}
