//! `ollama-chat`: one turn of a chat with a language model.
//!
//! MCP has no partial results, so the tokens travel as progress notifications while the answer is
//! made, and the whole answer is the result. The client runs the loop: a model that asks for a tool
//! gets it from the client, who asks its human. For hosts without a loop there is `run_tools`, and
//! then nobody is asked: see `run_tools.rs` for what keeps that safe.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use mcp_llm::{
    ChatEvent, ChatRequest, Completion, Message, Provider, ProviderError, Role, ToolSpec,
    chat::{self, Think},
};
use rmcp::{
    RoleServer,
    model::{NotificationMetaObject, ProgressNotificationParam, ProgressToken, ToolAnnotations},
    service::Peer,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::interceptor::Trace;

use super::{Answer, Tool, ToolContext, ToolError, untrusted};

mod run_tools;

pub use run_tools::Ran;

/// The key in a progress notification's `_meta` that says what its message is: `queued`,
/// `loading`, `thinking` or `content`.
pub const KIND: &str = "learn-mcp/kind";

/// The tool.
pub struct OllamaChat {
    provider: Arc<dyn Provider>,
    most_context: u32,
}

impl OllamaChat {
    /// Chats with this provider, and lets nobody ask for a larger context than this many tokens:
    /// the engine takes memory for all of it, whatever the question is.
    pub fn new(provider: Arc<dyn Provider>, most_context: u32) -> Self {
        Self {
            provider,
            most_context,
        }
    }
}

/// What it takes: `prompt` for one question, or `messages` for a conversation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// A single question; short for one user message.
    prompt: Option<String>,
    /// The conversation so far, oldest first.
    #[serde(default)]
    messages: Vec<ChatMessage>,
    /// The model; leave it out for the default.
    model: Option<String>,
    /// Tools that the model may ask for. It only asks: whoever calls this tool runs them.
    #[serde(default)]
    tools: Vec<OfferedTool>,
    /// Have the server run the tools that the model asks for, with the caller's rights and within
    /// its limits, for at most 5 rounds. Nobody is asked before a tool runs. Not together with
    /// `tools`.
    #[serde(default)]
    run_tools: bool,
    /// Whether the model thinks before it answers: true, false, or low, medium, high.
    think: Option<Thinking>,
    /// "json", or a JSON Schema that the answer must satisfy.
    format: Option<Value>,
    /// Engine options, such as temperature, seed or `num_ctx`.
    #[serde(default)]
    options: Map<String, Value>,
}

/// A message of the conversation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatMessage {
    /// Who said it.
    role: ChatRole,
    /// The text.
    #[serde(default)]
    content: String,
    /// The model's reasoning, when it is given back to it.
    thinking: Option<String>,
    /// Images, base64.
    #[serde(default)]
    images: Vec<String>,
    /// The tools that the model asked for.
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
    /// The tool that this message is the result of.
    tool_name: Option<String>,
    /// The id of the tool call that this message answers.
    tool_call_id: Option<String>,
}

/// Who said a message.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChatRole {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// A tool that is offered to the model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferedTool {
    /// Its name.
    name: String,
    /// What it does.
    #[serde(default)]
    description: String,
    /// JSON Schema of its arguments.
    #[serde(default)]
    parameters: Value,
}

/// On, off, or how hard.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "write true, false, \"low\", \"medium\" or \"high\""
)]
pub enum Thinking {
    /// On or off.
    Switch(bool),
    /// `low`, `medium` or `high`.
    Level(String),
}

/// A tool that the model asks for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Ties the result to the call.
    #[serde(default)]
    id: String,
    /// The tool.
    name: String,
    /// Its arguments.
    #[serde(default)]
    arguments: Map<String, Value>,
}

/// What it gives: the whole answer, and what it took.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Who speaks: `ollama`, `openai`, or `tutor`, which is no language model.
    provider: String,
    /// The model that answered.
    model: String,
    /// The answer.
    message: AnswerMessage,
    /// Why it ended: `stop`, `length`…; empty when unknown.
    done_reason: String,
    /// Tokens.
    usage: Usage,
    /// Durations, in milliseconds.
    timings: Timings,
    /// How full the model's context is.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<ContextUse>,
    /// What the reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// The tools that were run for the model, in order; only with `run_tools`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ran: Vec<Ran>,
}

/// The model's message.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AnswerMessage {
    /// Always `assistant`.
    role: &'static str,
    /// The text.
    content: String,
    /// Its reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<String>,
    /// The tools that it asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
}

/// Tokens in and out.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Usage {
    /// Tokens read.
    prompt_tokens: u64,
    /// Tokens written.
    completion_tokens: u64,
}

/// Milliseconds; 0 where the engine doesn't tell.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Timings {
    /// All of it.
    total_ms: f64,
    /// Loading the model.
    load_ms: f64,
    /// Reading the prompt.
    prompt_ms: f64,
    /// Writing the answer.
    answer_ms: f64,
    /// Until the first token came, as the server saw it.
    first_token_ms: f64,
}

