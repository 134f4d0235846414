//! The tutor: it answers when there is no language model.
//!
//! It is no model and never pretends to be one. It searches the learning path's own pages,
//! quotes the section that fits, with file and heading, and recognises plain requests for the
//! tools that it is offered. The same conversation always has the same answer.

// The pages, cut into sections that can be quoted.
mod passages;
// Which section fits a question.
mod search;
// Which tool a sentence asks for.
mod intent;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_stream::stream;
use serde_json::Value;
use tokio::time::Instant;

use self::{
    intent::Intent,
    passages::Passage,
    search::{Hit, Index},
};
use crate::{
    ChatEvent, ChatRequest, ChatStream, Completion, Health, Message, Model, Provider,
    ProviderError, Role, ToolCall,
    chat::{Timings, Usage},
    error::ErrorKind,
    pages::{self, Page},
};

/// Fast enough not to wait for, slow enough to be seen to stream.
const PACE: Duration = Duration::from_millis(8);
/// Below this share of the question's meaning a section would only be a guess; one whose heading
/// has a word of the question needs less.
const MIN_COVERED: f64 = 0.55;
const MIN_COVERED_BY_HEADING: f64 = 0.25;
/// How much the words of the question before count, when a question leans on it.
const WEIGHT_OF_BEFORE: f64 = 0.4;
/// A tool's result is quoted up to this length.
const MAX_RESULT: usize = 6_000;
/// Nobody asks a question this long: of a pasted document the beginning is enough.
const MAX_QUESTION: usize = 2_000;

/// The built-in tutor.
#[derive(Clone)]
pub struct Tutor {
    knowledge: Arc<LazyKnowledge>,
    pace: Duration,
}

/// The pages are read when the first question comes: that takes some milliseconds, most programs
/// with a tutor have a model too, and a host waits while a server starts.
type LazyKnowledge = LazyLock<Knowledge, Box<dyn FnOnce() -> Knowledge + Send>>;

struct Knowledge {
    passages: Vec<Passage>,
    index: Index,
}

impl Default for Tutor {
    fn default() -> Self {
        Self::new()
    }
}

impl Tutor {
    /// A tutor that knows the embedded pages.
    pub fn new() -> Self {
        Self::with_pages(pages::all())
    }

    /// A tutor that knows these pages.
    pub fn with_pages(pages: impl IntoIterator<Item = &'static Page>) -> Self {
        let pages: Vec<_> = pages.into_iter().collect();
        let read = move || {
            let passages: Vec<Passage> = pages.into_iter().flat_map(passages::cut).collect();
            let index = Index::new(&passages);
            Knowledge { passages, index }
        };
        Self {
            knowledge: Arc::new(LazyLock::new(Box::new(read))),
            pace: PACE,
        }
    }

    /// The same tutor with another pause between words; zero is as fast as it goes.
    #[must_use]
    pub fn with_pace(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }

    /// What the tutor answers, all at once.
    fn answer(&self, request: &ChatRequest) -> Message {
        let mut message = Message::new(Role::Assistant, "");
        let results = trailing_results(&request.messages);
        if !results.is_empty() {
            message.content = results
                .iter()
                .map(quote_result)
                .collect::<Vec<_>>()
                .join("\n\n");
            return message;
        }
        let asked = last_question(&request.messages);
        match intent::detect(asked, &request.tools) {
            Some(Intent::Call(calls)) => {
                // Numbered by where the conversation stands: unique in it, and the same each time.
                let turn = request.messages.len();
                let numbered = |(n, call): (usize, ToolCall)| ToolCall {
                    id: format!("call_{turn:04x}{n:04x}"),
                    ..call
                };
                message.tool_calls = calls.into_iter().enumerate().map(numbered).collect();
            }
            Some(Intent::Ask(question)) => question.clone_into(&mut message.content),
            Some(Intent::Missing(what)) => {
                message.content = format!(
                    "That needs a tool that {what}, and none was offered to me. Either the server has \
                     no such tool, or your key has no scope for it."
                );
            }
            None => message.content = self.explain(asked, request),
        }
        message
    }

