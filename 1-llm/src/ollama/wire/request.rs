//! What a chat is asked with.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::chat::{ChatRequest, Message, Role, Think, ToolSpec};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolCall;
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
}
