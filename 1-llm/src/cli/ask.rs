//! `mcp-llm ask "…"`

use std::{io::Read, pin::pin, process::ExitCode, time::Duration};

use futures_util::StreamExt;
use mcp_llm::{
    ChatEvent, ChatRequest, Completion, ErrorKind, Message, ProviderError, Role, chat::Think,
    connect,
};

use super::{
    common::{Common, Stop, variable},
    out::Out,
};

/// The longest question that is read from standard input.
const MAX_QUESTION: usize = 4 << 20;

#[derive(clap::Args)]
pub(super) struct Ask {
    /// The question; `-` reads it from standard input.
    question: String,
    /// The model to ask; else the first that can chat.
    #[arg(long, short, env = "MCP_LLM__DEFAULT_MODEL")]
    model: Option<String>,
    /// Think first, or don't. The thinking goes to standard error.
    #[arg(long, num_args = 0..=1, default_missing_value = "on", require_equals = true, value_name = "HOW",
        value_parser = ["on", "off", "low", "medium", "high", "max"])]
    think: Option<String>,
    /// Instructions that frame the answer.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Print, at the end, who spoke, the time to the first token, and tokens per second.
    #[arg(long)]
    stats: bool,
}

impl Ask {
    pub(super) async fn run(self, common: &Common, out: &mut Out) -> Result<ExitCode, Stop> {
        let stats = self.stats;
        let wants_model = common.has_stand_in() && self.model.as_deref() != Some("tutor");
        let request = self.request()?;
        let provider = connect(&common.settings(), &variable)?;
        let mut answer = provider.chat(request).await?;
        let mut ends_in_newline = true;
        let mut is_thinking = false;
        // One listener for the whole answer: a new one in each round would miss a signal that came
        // between two of them.
        let mut stop = pin!(tokio::signal::ctrl_c());
        loop {
            let event = tokio::select! {
                // First, so that it listens before the first word is out.
                biased;
                // Dropping the answer tells the engine to stop.
                _ = &mut stop => {
                    drop(answer);
                    out.note("\nStopped.");
                    return Ok(ExitCode::from(130));
                }
                event = answer.next() => event,
            };
            match event {
                Some(Ok(ChatEvent::Queued { place })) => {
                    out.note(&format!("Waiting: number {place} in the queue."));
                }
                Some(Ok(ChatEvent::Loading)) => out.note("Loading the model…"),
                Some(Ok(ChatEvent::Thinking(text))) => {
                    is_thinking = true;
                    out.thinking(&text);
                }
                Some(Ok(ChatEvent::Content(text))) => {
                    if std::mem::take(&mut is_thinking) {
                        // Apart from the answer, where both are on one screen.
                        out.note("\n");
                    }
                    ends_in_newline = text.ends_with('\n');
                    out.text(&text)?;
                }
                // No tools are offered here, so no call should come.
                Some(Ok(ChatEvent::ToolCalls(calls))) => {
                    let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
                    out.warning(&format!(
                        "the model asked for tools that weren't offered: {}",
                        names.join(", ")
                    ));
                }
                Some(Ok(ChatEvent::Done(done))) => {
                    if !ends_in_newline {
                        out.line("")?;
                    }
                    for warning in &done.warnings {
                        out.warning(warning);
                    }
                    if wants_model && done.provider == "tutor" {
                        out.note(
                            "The built-in tutor answered. For a language model: mcp-llm doctor",
                        );
                    }
                    if stats {
                        out.note(&statistics(&done));
                    }
                    return Ok(ExitCode::SUCCESS);
                }
                Some(Err(error)) => {
                    if !ends_in_newline {
                        out.line("")?;
                    }
                    return Err(error.into());
                }
                None => {
                    let cut = ProviderError::new(
                        ErrorKind::Truncated,
                        "The answer stopped before its end. Ask again.",
                        "no Done event",
                    );
                    return Err(cut.into());
                }
            }
        }
    }

    fn request(self) -> Result<ChatRequest, Stop> {
        let question = if self.question == "-" {
            read_standard_input()?
        } else {
            self.question
        };
        let think = self.think.map(|how| match how.as_str() {
            "on" => Think::Switch(true),
            "off" => Think::Switch(false),
            _ => Think::Level(how),
        });
        let system = self.system.map(|text| Message::new(Role::System, text));
        let messages = system
            .into_iter()
            .chain([Message::user(question)])
            .collect();
        Ok(ChatRequest {
            model: self.model,
            messages,
            think,
            ..ChatRequest::default()
        })
    }
}

/// The whole question, or none: half of one would be answered as if it were all.
fn read_standard_input() -> Result<String, ProviderError> {
    let mut text = String::new();
    // One byte more than is taken, to see that there is more.
    let read = std::io::stdin()
        .take(MAX_QUESTION as u64 + 1)
        .read_to_string(&mut text);
    if let Err(error) = read {
        return Err(ProviderError::invalid(format!(
            "The question can't be read from standard input: {error}."
        )));
    }
    if text.len() > MAX_QUESTION {
        return Err(ProviderError::invalid(format!(
            "The question on standard input is longer than {} MB.",
            MAX_QUESTION >> 20
        )));
    }
    Ok(text)
}

/// The statistics, as one line.
fn statistics(done: &Completion) -> String {
    let mut parts = vec![format!("{} via {}", done.model, done.provider)];
    parts.push(format!(
        "first token after {}",
        display_time(done.timings.first_token)
    ));
    if let Some(rate) = tokens_per_second(done) {
        parts.push(format!("{rate:.1} tokens/s"));
    }
    if done.usage.completion_tokens > 0 {
        parts.push(format!(
            "{} tokens in, {} out",
            done.usage.prompt_tokens, done.usage.completion_tokens
        ));
    }
    if done.timings.load >= Duration::from_millis(100) {
        parts.push(format!(
            "{} to load the model",
            display_time(done.timings.load)
        ));
    }
    if let Some(context) = done.context {
        parts.push(format!("context {} of {}", context.used, context.size));
    }
    parts.join(" · ")
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a rate with one digit after the point"
)]
fn tokens_per_second(done: &Completion) -> Option<f64> {
    let (tokens, time) = (
        done.usage.completion_tokens,
        done.timings.answer.as_secs_f64(),
    );
    (tokens > 0 && time > 0.0).then(|| tokens as f64 / time)
}

fn display_time(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}
