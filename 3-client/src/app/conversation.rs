//! A conversation as it stands on screen, and as the model is told it.
//!
//! There is one list of entries, and the messages for the model are derived from it: what a person sees
//! and what the model is told can't drift apart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::Target;
use crate::chat::{Context, Message, Role, ToolCall};
use crate::failure::{Failure, Kind};
use crate::session::ToolResult;
use crate::untrusted::name;

/// Characters of a name that are shown in a question.
const MAX_NAME: usize = 128;

/// A resource put into a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// The name of the server that it was read from.
    #[serde(default)]
    pub server: String,
    /// Its URI.
    pub uri: String,
    /// Its text when it was read.
    pub text: String,
}

/// Something that went wrong, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// Decides the look.
    pub kind: Kind,
    /// What happened.
    pub headline: String,
    /// What to do.
    pub advice: Option<String>,
}

impl From<&Failure> for Trouble {
    fn from(failure: &Failure) -> Self {
        Self {
            kind: failure.kind(),
            headline: failure.to_string(),
            advice: failure.advice(),
        }
    }
}

/// The line under an answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Closing {
    /// Who spoke.
    pub provider: String,
    /// With which model.
    pub model: String,
    /// From Enter to the first piece of text, as seen here.
    pub first_token: Option<Duration>,
    /// From Enter to the end.
    pub total: Duration,
    /// Tokens written.
    pub tokens: u64,
    /// Tokens per second, as the server measured.
    pub speed: Option<f64>,
    /// How full the model's context is.
    pub context: Option<Context>,
    /// Why the model stopped, when it wasn't simply done.
    pub stopped: Option<String>,
    /// What the server warns of.
    pub warnings: Vec<String>,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ended {
    /// All of it came.
    Whole(Box<Closing>),
    /// The part that came is kept, and this is why there is no more.
    Cut(String),
}

/// One answer of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its thinking.
    pub thinking: String,
    /// Its text, byte for byte.
    pub text: String,
    /// The calls that it asks for.
    pub calls: Vec<ToolCall>,
    /// Nothing while it is being written.
    pub ended: Option<Ended>,
    /// Whether the thinking is unfolded.
    #[serde(default)]
    pub unfolded: bool,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CallState {
    /// A person decides.
    Waiting,
    /// It is on its way.
    Running,
    /// It ran.
    Done(ToolResult, Duration),
    /// It didn't work.
    Failed(Trouble),
    /// A person said no.
    Refused,
    /// The turn was stopped before it was over.
    Stopped,
}

/// One call that the model asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallCard {
    /// What was asked for; arguments that a person edited replace the model's.
    pub call: ToolCall,
    /// The server's name, or nothing for a name that the model made up.
    pub server: Option<String>,
    /// What became of it.
    pub state: CallState,
    /// Whether the whole result is shown.
    #[serde(default)]
    pub unfolded: bool,
}

/// What an entry holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// The person's message.
    User {
        /// As it was typed.
        text: String,
        /// Resources put into it.
        #[serde(default)]
        attached: Vec<Attachment>,
    },
    /// The model's answer.
    Answer(Answer),
    /// A call.
    Call(CallCard),
    /// Something that went wrong. The model isn't told.
    Trouble(Trouble),
    /// Something to know. The model isn't told.
    Note(String),
    /// What was said before, in the model's words. From here on, the model is sent this in its place.
    Summary(String),
}

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Never used twice in one run.
    #[serde(skip)]
    pub id: u64,
    /// Counts changes, so that a drawn copy knows when it is stale.
    #[serde(skip)]
    pub rev: u32,
    /// What it holds.
    pub body: Body,
}

/// What the model is told about a call.
#[must_use]
pub fn told(state: &CallState) -> String {
    match state {
        CallState::Done(result, _) if result.is_error => {
            format!("The tool failed: {}", crate::agent::for_model(&result.text))
        }
        CallState::Done(result, _) => crate::agent::for_model(&result.text),
        CallState::Failed(trouble) => format!("The call failed: {}", trouble.headline),
        CallState::Refused => crate::agent::REFUSED.into(),
        CallState::Waiting | CallState::Running | CallState::Stopped => {
            "The person stopped this before it was over.".into()
        }
    }
}

/// The conversation as the model is told it.
#[must_use]
pub fn messages(system: Option<&str>, entries: &[Entry]) -> Vec<Message> {
    let mut messages: Vec<Message> = system
        .map(|text| Message::new(Role::System, text))
        .into_iter()
        .collect();
    let summed_up = entries
        .iter()
        .rposition(|e| matches!(e.body, Body::Summary(_)))
        .unwrap_or(0);
    for (at, entry) in entries.iter().enumerate() {
        match &entry.body {
            // What is attached stays, word for word.
            Body::User { attached, .. } if at < summed_up => {
                if !attached.is_empty() {
                    messages.push(pinned(with_attached("", attached)));
                }
            }
            _ if at < summed_up => {}
            Body::User { text, attached } => {
                let content = with_attached(text, attached);
                messages.push(Message {
                    pinned: !attached.is_empty(),
                    ..Message::new(Role::User, content)
                });
            }
            Body::Answer(answer) if !answer.text.is_empty() || !answer.calls.is_empty() => {
                messages.push(Message {
                    tool_calls: answer.calls.clone(),
                    ..Message::new(Role::Assistant, answer.text.clone())
                });
            }
            Body::Call(card) => messages.push(Message::result(&card.call, told(&card.state))),
            Body::Summary(text) => {
                messages.push(pinned(format!("What was said so far, summed up:\n{text}")));
            }
            Body::Answer(_) | Body::Trouble(_) | Body::Note(_) => {}
        }
    }
    messages
}

