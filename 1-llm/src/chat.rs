//! The neutral types of a chat: what is asked, and what comes back piece by piece.
//!
//! They follow Ollama's native shapes where those are the plainer ones (a tool call's arguments
//! are an object, not a string) and serialise with serde, so that a caller can pass them on. With
//! the feature `schema` they describe themselves as JSON Schema: the comments below are then read
//! by models, too.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that frame the conversation.
    System,
    /// The person in front of the program.
    User,
    /// The language model, or the tutor in its place.
    Assistant,
    /// A tool's result, going back to the model.
    Tool,
}

/// A message of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
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
    /// The id of the tool call that this message answers (tool messages only).
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

    /// A question or a remark of the person.
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

/// A tool that the model asks for. The model can't run it: the program that holds the
/// conversation decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
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

/// An id for a call that came without one: older engines name none, and a result must be tied to
/// its call.
pub(crate) fn fresh_call_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("call_{:08x}", RandomState::new().hash_one(next) >> 32)
}

/// A tool that is offered to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToolSpec {
    /// The name that the model uses to ask for it.
    pub name: String,
    /// What it does, in words that the model reads.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments, an object.
    #[serde(default)]
    pub parameters: Value,
}

/// Whether the model thinks before it answers: on, off, or how hard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(untagged)]
pub enum Think {
    /// On or off.
    Switch(bool),
    /// `low`, `medium`, `high` or `max`, for the models that know levels.
    Level(String),
}

/// One request to a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// The model; leave it out for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The conversation so far, oldest first.
    pub messages: Vec<Message>,
    /// Tools that the model may ask for. It only asks: the sender of the request runs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// Whether the model thinks before it answers: true, false, or low, medium, high, max. Leave
    /// it out to let the model decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    /// "json", or a JSON Schema that the answer must satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
    /// Engine options, such as temperature, seed or `num_ctx`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
    /// How long the model stays loaded: a duration such as "5m", or seconds; a negative one never
    /// ends.
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
/// it, attaches its own spans there.
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
    /// The chat waits for a free place.
    Queued {
        /// The place in the queue; 1 is next.
        place: usize,
    },
    /// The engine is loading the model; no text can come before that ends.
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
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Completion {
    /// Who speaks: `ollama`, `openai`, or `tutor`, which is no language model.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// The whole answer as one message.
    pub message: Message,
    /// Why it ended: `stop`, `length`, `load`, `unload`; empty when the engine doesn't say.
    pub done_reason: String,
    /// How many tokens it took.
    pub usage: Usage,
    /// How long its parts took, in milliseconds.
    pub timings: Timings,
    /// How full the model's context is, where the engine says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextUse>,
    /// What the reader should know, such as a context that is about to overflow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Tokens in and out; 0 where the engine doesn't count them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Usage {
    /// Tokens that the model read.
    pub prompt_tokens: u64,
    /// Tokens that the model wrote.
    pub completion_tokens: u64,
}

/// How long each part took, as the engine reports it (zero where it doesn't) and as seen here; on
/// the wire in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(from = "TimingsMs", into = "TimingsMs")]
pub struct Timings {
    /// From the request to the end, as the engine counts.
    pub total: Duration,
    /// Until the model was in memory.
    pub load: Duration,
    /// Until the model had read the conversation.
    pub prompt: Duration,
    /// From the first token of the answer to its last.
    pub answer: Duration,
    /// From the request to the first token, measured on this side.
    pub first_token: Duration,
}

/// Milliseconds with a fraction: readable, and precise enough for any of them. 0 where the engine
/// doesn't say.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
struct TimingsMs {
    /// From the request to the end, as the engine counts.
    total_ms: f64,
    /// Until the model was in memory.
    load_ms: f64,
    /// Until the model had read the conversation.
    prompt_ms: f64,
    /// From the first token of the answer to its last.
    answer_ms: f64,
    /// From the request to the first token, as seen by the program that asked the engine.
    first_token_ms: f64,
}

impl From<Timings> for TimingsMs {
    fn from(timings: Timings) -> Self {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        Self {
            total_ms: ms(timings.total),
            load_ms: ms(timings.load),
            prompt_ms: ms(timings.prompt),
            answer_ms: ms(timings.answer),
            first_token_ms: ms(timings.first_token),
        }
    }
}

impl From<TimingsMs> for Timings {
    fn from(wire: TimingsMs) -> Self {
        // A duration that can't be one (negative, NaN, too large) reads as zero, like an absent one.
        let duration = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
        Self {
            total: duration(wire.total_ms),
            load: duration(wire.load_ms),
            prompt: duration(wire.prompt_ms),
            answer: duration(wire.answer_ms),
            first_token: duration(wire.first_token_ms),
        }
    }
}

/// How much of the model's context window is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ContextUse {
    /// Tokens in use after this answer.
    pub used: u64,
    /// Tokens that fit.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_an_id_gets_one_of_its_own() {
        let (one, two) = (fresh_call_id(), fresh_call_id());
        assert_ne!(one, two);
        assert!(one.len() == 13 && one.starts_with("call_"), "{one}");
    }

    #[test]
    fn durations_travel_as_milliseconds_and_one_that_cannot_be_reads_as_zero() {
        let timings = Timings {
            total: Duration::from_micros(1_500),
            answer: Duration::from_secs(2),
            ..Timings::default()
        };
        let written = serde_json::to_value(timings).unwrap();
        assert_eq!(
            (&written["total_ms"], &written["answer_ms"]),
            (&1.5.into(), &2_000.0.into())
        );
        assert_eq!(serde_json::from_value::<Timings>(written).unwrap(), timings);
        let odd =
            r#"{"total_ms":-1,"load_ms":1e300,"prompt_ms":0,"answer_ms":0,"first_token_ms":0}"#;
        assert_eq!(
            serde_json::from_str::<Timings>(odd).unwrap(),
            Timings::default()
        );
    }

    #[test]
    fn a_misspelt_field_of_a_message_is_refused_by_its_name() {
        let misspelt = r#"{"role":"user","content":"hi","tool_cals":[]}"#;
        let refused = serde_json::from_str::<Message>(misspelt).unwrap_err();
        assert!(refused.to_string().contains("tool_cals"), "{refused}");
    }

    /// A model that calls a chat as a tool reads these.
    #[cfg(feature = "schema")]
    #[test]
    fn every_field_of_a_schema_is_described_and_no_unknown_one_is_allowed_in() {
        for (schema, is_input) in [
            (schemars::schema_for!(ChatRequest), true),
            (schemars::schema_for!(Completion), false),
        ] {
            let schema = schema.to_value();
            let definitions = schema["$defs"].as_object().unwrap();
            for (name, shape) in
                std::iter::once((&"the root".to_owned(), &schema)).chain(definitions)
            {
                let fields = shape["properties"].as_object().into_iter().flatten();
                for (field, described) in fields.clone() {
                    let words = described["description"].as_str().unwrap_or_default();
                    assert!(words.contains(' '), "{name}.{field}: {words:?}");
                }
                if is_input && fields.count() > 0 {
                    assert_eq!(shape["additionalProperties"], false, "{name}");
                }
            }
        }
        let answer = schemars::schema_for!(Completion).to_value();
        let timings = &answer["$defs"]["Timings"]["properties"];
        assert_eq!(timings["first_token_ms"]["type"], "number", "{answer}");
        // These two never leave the process, so nobody may set them from outside.
        let asked = schemars::schema_for!(ChatRequest).to_value();
        for inner in ["caller", "trace"] {
            assert_eq!(asked["properties"].get(inner), None);
        }
    }
}
