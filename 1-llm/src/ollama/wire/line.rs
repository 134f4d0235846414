//! A line of a chat's answer.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use crate::chat::{Timings, ToolCall, Usage, fresh_call_id};

/// One line of a chat's answer. Strings are borrowed from the line where nothing is escaped.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ChatLine<'a> {
    #[serde(borrow, default)]
    pub(crate) model: Text<'a>,
    #[serde(borrow, default)]
    message: Option<LineMessage<'a>>,
    #[serde(default)]
    pub(crate) done: bool,
    #[serde(borrow, default)]
    pub(crate) done_reason: Text<'a>,
    // An error arrives as a line too, after the status 200 has long been sent.
    #[serde(default)]
    pub(crate) error: Option<Value>,
    #[serde(default)]
    total_duration: u64,
    #[serde(default)]
    load_duration: u64,
    #[serde(default)]
    pub(crate) prompt_eval_count: u64,
    #[serde(default)]
    prompt_eval_duration: u64,
    #[serde(default)]
    eval_count: u64,
    #[serde(default)]
    eval_duration: u64,
}

impl<'a> ChatLine<'a> {
    /// Its message, which is empty where the line has none.
    pub(crate) fn take_message(&mut self) -> LineMessage<'a> {
        self.message.take().unwrap_or_default()
    }

    /// A line with some text and nothing else.
    pub(crate) fn with_content(content: Text<'a>) -> Self {
        let message = LineMessage {
            content,
            ..LineMessage::default()
        };
        Self {
            message: Some(message),
            ..Self::default()
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            prompt_tokens: self.prompt_eval_count,
            completion_tokens: self.eval_count,
        }
    }

    pub(crate) fn timings(&self) -> Timings {
        Timings {
            total: Duration::from_nanos(self.total_duration),
            load: Duration::from_nanos(self.load_duration),
            prompt: Duration::from_nanos(self.prompt_eval_duration),
            answer: Duration::from_nanos(self.eval_duration),
            first_token: Duration::ZERO,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct LineMessage<'a> {
    #[serde(borrow, default)]
    pub(crate) content: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) thinking: Text<'a>,
    #[serde(default)]
    pub(crate) tool_calls: Option<Vec<LineCall>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LineCall {
    #[serde(default)]
    id: String,
    function: LineFunction,
}

#[derive(Debug, Deserialize)]
struct LineFunction {
    name: String,
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

impl From<LineCall> for ToolCall {
    fn from(call: LineCall) -> Self {
        let id = if call.id.is_empty() {
            fresh_call_id()
        } else {
            call.id
        };
        Self {
            id,
            name: call.function.name,
            arguments: call.function.arguments.unwrap_or_default(),
        }
    }
}

/// A string that is borrowed where it can be, and empty where it is `null` or absent.
#[derive(Debug, Default)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or null")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text)))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_nulls_escapes_and_absent_fields() {
        let mut line: ChatLine<'_> = serde_json::from_str(
            r#"{"model":null,"message":{"content":"a\u003cb","thinking":null,"tool_calls":null},"done":false}"#,
        )
        .unwrap();
        assert_eq!(line.take_message().content.0, "a<b");
        let mut bare: ChatLine<'_> = serde_json::from_str("{}").unwrap();
        assert!(!bare.done && bare.take_message().content.0.is_empty());
    }

    #[test]
    fn plain_text_is_borrowed_from_the_line() {
        let mut line: ChatLine<'_> =
            serde_json::from_str(r#"{"message":{"content":"The"}}"#).unwrap();
        assert!(matches!(
            line.take_message().content.0,
            Cow::Borrowed("The")
        ));
    }

    #[test]
    fn a_number_written_as_a_string_is_an_error_that_says_so() {
        let error = serde_json::from_str::<ChatLine<'_>>(r#"{"eval_count":"15"}"#).unwrap_err();
        assert!(error.to_string().contains("string \"15\""), "{error}");
    }
}
