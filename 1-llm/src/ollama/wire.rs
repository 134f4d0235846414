//! Ollama's JSON, as it stands on the wire, and how it maps to the neutral types.

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use crate::chat::{ChatRequest, Message, Role, Think, Timings, ToolCall, ToolSpec, Usage};

/// The body of `POST /api/chat`.
#[derive(Serialize)]
pub(crate) struct ChatBody<'a> {
    model: &'a str,
    messages: Vec<MessageBody<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<&'a Think>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    options: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<&'a Value>,
}

impl<'a> ChatBody<'a> {
    pub(crate) fn new(model: &'a str, request: &'a ChatRequest, num_ctx: Option<u32>) -> Self {
        let mut options = request.options.clone();
        // The caller's own num_ctx wins; the configured one is for those who don't say.
        if let Some(tokens) = num_ctx {
            options.entry("num_ctx").or_insert_with(|| tokens.into());
        }
        Self {
            model,
            messages: request.messages.iter().map(MessageBody::from).collect(),
            stream: true,
            tools: request.tools.iter().map(ToolBody::from).collect(),
            think: request.think.as_ref(),
            format: request.format.as_ref(),
            options,
            keep_alive: request.keep_alive.as_ref(),
        }
    }
}

#[derive(Serialize)]
struct MessageBody<'a> {
    role: Role,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    images: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

impl<'a> From<&'a Message> for MessageBody<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            role: message.role,
            content: &message.content,
            thinking: message.thinking.as_deref(),
            images: &message.images,
            tool_calls: message
                .tool_calls
                .iter()
                .map(|call| CallBody {
                    id: &call.id,
                    function: FunctionBody {
                        name: &call.name,
                        arguments: &call.arguments,
                    },
                })
                .collect(),
            tool_name: message.tool_name.as_deref(),
            tool_call_id: message.tool_call_id.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct CallBody<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    function: FunctionBody<'a>,
}

#[derive(Serialize)]
struct FunctionBody<'a> {
    name: &'a str,
    // An object, where OpenAI's dialect has a string.
    arguments: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct ToolBody<'a> {
    r#type: &'static str,
    function: ToolFunction<'a>,
}

#[derive(Serialize)]
struct ToolFunction<'a> {
    name: &'a str,
    description: &'a str,
    parameters: Cow<'a, Value>,
}

impl<'a> From<&'a ToolSpec> for ToolBody<'a> {
    fn from(tool: &'a ToolSpec) -> Self {
        // Ollama refuses a tool without a schema object; a tool without arguments has none.
        let parameters = if tool.parameters.is_object() {
            Cow::Borrowed(&tool.parameters)
        } else {
            Cow::Owned(serde_json::json!({"type": "object", "properties": {}}))
        };
        Self {
            r#type: "function",
            function: ToolFunction {
                name: &tool.name,
                description: &tool.description,
                parameters,
            },
        }
    }
}

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
    /// What it says; nothing where the message is absent.
    pub(crate) fn message(&mut self) -> LineMessage<'a> {
        self.message.take().unwrap_or_default()
    }

    /// A line that says something and nothing else.
    pub(crate) fn saying(content: Text<'a>) -> Self {
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

/// Older engines name no id, and a result must be tied to its call.
pub(crate) fn fresh_call_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("call_{:08x}", RandomState::new().hash_one(next) >> 32)
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

/// `GET /api/tags`.
#[derive(Debug, Deserialize)]
pub(crate) struct Tags {
    #[serde(default)]
    pub(crate) models: Option<Vec<Tag>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Tag {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) details: Option<Details>,
    #[serde(default)]
    pub(crate) capabilities: Option<Vec<String>>,
}

/// What Ollama says about a model's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// The architecture's family, such as `llama`.
    pub family: String,
    /// The file format, such as `gguf`.
    pub format: String,
    /// Parameter count in words, such as `3.2B`.
    pub parameter_size: String,
    /// Quantisation, such as `Q4_K_M`.
    pub quantization_level: String,
}

/// `GET /api/version`.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(request: &ChatRequest, num_ctx: Option<u32>) -> Value {
        serde_json::to_value(ChatBody::new("m", request, num_ctx)).unwrap()
    }

    #[test]
    fn a_plain_question_is_written_without_empty_fields() {
        let request = ChatRequest {
            messages: vec![Message::user("hi")],
            ..ChatRequest::default()
        };
        assert_eq!(
            body(&request, None),
            json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true})
        );
    }

    #[test]
    fn a_tool_call_and_its_result_are_written_the_native_way() {
        let call = ToolCall {
            id: "call_1".to_owned(),
            name: "weather-get".to_owned(),
            arguments: json!({"city": "Oslo"}).as_object().unwrap().clone(),
        };
        let asked = Message {
            tool_calls: vec![call.clone()],
            ..Message::new(Role::Assistant, "")
        };
        let request = ChatRequest {
            messages: vec![asked, Message::tool_result(&call, "3 °C")],
            tools: vec![ToolSpec {
                name: "ping".to_owned(),
                description: "pings".to_owned(),
                parameters: Value::Null,
            }],
            ..ChatRequest::default()
        };
        let body = body(&request, None);
        assert_eq!(
            body["messages"],
            json!([
                {"role": "assistant", "content": "", "tool_calls": [
                    {"id": "call_1", "function": {"name": "weather-get", "arguments": {"city": "Oslo"}}}]},
                {"role": "tool", "content": "3 °C", "tool_name": "weather-get", "tool_call_id": "call_1"}
            ])
        );
        assert_eq!(
            body["tools"],
            json!([{"type": "function", "function": {"name": "ping", "description": "pings",
                "parameters": {"type": "object", "properties": {}}}}])
        );
    }

    #[test]
    fn the_callers_num_ctx_wins_over_the_configured_one() {
        let mut request = ChatRequest::default();
        assert_eq!(body(&request, Some(8192))["options"]["num_ctx"], 8192);
        request.options.insert("num_ctx".to_owned(), 1024.into());
        assert_eq!(body(&request, Some(8192))["options"]["num_ctx"], 1024);
    }

    #[test]
    fn a_line_is_read_with_nulls_escapes_and_absent_fields() {
        let mut line: ChatLine<'_> = serde_json::from_str(
            r#"{"model":null,"message":{"content":"a\u003cb","thinking":null,"tool_calls":null},"done":false}"#,
        )
        .unwrap();
        assert_eq!(line.message().content.0, "a<b");
        let mut bare: ChatLine<'_> = serde_json::from_str("{}").unwrap();
        assert!(!bare.done && bare.message().content.0.is_empty());
    }

    #[test]
    fn plain_text_is_borrowed_from_the_line() {
        let mut line: ChatLine<'_> =
            serde_json::from_str(r#"{"message":{"content":"The"}}"#).unwrap();
        assert!(matches!(line.message().content.0, Cow::Borrowed("The")));
    }

    #[test]
    fn a_call_without_an_id_gets_one_of_its_own() {
        let (one, two) = (fresh_call_id(), fresh_call_id());
        assert_ne!(one, two);
        assert!(one.len() == 13 && one.starts_with("call_"), "{one}");
    }

    #[test]
    fn a_number_written_as_a_string_is_an_error_that_says_so() {
        let error = serde_json::from_str::<ChatLine<'_>>(r#"{"eval_count":"15"}"#).unwrap_err();
        assert!(error.to_string().contains("string \"15\""), "{error}");
    }
}