fn pinned(content: String) -> Message {
    Message {
        pinned: true,
        ..Message::new(Role::User, content)
    }
}

fn with_attached(text: &str, attached: &[Attachment]) -> String {
    let mut content = text.to_owned();
    for Attachment { uri, text, server } in attached {
        content.push_str(&format!("\n\nResource {uri} of {server}:\n{text}"));
    }
    content
}

/// How full the model's context was after the newest answer that says so.
#[must_use]
pub fn context(entries: &[Entry]) -> Option<Context> {
    entries.iter().rev().find_map(|entry| match &entry.body {
        Body::Answer(Answer {
            ended: Some(Ended::Whole(closing)),
            ..
        }) => closing.context,
        _ => None,
    })
}

impl CallCard {
    /// What is called, for a person: `server/tool`. The name that the model was given carries the
    /// server's a second time when there are several.
    #[must_use]
    pub fn title(&self) -> String {
        let Some(server) = &self.server else {
            return self.call.name.clone();
        };
        let own = self.call.name.strip_prefix(server.as_str());
        let tool = own.and_then(|rest| rest.strip_prefix("__"));
        format!("{server}/{}", tool.unwrap_or(&self.call.name))
    }
}

/// What a call would do, for a person who decides: whom it asks, and for what.
#[must_use]
pub fn purpose(target: &Target, call: &ToolCall, server: Option<&str>) -> String {
    let server = server.unwrap_or("a server that isn't there");
    match target {
        Target::Tool { tool, .. } => format!("call {server}/{}", named(tool)),
        Target::Resource { .. } => format!("read a resource of {server}"),
        Target::Unknown => format!("call {}, which doesn't exist", named(&call.name)),
        Target::MoreRounds(rounds) => {
            format!(
                "go on after {rounds} rounds of calls, for as many; with No, it answers with what it has"
            )
        }
    }
}

/// A name of which a question has room for its arguments, too. The protocol's longest has 128 characters.
fn named(text: &str) -> String {
    let end = text
        .char_indices()
        .nth(MAX_NAME)
        .map_or(text.len(), |(at, _)| at);
    match text.chars().count().saturating_sub(MAX_NAME) {
        0 => name(text),
        more => format!("{}… (and {more} characters more)", name(&text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn entry(body: Body) -> Entry {
        Entry {
            id: 0,
            rev: 0,
            body,
        }
    }

    #[test]
    fn every_call_that_the_model_made_has_a_result_even_when_it_was_stopped() {
        let call = ToolCall {
            id: "1".into(),
            name: "echo".into(),
            arguments: Map::new(),
        };
        let answer = Answer {
            calls: vec![call.clone()],
            ..Answer::default()
        };
        let card = CallCard {
            call,
            server: None,
            state: CallState::Stopped,
            unfolded: false,
        };
        let messages = messages(
            None,
            &[entry(Body::Answer(answer)), entry(Body::Call(card))],
        );
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[1].tool_call_id.as_deref(), Some("1"));
        assert!(messages[1].content.contains("stopped"));
    }

    #[test]
    fn troubles_and_notes_are_for_the_person_only() {
        let trouble = Trouble::from(&Failure::Lost);
        let entries = [
            entry(Body::Trouble(trouble)),
            entry(Body::Note("hi".into())),
        ];
        assert!(messages(None, &entries).is_empty());
    }

    #[test]
    fn an_attached_resource_travels_with_its_message() {
        let attached = vec![Attachment {
            server: "local".into(),
            uri: "docs://a".into(),
            text: "body".into(),
        }];
        let messages = messages(
            Some("be brief"),
            &[entry(Body::User {
                text: "explain".into(),
                attached,
            })],
        );
        assert_eq!(messages[0].role, Role::System);
        assert!(messages[1].content.contains("docs://a") && messages[1].content.ends_with("body"));
    }

    #[test]
    fn a_summary_stands_for_what_was_said_before_and_what_was_attached_stays() {
        let user = |text: &str, attached: Vec<Attachment>| {
            entry(Body::User {
                text: text.into(),
                attached,
            })
        };
        let attachment = Attachment {
            server: "local".into(),
            uri: "docs://a".into(),
            text: "body".into(),
        };
        let entries = [
            user("old", vec![attachment]),
            user("older", Vec::new()),
            entry(Body::Summary("they talked".into())),
            user("new", Vec::new()),
        ];
        let sent = messages(Some("be brief"), &entries);
        let sent: Vec<&str> = sent.iter().map(|m| m.content.as_str()).collect();
        assert_eq!(
            sent,
            [
                "be brief",
                "\n\nResource docs://a of local:\nbody",
                "What was said so far, summed up:\nthey talked",
                "new"
            ]
        );
    }
}
