//! The neutral types of a chat: what is asked, and what comes back piece by piece.
//!
//! They follow Ollama's native shapes where those are the plainer ones (a tool call's arguments
//! are an object, not a string) and serialise with serde, so that a caller can pass them on.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that frame the conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool's result, going back to the model.
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// The text; empty when the message only carries tool calls.
    #[serde(default)]
    pub content: String,
    /// The model's reasoning, kept apart from its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Images, base64 without a data-URL prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// The tools that the model asks for (assistant messages only).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The tool that this message is the result of (tool messages only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// The [`ToolCall::id`] that this message answers (tool messages only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message with text and nothing else.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            thinking: None,
            images: Vec::new(),
            tool_calls: Vec::new(),
            tool_name: None,
            tool_call_id: None,
        }
    }

    /// What the person says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// A tool's result, tied to the call that it answers.
    pub fn tool_result(call: &ToolCall, content: impl Into<String>) -> Self {
        Self {
            tool_name: Some(call.name.clone()),
            tool_call_id: Some(call.id.clone()),
            ..Self::new(Role::Tool, content)
        }
    }
}

/// A model's request to run a tool. It is a wish: whoever runs the loop decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Ties the result to the call; unique within a conversation.
    #[serde(default)]
    pub id: String,
    /// The tool's name, as it was offered.
    pub name: String,
    /// The arguments, by name.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// A tool that is offered to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// The name that the model uses to ask for it.
    pub name: String,
    /// What it does, in words that the model reads.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the arguments, an object.
    #[serde(default)]
    pub parameters: Value,
}

/// Whether, and how hard, the model should think before it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Think {
    /// On or off.
    Switch(bool),
    /// `low`, `medium`, `high` or `max`, for the models that know levels.
    Level(String),
}

/// One request to a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The model's name; `None` takes the provider's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The conversation so far, oldest first.
    pub messages: Vec<Message>,
    /// The tools that the model may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// Thinking; `None` leaves it to the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    /// `"json"`, or a JSON Schema that the answer must satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
    /// Engine options such as `temperature`, `seed`, `num_ctx`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
    /// How long the model stays loaded: a duration such as `"5m"`, or seconds; negative is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<Value>,
    /// Who asks, so that the queue is fair between callers; empty is anonymous. It never leaves
    /// this process.
    #[serde(skip)]
    pub caller: String,
    /// The larger work that this request is part of. It travels in headers, never in the body.
    #[serde(skip)]
    pub trace: Option<Trace>,
}

/// A place in a trace: the two headers of W3C Trace Context. An engine, or a gateway in front of
/// it, that reports its own spans hangs them up there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// `traceparent`, such as `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
    pub parent: String,
    /// `tracestate`, where there is one.
    pub state: Option<String>,
}

/// What arrives while an answer is made, in order. The last one is always [`ChatEvent::Done`].
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEvent {
    /// Waiting for a free place; 1 is next.
    Queued {
        /// The place in the queue.
        place: usize,
    },
    /// The engine is loading the model; nothing can come before that ends.
    Loading,
    /// A piece of reasoning.
    Thinking(String),
    /// A piece of the answer.
    Content(String),
    /// Whole tool calls; an answer may carry several such events.
    ToolCalls(Vec<ToolCall>),
    /// The answer is complete.
    Done(Box<Completion>),
}

/// A whole answer and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// Which provider spoke: `ollama`, `tutor`, `openai`.
    pub provider: String,
    /// Which model spoke.
    pub model: String,
    /// Everything that was said, put together.
    pub message: Message,
    /// Why it ended: `stop`, `length`, `load`, `unload`; empty when the engine doesn't say.
    pub done_reason: String,
    /// Tokens.
    pub usage: Usage,
    /// Durations.
    pub timings: Timings,
    /// How full the model's context is, where the engine tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextUse>,
    /// What the reader should know, such as a context that is about to overflow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Tokens in and out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
}

/// How long each part took, as the engine reports it (zero where it doesn't), and as seen here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// From the request to the end, as the engine counts.
    pub total: Duration,
    /// Loading the model.
    pub load: Duration,
    /// Reading the prompt.
    pub prompt: Duration,
    /// Writing the answer.
    pub answer: Duration,
    /// From the request to the first token, measured on this side.
    pub first_token: Duration,
}

/// On the wire, milliseconds with a fraction: readable, and precise enough for any of them.
#[derive(Serialize, Deserialize)]
struct TimingsMs {
    total_ms: f64,
    load_ms: f64,
    prompt_ms: f64,
    answer_ms: f64,
    first_token_ms: f64,
}

impl Serialize for Timings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        TimingsMs {
            total_ms: ms(self.total),
            load_ms: ms(self.load),
            prompt_ms: ms(self.prompt),
            answer_ms: ms(self.answer),
            first_token_ms: ms(self.first_token),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Timings {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = TimingsMs::deserialize(deserializer)?;
        // A duration that can't be one (negative, NaN, too large) reads as zero, like an absent one.
        let duration = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
        Ok(Self {
            total: duration(wire.total_ms),
            load: duration(wire.load_ms),
            prompt: duration(wire.prompt_ms),
            answer: duration(wire.answer_ms),
            first_token: duration(wire.first_token_ms),
        })
    }
}

/// How much of the model's context window is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextUse {
    /// Tokens in use after this answer.
    pub used: u64,
    /// Tokens that fit.
    pub size: u64,
}