/// The model's context window.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ContextUse {
    /// Tokens in use.
    used: u64,
    /// Tokens that fit.
    size: u64,
}

impl Tool for OllamaChat {
    type Input = Input;
    type Output = Output;

    const NAME: &'static str = "ollama-chat";
    const TITLE: &'static str = "Chat with a language model";
    const DESCRIPTION: &'static str = "Asks a local language model. Streams its words as progress notifications and returns the whole answer. Without a model, a built-in tutor answers from the learning path's own text.";

    fn annotations(&self) -> ToolAnnotations {
        // With run_tools it reaches whatever the caller's tools reach.
        ToolAnnotations::new().read_only(true).open_world(true)
    }

    async fn call(&self, input: Input, context: ToolContext) -> Result<Answer<Output>, ToolError> {
        let runs = input.run_tools;
        check_context(&input.options, self.most_context)?;
        let mut request = request(input, &context)?;
        let mut progress = Progress::new(&context);
        if !runs {
            return Ok(answer(self.turn(request, &mut progress).await?, Vec::new()));
        }
        let nested = context.nested_calls().ok_or_else(|| {
            ToolError("run_tools isn't there for this call: leave it out".to_owned())
        })?;
        if !request.tools.is_empty() {
            return Err(ToolError(
                "tools and run_tools exclude each other: leave one out".to_owned(),
            ));
        }
        request.tools = run_tools::offered(&nested).await?;
        request
            .messages
            .insert(0, Message::new(Role::System, untrusted::RULE));
        let (mut ran, mut before) = (Vec::new(), None);
        for round in 0..=run_tools::MAX_ROUNDS {
            let is_last = round == run_tools::MAX_ROUNDS;
            if is_last {
                // Without tools there is nothing left to do but to answer.
                request.tools.clear();
            }
            let mut said = self.turn(request.clone(), &mut progress).await?;
            add_up(&mut said, before.as_ref());
            let calls = std::mem::take(&mut said.message.tool_calls);
            if calls.is_empty() || is_last {
                if is_last {
                    let rounds = run_tools::MAX_ROUNDS;
                    said.warnings.push(format!(
                        "The model used up its {rounds} rounds of tools and had to answer."
                    ));
                }
                return Ok(answer(said, ran));
            }
            for call in &calls {
                progress
                    .tell("tool", untrusted::line(&call.name, 128))
                    .await;
            }
            let results = run_tools::round(&nested, &calls, &mut ran).await;
            let mut wish = said.message.clone();
            wish.tool_calls = calls;
            request.messages.push(wish);
            request.messages.extend(results);
            before = Some(said);
        }
        Err(ToolError("the model gave no answer: ask again".to_owned()))
    }
}

impl OllamaChat {
    /// One answer of the model, streamed to the caller.
    async fn turn(
        &self,
        request: ChatRequest,
        progress: &mut Progress,
    ) -> Result<Completion, ToolError> {
        let mut stream = self
            .provider
            .chat(request)
            .await
            .map_err(|error| told(&error))?;
        while let Some(event) = stream.next().await {
            match event.map_err(|error| told(&error))? {
                ChatEvent::Queued { place } => progress.tell("queued", place.to_string()).await,
                ChatEvent::Loading => progress.tell("loading", String::new()).await,
                ChatEvent::Thinking(text) => progress.say("thinking", text).await,
                ChatEvent::Content(text) => progress.say("content", text).await,
                // They are in the whole answer, where a client can't miss one.
                ChatEvent::ToolCalls(_) => {}
                ChatEvent::Done(completion) => return Ok(*completion),
            }
        }
        Err(ToolError(
            "the answer was cut off before its end: ask again".to_owned(),
        ))
    }
}

/// The words for the caller; the rest goes to the log.
pub(super) fn told(error: &ProviderError) -> ToolError {
    tracing::warn!(error = error.internal(), "the language model failed");
    ToolError(error.public.clone())
}

fn check_context(options: &Map<String, Value>, most: u32) -> Result<(), ToolError> {
    let good = |asked: &Value| {
        asked
            .as_u64()
            .is_some_and(|it| (1..=most.into()).contains(&it))
    };
    if options.get("num_ctx").is_none_or(good) {
        return Ok(());
    }
    Err(ToolError(format!(
        "options.num_ctx must be a whole number from 1 to {most}, this server's bound: ask for less, or leave it out"
    )))
}

fn request(input: Input, context: &ToolContext) -> Result<ChatRequest, ToolError> {
    let mut messages: Vec<Message> = input
        .messages
        .into_iter()
        .map(ChatMessage::into_message)
        .collect();
    messages.extend(input.prompt.map(Message::user));
    if messages.is_empty() {
        return Err(ToolError(
            "nothing was asked: give prompt, or messages".to_owned(),
        ));
    }
    Ok(ChatRequest {
        model: input.model,
        messages,
        tools: input
            .tools
            .into_iter()
            .map(|tool| ToolSpec {
                name: tool.name,
                description: tool.description,
                parameters: tool.parameters,
            })
            .collect(),
        think: input.think.map(|think| match think {
            Thinking::Switch(on) => Think::Switch(on),
            Thinking::Level(level) => Think::Level(level),
        }),
        format: input.format,
        options: input.options,
        caller: context.caller.to_string(),
        trace: context
            .request
            .extensions
            .get::<Trace>()
            .map(|trace| chat::Trace {
                parent: trace.header(),
                state: trace.state().map(str::to_owned),
            }),
        ..ChatRequest::default()
    })
}

