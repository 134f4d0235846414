//! `mcp-client ask`: one turn, printed as it comes.

use std::io::{self, IsTerminal as _, Read as _};
use std::process::ExitCode;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{USAGE, complain, print, print_json, with_lines};
use crate::agent::{self, AgentEvent, Decision, Target, Turn, Wanted, offers};
use crate::chat::{Ask, Message, Role};
use crate::config::{Approve, Config};
use crate::failure::Failure;
use crate::tap::ProgressKind;
use crate::untrusted::clean_line;
use crate::wire::WireLog;

/// The longest question read from standard input.
const MAX_STDIN: u64 = 1024 * 1024;

/// `mcp-client ask`.
pub async fn ask(
    config: &Config,
    wire: WireLog,
    question: &str,
    as_json: bool,
    approve: Approve,
) -> ExitCode {
    let question = match question_text(question) {
        Ok(text) => text,
        Err(message) => return complain(&message, USAGE),
    };
    with_lines(config, &wire, async |lines, cancel| {
        let server = lines
            .catalogs
            .iter()
            .position(|c| {
                c.as_ref()
                    .is_some_and(|c| c.tool(&config.chat_tool).is_some())
            })
            .ok_or_else(|| {
                Failure::Here(format!(
                    "no connected server lets you call a tool named {}",
                    config.chat_tool
                ))
            })?;
        let resources: Vec<(String, usize)> = lines
            .ready()
            .flat_map(|(place, c)| c.resources.iter().map(move |r| (r.uri.clone(), place)))
            .collect();
        let offered = offers(
            lines.ready().map(|(place, c)| {
                (
                    place,
                    config.servers[place].name.as_str(),
                    c.tools.iter().collect(),
                )
            }),
            config.servers.len() > 1,
            &resources,
        );
        let mut messages: Vec<Message> = config
            .system
            .iter()
            .map(|text| Message::new(Role::System, text.as_str()))
            .collect();
        messages.push(Message::new(Role::User, question));
        let turn = Turn {
            server,
            chat_tool: config.chat_tool.clone(),
            ask: Ask {
                messages,
                model: config.model.clone(),
                ..Ask::default()
            },
            offered,
            resources,
            rounds: config.limits.rounds,
        };
        let (events, mut received) = mpsc::channel(64);
        let (decide, decisions) = mpsc::channel(8);
        let run = async {
            let events = events;
            agent::run(&lines.hub, turn, &events, decisions, &cancel).await;
        };
        let show = async {
            let mut shown = Shown {
                as_json,
                failure: None,
                wrote: String::new(),
            };
            while let Some(event) = received.recv().await {
                if let AgentEvent::Wanted(wanted) = &event
                    && wanted.target != Target::Unknown
                {
                    let _ = decide
                        .send((wanted.number, decision(wanted, approve)))
                        .await;
                }
                shown.event(event, approve);
            }
            shown.failure
        };
        let ((), failure) = tokio::join!(run, show);
        failure.map_or(Ok(ExitCode::SUCCESS), Err)
    })
    .await
}

fn question_text(given: &str) -> Result<String, String> {
    let mut text = given.trim().to_owned();
    if !io::stdin().is_terminal() {
        let mut piped = String::new();
        io::stdin()
            .lock()
            .take(MAX_STDIN)
            .read_to_string(&mut piped)
            .map_err(|e| format!("standard input isn't text: {e}"))?;
        if !piped.trim().is_empty() {
            text = if text.is_empty() {
                piped
            } else {
                format!("{text}\n\n{piped}")
            };
        }
    }
    if text.trim().is_empty() {
        Err("nothing to ask: write a question behind `ask`, or pipe it in".into())
    } else {
        Ok(text)
    }
}

/// Nobody is there to be asked: what the rule doesn't allow is refused.
fn decision(wanted: &Wanted, approve: Approve) -> Decision {
    if approve.allows(wanted.target.is_read_only()) {
        Decision::Call
    } else {
        Decision::Refuse
    }
}

/// Prints a turn's events: text as it comes, or JSON lines.
struct Shown {
    as_json: bool,
    failure: Option<Failure>,
    wrote: String,
}

impl Shown {
    fn event(&mut self, event: AgentEvent, approve: Approve) {
        if self.as_json {
            self.json(event, approve);
            return;
        }
        match event {
            AgentEvent::Progress(piece) if piece.kind == ProgressKind::Content => {
                print(&piece.text);
                self.wrote.push_str(&piece.text);
            }
            AgentEvent::Answered(reply) => {
                let text = &reply.message.content;
                // A server that doesn't stream, or one whose last pieces were lost: the result is the truth.
                match text.strip_prefix(self.wrote.as_str()) {
                    Some(rest) => print(rest),
                    None => print(&format!("\n{text}")),
                }
                if !text.is_empty() {
                    print("\n");
                }
                self.wrote.clear();
                for warning in &reply.warnings {
                    let _ = complain(warning, 0);
                }
                if reply.provider == "tutor" {
                    let _ = complain("answered by the tutor, which is no language model", 0);
                }
            }
            AgentEvent::Wanted(wanted) => {
                let arguments = Value::Object(wanted.call.arguments.clone());
                let verdict = if wanted.target == Target::Unknown {
                    "there is no such tool"
                } else if decision(&wanted, approve) == Decision::Call {
                    "called"
                } else {
                    "refused; --approve read-only or --approve all would allow it"
                };
                let _ = complain(
                    &format!(
                        "the model asks for {} {arguments}: {verdict}",
                        clean_line(&wanted.call.name)
                    ),
                    0,
                );
            }
            AgentEvent::Called(_, Err(failure)) => {
                let _ = complain(&failure.to_string(), 0);
            }
            AgentEvent::Failed(failure) => {
                if !self.wrote.is_empty() {
                    print("\n");
                    let _ = complain("the answer is cut here", 0);
                }
                self.failure = Some(failure);
            }
            AgentEvent::Progress(_)
            | AgentEvent::Asking
            | AgentEvent::Calling(..)
            | AgentEvent::Called(_, Ok(_))
            | AgentEvent::Done => {}
        }
    }

    fn json(&mut self, event: AgentEvent, approve: Approve) {
        let value = match event {
            AgentEvent::Asking => json!({"event": "asking"}),
            AgentEvent::Progress(piece) => {
                json!({"event": format!("{:?}", piece.kind).to_lowercase(), "text": piece.text})
            }
            AgentEvent::Answered(reply) => json!({"event": "answer", "reply": *reply}),
            AgentEvent::Wanted(wanted) => {
                json!({"event": "wanted", "number": wanted.number, "call": wanted.call, "approved": decision(&wanted, approve) == Decision::Call})
            }
            AgentEvent::Calling(number, arguments) => {
                json!({"event": "calling", "number": number, "arguments": arguments})
            }
            AgentEvent::Called(number, Ok(result)) => {
                json!({"event": "called", "number": number, "text": result.text, "structured": result.structured, "is_error": result.is_error})
            }
            AgentEvent::Called(number, Err(failure)) => {
                json!({"event": "called", "number": number, "failure": failure.to_string()})
            }
            AgentEvent::Failed(failure) => {
                let value = json!({"event": "failed", "failure": failure.to_string()});
                self.failure = Some(failure);
                value
            }
            AgentEvent::Done => json!({"event": "done"}),
        };
        print_json(&value);
    }
}