    /// Answers from the pages.
    fn explain(&self, asked: &str, request: &ChatRequest) -> String {
        let Knowledge { passages, index } = &**self.knowledge;
        let words = index.stems(asked);
        let before = question_before(&request.messages)
            .map(|text| index.stems(text))
            .unwrap_or_default();
        let more = leans_on_before(asked, &words);
        let about_before = more && !before.is_empty();
        if words.is_empty() && !about_before {
            return self.introduction(request);
        }
        // The question has no words of its own: "more", "why?".
        let further = more && (words.is_empty() || asked.to_lowercase().contains("more"));
        let mut question: Vec<(String, f64)> = words.into_iter().map(|word| (word, 1.0)).collect();
        if more {
            for word in before {
                if !question.iter().any(|(known, _)| *known == word) {
                    question.push((word, WEIGHT_OF_BEFORE));
                }
            }
        }
        let was_shown = |text: &str| {
            request
                .messages
                .iter()
                .any(|message| message.content.contains(text))
        };
        let quote = |hit: &Hit| {
            let about = |block: &str| {
                index
                    .stems(block)
                    .iter()
                    .any(|word| question.iter().any(|(asked, _)| asked == word))
            };
            passages[hit.passage].quote(about)
        };
        let hits = index.search(&question);
        // "Tell me more" must not say the same again.
        let fresh = |hit: &&Hit| !(further && was_shown(&quote(hit)));
        match hits.iter().find(fresh) {
            Some(best) if is_about(best) => {
                let passage = &passages[best.passage];
                let mut answer = format!("{}\n\n— {}", quote(best), passage.citation());
                let mut also: Vec<String> = Vec::new();
                for hit in hits
                    .iter()
                    .filter(|hit| is_about(hit) && hit.score >= best.score / 2.0)
                {
                    let citation = passages[hit.passage].citation();
                    if citation != passage.citation() && !also.contains(&citation) && also.len() < 2
                    {
                        also.push(citation);
                    }
                }
                if !also.is_empty() {
                    answer.push_str(&format!("\nSee also: {}", also.join("; ")));
                }
                answer
            }
            _ if further && hits.first().is_some_and(is_about) => {
                "The pages say no more about that.".to_owned()
            }
            nearest => {
                let mut answer =
                    "I don't know that. I'm the built-in tutor, not a language model: I only \
                    quote the pages of this learning path."
                        .to_owned();
                if let Some(hit) = nearest {
                    answer.push_str(&format!(
                        " The nearest place is {}.",
                        passages[hit.passage].citation()
                    ));
                } else if let Some(first) = passages.first() {
                    // No page has a word of it: no place is nearer than the beginning.
                    answer.push_str(&format!(" They begin at {}.", first.page.file));
                }
                answer.push_str(" With Ollama running, a language model answers instead.");
                answer
            }
        }
    }

    fn introduction(&self, request: &ChatRequest) -> String {
        let mut text = "I'm the built-in tutor, not a language model. I answer from the pages of this learning \
            path, and I can ask for tools. Try: “what is MCP?”, “what is a tool?”, “how does the interceptor \
            work?”"
            .to_owned();
        if !request.tools.is_empty() {
            let names: Vec<&str> = request
                .tools
                .iter()
                .take(12)
                .map(|tool| tool.name.as_str())
                .collect();
            text.push_str(&format!(
                " With a tool: “what's the weather in Oslo?”, “echo hello”. I've been offered: {}.",
                names.join(", ")
            ));
        }
        text
    }
}

