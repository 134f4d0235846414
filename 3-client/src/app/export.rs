//! A chat as Markdown or JSON.

use std::fmt::Write as _;

use super::Chat;
use super::conversation::{Body, CallState, Ended};

/// A chat as Markdown. Answers are copied byte for byte: they are Markdown already.
#[must_use]
pub fn markdown(chat: &Chat) -> String {
    let mut out = format!("# {}\n", chat.name);
    for entry in &chat.entries {
        // Writing to a String can't fail.
        let _ = match &entry.body {
            Body::User { text, attached } => {
                let uris: String = attached
                    .iter()
                    .map(|a| format!("\n\n(with {})", a.uri))
                    .collect();
                write!(out, "\n## You\n\n{text}{uris}\n")
            }
            Body::Answer(answer) => {
                let cut = match &answer.ended {
                    Some(Ended::Cut(why)) => format!("\n\n*(cut here: {why})*"),
                    _ => String::new(),
                };
                if answer.text.is_empty() && cut.is_empty() {
                    Ok(())
                } else {
                    write!(out, "\n## Answer\n\n{}{cut}\n", answer.text)
                }
            }
            Body::Call(card) => {
                let arguments = serde_json::to_string(&card.call.arguments).unwrap_or_default();
                let result = match &card.state {
                    CallState::Done(result, _) => result.text.clone(),
                    CallState::Failed(trouble) => trouble.headline.clone(),
                    CallState::Refused => "refused".into(),
                    CallState::Waiting | CallState::Running | CallState::Stopped => {
                        "stopped".into()
                    }
                };
                // A fence longer than any in the result, so that the result can't end it.
                let fence = "`".repeat(longest_run(&result, '`').max(2) + 1);
                write!(
                    out,
                    "\n## Call of {}\n\n`{arguments}`\n\n{fence}text\n{result}\n{fence}\n",
                    card.call.name
                )
            }
            Body::Trouble(trouble) => write!(out, "\n*{}*\n", trouble.headline),
            Body::Note(_) => Ok(()),
        };
    }
    out
}

fn longest_run(text: &str, wanted: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// A chat as JSON.
#[must_use]
pub fn json(chat: &Chat) -> String {
    serde_json::to_string_pretty(
        &serde_json::json!({"name": chat.name, "model": chat.model, "entries": chat.entries}),
    )
    .unwrap_or_default()
}
