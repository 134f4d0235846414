//! The JSON of `/v1/chat/completions`, and how it maps to the neutral types.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    ChatRequest, Message, Model, Role,
    chat::{Think, Timings, Usage},
    text::clean_name,
};

/// The body of `POST /v1/chat/completions`.
#[derive(Serialize)]
pub(super) struct ChatBody<'a> {
    model: &'a str,
    messages: Vec<Value>,
    stream: bool,
    stream_options: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(flatten)]
    options: Map<String, Value>,
}

impl<'a> ChatBody<'a> {
    pub(super) fn new(model: &'a str, request: &'a ChatRequest) -> Self {
        Self {
            model,
            messages: request.messages.iter().map(message_body).collect(),
            stream: true,
            stream_options: json!({"include_usage": true}),
            tools: request
                .tools
                .iter()
                .map(|tool| {
                    let parameters = if tool.parameters.is_object() {
                        tool.parameters.clone()
                    } else {
                        json!({"type": "object", "properties": {}})
                    };
                    json!({"type": "function", "function":
                        {"name": tool.name, "description": tool.description, "parameters": parameters}})
                })
                .collect(),
            response_format: request.format.as_ref().map(response_format),
            reasoning_effort: match &request.think {
                Some(Think::Level(level)) => Some(level),
                // There is no agreed way to switch it on or off; the server's own default stands.
                Some(Think::Switch(_)) | None => None,
            },
            options: common_options(&request.options),
        }
    }
}

fn message_body(message: &Message) -> Value {
    let mut out = Map::new();
    out.insert("role".to_owned(), json!(message.role));
    let content = if message.images.is_empty() {
        json!(message.content)
    } else {
        let text = json!({"type": "text", "text": message.content});
        let images = message.images.iter().map(|image| {
            let url = format!("data:{};base64,{image}", media_type(image));
            json!({"type": "image_url", "image_url": {"url": url}})
        });
        std::iter::once(text).chain(images).collect()
    };
    out.insert("content".to_owned(), content);
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            // A string here, where Ollama has an object.
            let arguments = Value::Object(call.arguments.clone()).to_string();
            json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
        });
        out.insert("tool_calls".to_owned(), calls.collect());
    }
    if message.role == Role::Tool {
        out.insert(
            "tool_call_id".to_owned(),
            json!(message.tool_call_id.as_deref().unwrap_or_default()),
        );
    }
    out.into()
}

/// An image's type, by the first letters of its base64.
fn media_type(base64: &str) -> &'static str {
    match base64.as_bytes() {
        [b'/', b'9', b'j', ..] => "image/jpeg",
        [b'R', b'0', b'l', b'G', ..] => "image/gif",
        [b'U', b'k', b'l', b'G', ..] => "image/webp",
        _ => "image/png",
    }
}

fn response_format(format: &Value) -> Value {
    match format {
        Value::Object(_) => {
            json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": format, "strict": true}})
        }
        _ => json!({"type": "json_object"}),
    }
}

/// The options that both dialects know; the others are Ollama's own, and a server that doesn't
/// know a field may refuse the whole request.
fn common_options(options: &Map<String, Value>) -> Map<String, Value> {
    let known = [
        "temperature",
        "top_p",
        "seed",
        "stop",
        "presence_penalty",
        "frequency_penalty",
    ];
    let mut out: Map<String, Value> = options
        .iter()
        .filter(|(name, _)| known.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(limit) = options.get("num_predict") {
        out.insert("max_tokens".to_owned(), limit.clone());
    }
    out
}

/// One event of a stream.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
    #[serde(default)]
    pub(super) timings: Option<WireTimings>,
    #[serde(default)]
    pub(super) error: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(borrow, default)]
    pub(super) delta: Delta<'a>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
    // llama.cpp and vLLM name it the first way, newer vLLM and others the second.
    #[serde(borrow, default)]
    reasoning_content: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reasoning: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<CallPiece>>,
}

impl<'a> Delta<'a> {
    /// Its thinking and its content.
    pub(super) fn take_text(&mut self) -> (Cow<'a, str>, Cow<'a, str>) {
        let thinking = self.reasoning_content.take().or(self.reasoning.take());
        (
            thinking.unwrap_or_default(),
            self.content.take().unwrap_or_default(),
        )
    }
}

/// A piece of a tool call.
#[derive(Default, Deserialize)]
pub(super) struct CallPiece {
    #[serde(default)]
    pub(super) index: Option<usize>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: Option<FunctionPiece>,
}

#[derive(Default, Deserialize)]
pub(super) struct FunctionPiece {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) arguments: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WireUsage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl From<WireUsage> for Usage {
    fn from(usage: WireUsage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
        }
    }
}

/// llama.cpp's own addition, in milliseconds.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireTimings {
    prompt_ms: f64,
    predicted_ms: f64,
}

impl From<WireTimings> for Timings {
    fn from(timings: WireTimings) -> Self {
        let duration = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
        Self {
            prompt: duration(timings.prompt_ms),
            answer: duration(timings.predicted_ms),
            ..Self::default()
        }
    }
}

/// `GET /v1/models`.
#[derive(Deserialize)]
pub(super) struct Models {
    #[serde(default)]
    pub(super) data: Option<Vec<ModelLine>>,
}

#[derive(Deserialize)]
pub(super) struct ModelLine {
    id: String,
}

impl From<ModelLine> for Model {
    fn from(line: ModelLine) -> Self {
        Self {
            name: clean_name(&line.id),
            size: 0,
            parameters: String::new(),
            quantization: String::new(),
            capabilities: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_that_both_dialects_know_are_sent() {
        let all = json!({"temperature": 0.1, "num_ctx": 8192, "num_predict": 5, "mirostat": 2});
        let sent = Value::from(common_options(all.as_object().unwrap()));
        assert_eq!(sent, json!({"temperature": 0.1, "max_tokens": 5}));
    }

    #[test]
    fn an_image_is_sent_as_a_data_url_of_its_type() {
        let mut question = Message::user("what is this?");
        question.images = vec!["/9j/4AAQ".to_owned()];
        let sent = message_body(&question);
        assert_eq!(
            sent["content"][1]["image_url"]["url"],
            "data:image/jpeg;base64,/9j/4AAQ"
        );
    }
}
