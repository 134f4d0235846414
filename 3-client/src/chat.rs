//! The chat contract: what `ollama-chat` takes and gives, as this client's own types.
//!
//! A server may leave out almost everything: an answer without structured content is still an answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions for the model.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// A call that the model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Links the result to the call. Some models give none.
    #[serde(default)]
    pub id: String,
    /// The name that the model was offered.
    pub name: String,
    /// The arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    #[serde(default)]
    pub content: String,
    /// The model's thinking, when it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Calls that the model asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// On a result: the tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// On a result: the call's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Sent however long the conversation is.
    #[serde(skip)]
    pub pinned: bool,
}

impl Message {
    /// A message with text only.
    #[must_use]
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            thinking: None,
            tool_calls: Vec::new(),
            tool_name: None,
            tool_call_id: None,
            pinned: false,
        }
    }

    /// A tool's result, linked to its call.
    #[must_use]
    pub fn result(call: &ToolCall, content: impl Into<String>) -> Self {
        let id = (!call.id.is_empty()).then(|| call.id.clone());
        Self {
            tool_name: Some(call.name.clone()),
            tool_call_id: id,
            ..Self::new(Role::Tool, content)
        }
    }
}

/// Tokens, as the model counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
}

/// Where the time went, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timings {
    /// Everything.
    pub total_ms: f64,
    /// Loading the model.
    pub load_ms: f64,
    /// Reading the prompt.
    pub prompt_ms: f64,
    /// Writing the answer.
    pub answer_ms: f64,
    /// Until the first token, as the server saw it.
    pub first_token_ms: f64,
}

/// How full the model's context is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Tokens used.
    pub used: u64,
    /// Tokens that fit.
    pub size: u64,
}

/// The final result of one model call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Who speaks: `ollama`, `tutor` (which is no language model), or another.
    #[serde(default)]
    pub provider: String,
    /// The model's name.
    #[serde(default)]
    pub model: String,
    /// What it said.
    pub message: Message,
    /// Why it stopped.
    #[serde(default)]
    pub done_reason: Option<String>,
    /// Tokens.
    #[serde(default)]
    pub usage: Usage,
    /// Times.
    #[serde(default)]
    pub timings: Timings,
    /// Context, when known.
    #[serde(default)]
    pub context: Option<Context>,
    /// Things the person should know.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl Reply {
    /// Reads a reply from a tool result. Without usable structured content, the text is the answer.
    #[must_use]
    pub fn read(structured: Option<&Value>, text: &str) -> Self {
        structured
            .and_then(|value| serde_json::from_value(value.clone()).ok())
            .unwrap_or_else(|| Self {
                provider: String::new(),
                model: String::new(),
                message: Message::new(Role::Assistant, text),
                done_reason: None,
                usage: Usage::default(),
                timings: Timings::default(),
                context: None,
                warnings: Vec::new(),
            })
    }
}

/// A tool as the model is offered it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    /// The name that the model uses.
    pub name: String,
    /// What it is for, in the server's words.
    pub description: String,
    /// Its arguments as JSON Schema.
    pub parameters: Value,
}

/// What one model call is asked with.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The conversation.
    pub messages: Vec<Message>,
    /// Tools that the model may ask for.
    pub tools: Vec<Offer>,
    /// A model, or the server's default.
    pub model: Option<String>,
    /// Whether, or how much, to think.
    pub think: Option<Value>,
}

impl Ask {
    /// The arguments of the tool call.
    #[must_use]
    pub fn arguments(&self) -> Map<String, Value> {
        let mut arguments = Map::new();
        arguments.insert("messages".into(), json!(self.messages));
        if !self.tools.is_empty() {
            arguments.insert("tools".into(), json!(self.tools));
        }
        if let Some(model) = &self.model {
            arguments.insert("model".into(), json!(model));
        }
        if let Some(think) = &self.think {
            arguments.insert("think".into(), think.clone());
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparse_reply_is_read_and_a_missing_one_falls_back_to_the_text() {
        let sparse =
            json!({"provider": "tutor", "message": {"role": "assistant", "content": "hi"}});
        let reply = Reply::read(Some(&sparse), "ignored");
        assert_eq!(
            (reply.provider.as_str(), reply.message.content.as_str()),
            ("tutor", "hi")
        );
        assert_eq!(Reply::read(None, "plain").message.content, "plain");
        assert_eq!(
            Reply::read(Some(&json!({"odd": 1})), "plain")
                .message
                .content,
            "plain"
        );
    }

    #[test]
    fn optional_fields_are_left_out_of_the_call() {
        let ask = Ask {
            messages: vec![Message::new(Role::User, "hi")],
            ..Ask::default()
        };
        assert_eq!(
            Value::Object(ask.arguments()),
            json!({"messages": [{"role": "user", "content": "hi"}]})
        );
    }
}