#[async_trait::async_trait]
impl Provider for Tutor {
    fn name(&self) -> &'static str {
        "tutor"
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        if request.messages.is_empty() {
            return Err(ProviderError::new(
                ErrorKind::Invalid,
                "There is no message to answer.",
                "a chat without messages",
            ));
        }
        let started = Instant::now();
        let message = self.answer(&request);
        let pace = self.pace;
        Ok(Box::pin(stream! {
            let mut first_token = Duration::ZERO;
            for (n, word) in message.content.split_inclusive(' ').enumerate() {
                if n == 0 {
                    first_token = started.elapsed();
                } else if !pace.is_zero() {
                    tokio::time::sleep(pace).await;
                }
                yield Ok(ChatEvent::Content(word.to_owned()));
            }
            if !message.tool_calls.is_empty() {
                yield Ok(ChatEvent::ToolCalls(message.tool_calls.clone()));
            }
            let total = started.elapsed();
            yield Ok(ChatEvent::Done(Box::new(Completion {
                provider: "tutor".to_owned(),
                model: "tutor".to_owned(),
                message,
                done_reason: "stop".to_owned(),
                // A search counts no tokens.
                usage: Usage::default(),
                timings: Timings { total, answer: total - first_token, first_token, ..Timings::default() },
                context: None,
                warnings: Vec::new(),
            })));
        }))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        Ok(vec![model()])
    }

    async fn health(&self) -> Result<Health, ProviderError> {
        Ok(Health {
            provider: "tutor".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            default_model: "tutor".to_owned(),
        })
    }
}

/// The tutor as it stands in a list of models.
pub(crate) fn model() -> Model {
    Model {
        name: "tutor".to_owned(),
        size: 0,
        parameters: String::new(),
        quantization: String::new(),
        capabilities: vec!["completion".to_owned(), "tools".to_owned()],
    }
}

fn is_about(hit: &Hit) -> bool {
    hit.covered
        >= if hit.titled {
            MIN_COVERED_BY_HEADING
        } else {
            MIN_COVERED
        }
}

fn trailing_results(messages: &[Message]) -> &[Message] {
    let from = messages
        .iter()
        .rposition(|message| message.role != Role::Tool)
        .map_or(0, |at| at + 1);
    &messages[from..]
}

fn last_question(messages: &[Message]) -> &str {
    questions(messages).next().unwrap_or_default()
}

fn question_before(messages: &[Message]) -> Option<&str> {
    // Two questions that both lean on what was before lead back to the one that names a topic.
    questions(messages)
        .skip(1)
        .find(|text| text.split_whitespace().count() > 2)
        .or_else(|| questions(messages).nth(1))
}

/// The person's messages, latest first.
fn questions(messages: &[Message]) -> impl Iterator<Item = &str> {
    messages
        .iter()
        .rev()
        .filter(|message| message.role == Role::User)
        .map(|message| {
            let end = message.content.floor_char_boundary(MAX_QUESTION);
            &message.content[..end]
        })
}

/// Whether a question can't be understood alone: "and how does it work?", "tell me more", "why?"
fn leans_on_before(asked: &str, words: &[String]) -> bool {
    let lower = asked.to_lowercase();
    let mut all = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let first = all.clone().next().unwrap_or_default();
    words.len() <= 3
        && (["and", "but", "so", "then", "more", "why"].contains(&first)
            || all.any(|word| {
                [
                    "it", "its", "that", "this", "they", "them", "those", "these", "more",
                ]
                .contains(&word)
            }))
}

/// A tool's result as something to read. It is quoted, never obeyed.
fn quote_result(result: &Message) -> String {
    let tool = result.tool_name.as_deref().unwrap_or("the tool");
    let text = match serde_json::from_str::<Value>(&result.content) {
        Ok(Value::Object(object)) => {
            let lines = object.iter().map(|(key, value)| match value {
                Value::String(text) => format!("{key}: {text}"),
                other => format!("{key}: {other}"),
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        _ => result.content.trim().to_owned(),
    };
    if text.is_empty() {
        return format!("`{tool}` gave an empty answer.");
    }
    let end = text.floor_char_boundary(MAX_RESULT);
    let rest = if end < text.len() {
        "\n… (cut here; the whole result is above)"
    } else {
        ""
    };
    format!("`{tool}` answered:\n{}{rest}", &text[..end])
}