impl ChatMessage {
    fn into_message(self) -> Message {
        let role = match self.role {
            ChatRole::System => Role::System,
            ChatRole::User => Role::User,
            ChatRole::Assistant => Role::Assistant,
            ChatRole::Tool => Role::Tool,
        };
        let calls = self.tool_calls.into_iter();
        Message {
            thinking: self.thinking,
            images: self.images,
            tool_calls: calls
                .map(|call| mcp_llm::ToolCall {
                    id: call.id,
                    name: call.name,
                    arguments: call.arguments,
                })
                .collect(),
            tool_name: self.tool_name,
            tool_call_id: self.tool_call_id,
            ..Message::new(role, self.content)
        }
    }
}

/// Adds what the turns before took to what this one took.
fn add_up(said: &mut Completion, before: Option<&Completion>) {
    let Some(before) = before else {
        return;
    };
    said.usage.prompt_tokens += before.usage.prompt_tokens;
    said.usage.completion_tokens += before.usage.completion_tokens;
    said.timings.total += before.timings.total;
    said.timings.load += before.timings.load;
    said.timings.prompt += before.timings.prompt;
    said.timings.answer += before.timings.answer;
    said.timings.first_token = before.timings.first_token;
    said.warnings.splice(0..0, before.warnings.iter().cloned());
    said.warnings.dedup();
}

fn answer(completion: Completion, ran: Vec<Ran>) -> Answer<Output> {
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let Completion {
        provider,
        model,
        message,
        done_reason,
        usage,
        timings,
        context,
        warnings,
    } = completion;
    let calls = message.tool_calls.into_iter();
    let tool_calls: Vec<_> = calls
        .map(|call| ToolCall {
            id: call.id,
            name: call.name,
            arguments: call.arguments,
        })
        .collect();
    let content = untrusted::without_controls(message.content);
    Answer {
        text: content.clone(),
        data: Output {
            provider,
            model,
            message: AnswerMessage {
                role: "assistant",
                content,
                thinking: message.thinking.map(untrusted::without_controls),
                tool_calls,
            },
            done_reason,
            usage: Usage {
                prompt_tokens: usage.prompt_tokens,
                completion_tokens: usage.completion_tokens,
            },
            timings: Timings {
                total_ms: ms(timings.total),
                load_ms: ms(timings.load),
                prompt_ms: ms(timings.prompt),
                answer_ms: ms(timings.answer),
                first_token_ms: ms(timings.first_token),
            },
            context: context.map(|context| ContextUse {
                used: context.used,
                size: context.size,
            }),
            warnings,
            ran,
        },
    }
}

/// Tells the caller how the answer grows, if it asked to be told.
struct Progress {
    to: Option<(Peer<RoleServer>, ProgressToken)>,
    count: u32,
}

impl Progress {
    fn new(context: &ToolContext) -> Self {
        let token = context.request.meta.get_progress_token();
        Self {
            to: token.map(|token| (context.request.peer.clone(), token)),
            count: 0,
        }
    }

    /// Tells what the model said. It may have been made to say anything, so what would steer a
    /// terminal is taken out.
    async fn say(&mut self, kind: &'static str, text: String) {
        self.tell(kind, untrusted::without_controls(text)).await;
    }

    async fn tell(&mut self, kind: &'static str, message: String) {
        let Some((peer, token)) = &self.to else {
            return;
        };
        self.count += 1;
        let mut meta = NotificationMetaObject::new();
        meta.insert(KIND.to_owned(), kind.into());
        let mut progress = ProgressNotificationParam::new(token.clone(), f64::from(self.count))
            .with_message(message);
        progress.meta = Some(meta);
        // A caller that is gone cancels the call by itself; nothing is lost here.
        let _ = peer.notify_progress(progress).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_context_beyond_the_bound_is_refused() {
        let check = |options: Value| {
            let checked = check_context(options.as_object().unwrap(), 8_192);
            checked.map_err(|ToolError(why)| why)
        };
        for good in [
            json!({}),
            json!({ "num_ctx": 1 }),
            json!({ "num_ctx": 8_192, "seed": 1 }),
        ] {
            assert_eq!(check(good), Ok(()));
        }
        for wrong in [
            json!(8_193),
            json!(0),
            json!(-1),
            json!(1e9),
            json!("4096"),
            json!(null),
        ] {
            let why = check(json!({ "num_ctx": wrong })).unwrap_err();
            assert!(why.contains("from 1 to 8192"), "{wrong}: {why}");
        }
    }
}
