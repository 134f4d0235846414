//! `mcp-client ask`: one turn, printed as it comes.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Lines, REFUSED, USAGE, complain, is_closed, print, print_json, with_lines};
use crate::agent::{
    self, AgentEvent, Decision, READ_RESOURCE, Source, Target, Turn, Wanted, offers,
};
use crate::app::{conversation::purpose, pins::Pins};
use crate::chat::{Ask, Message, Role};
use crate::config::{Approve, Config};
use crate::failure::Failure;
use crate::store::Store;
use crate::tap::ProgressKind;
use crate::untrusted::name;
use crate::wire::WireLog;

/// What is held back and named; the rest is counted.
const MAX_NAMED: usize = 10;

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
        let pins = look(config, lines)?;
        let own = lines.catalogs.first().and_then(Option::as_ref);
        let chat = own.and_then(|c| Some((c, c.tool(&config.chat_tool)?)));
        let Some((own, chat)) = chat else {
            return Err(Failure::Here(format!(
                "{} doesn't let you call a tool named {}, so it can't chat; name another server with --chat-server",
                config.servers[0].name, config.chat_tool
            )));
        };
        let chat_fingerprint = chat.fingerprint(&own.owner());
        let sources = lines.ready().map(|(server, catalog)| Source {
            server,
            name: &config.servers[server].name,
            catalog,
            tools: {
                let address = config.servers[server].endpoint.address();
                let tools = catalog.tools.iter();
                tools.filter(|t| !pins.is_off(&address, &t.name)).collect()
            },
            reads: !pins.is_off(&config.servers[server].endpoint.address(), READ_RESOURCE),
        });
        let offered = offers(sources, config.servers.len() > 1);
        let mut messages: Vec<Message> = config
            .system
            .iter()
            .map(|text| Message::new(Role::System, text.as_str()))
            .collect();
        messages.push(Message::new(Role::User, question));
        let turn = Turn {
            server: 0,
            chat_tool: config.chat_tool.clone(),
            chat_fingerprint,
            ask: Ask {
                messages,
                model: config.model.clone(),
                ..Ask::default()
            },
            window: None,
            offered,
            rounds: config.limits.rounds,
            time: config.limits.turn(),
        };
        let (events, mut received) = mpsc::channel(64);
        let (decide, decisions) = mpsc::channel(8);
        let run = async {
            let events = events;
            agent::run(&lines.hub, turn, &events, decisions, &cancel).await;
        };
        let show = async {
            let mut refused = false;
            let mut shown = Shown {
                as_json,
                failure: None,
                held: None,
                names: config.servers.iter().map(|s| s.name.clone()).collect(),
                wrote: String::new(),
            };
            while let Some(event) = received.recv().await {
                if let AgentEvent::Wanted(wanted) = &event
                    && wanted.target != Target::Unknown
                {
                    let decision = decision(wanted, approve);
                    refused |= decision == Decision::Refuse;
                    let _ = decide.send((wanted.number, decision)).await;
                }
                shown.event(event, approve);
                if is_closed() {
                    // The reader has read enough.
                    cancel.cancel();
                }
            }
            // A turn that ended well, with a call in it that was held back, didn't do what was asked.
            (shown.failure.or(shown.held), refused)
        };
        let ((), (failure, refused)) = tokio::join!(run, show);
        match failure {
            _ if is_closed() => Ok(ExitCode::SUCCESS),
            Some(failure) => Err(failure),
            None if refused => Ok(ExitCode::from(REFUSED)),
            None => Ok(ExitCode::SUCCESS),
        }
    })
    .await
}

/// Compares what the servers offer with what was looked at. Nobody is here who could look now.
fn look(config: &Config, lines: &Lines) -> Result<Pins, Failure> {
    let store = Store::find(&|name| std::env::var(name).ok());
    let mut pins = match store.as_ref().map(Store::pins) {
        Some(Ok(pins)) => pins,
        None => Pins::default(),
        Some(Err(error)) => {
            return Err(Failure::Held(format!(
                "the file of what you looked at can't be read ({error}), so nothing was sent"
            )));
        }
    };
    let before = pins.clone();
    let mut held = Vec::new();
    for (place, catalog) in lines.ready() {
        let server = &config.servers[place];
        let holding = pins.check(&server.endpoint.address(), catalog);
        held.extend(
            holding
                .items()
                .iter()
                .map(|item| format!("{}/{}: {}", server.name, name(item.name()), item.about())),
        );
    }
    if !held.is_empty() {
        let more = held.len().saturating_sub(MAX_NAMED);
        held.truncate(MAX_NAMED);
        if more > 0 {
            held.push(format!("and {more} more"));
        }
        return Err(Failure::Held(format!(
            "held back, and nothing was sent:\n{}",
            held.join("\n")
        )));
    }
    if let Some(store) = store.filter(|_| pins != before)
        && let Err(error) = store.save_pins(&pins)
    {
        let text = format!("what these servers offer can't be remembered: {error}");
        let _ = complain(&text, 0);
    }
    Ok(pins)
}

/// The question: what is given, and what is piped in. `-` says that it is read from there alone.
fn question_text(given: &str) -> Result<String, String> {
    let mut text = given.trim().to_owned();
    let reads = text == "-";
    if reads {
        text.clear();
    }
    if reads || !io::stdin().is_terminal() {
        let piped = super::read_in()?;
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
    if let Target::MoreRounds(rounds) = wanted.target {
        return Decision::Hold(format!(
            "stopped after {rounds} rounds of tool calls; --max-rounds allows more"
        ));
    }
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
    held: Option<Failure>,
    names: Vec<String>,
    wrote: String,
}

impl Shown {
    fn event(&mut self, event: AgentEvent, approve: Approve) {
        if let AgentEvent::Called(_, Err(held @ Failure::Held(_))) = &event {
            self.held = Some(held.clone());
        }
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
            // What ends the turn says why.
            AgentEvent::Wanted(Wanted {
                target: Target::MoreRounds(_),
                ..
            }) => {}
            AgentEvent::Wanted(wanted) => {
                let arguments = Value::Object(wanted.call.arguments.clone());
                let at = wanted.target.server();
                let server = at.and_then(|at| self.names.get(at)).map(String::as_str);
                let verdict = if wanted.target == Target::Unknown {
                    "there is no such tool"
                } else if decision(&wanted, approve) == Decision::Call {
                    "called"
                } else {
                    "refused; --approve read-only or --approve all would allow it"
                };
                let _ = complain(
                    &format!(
                        "the model asks to {} {arguments}: {verdict}",
                        purpose(&wanted.target, &wanted.call, server)
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
            | AgentEvent::Asking { .. }
            | AgentEvent::Calling(..)
            | AgentEvent::Called(_, Ok(_))
            | AgentEvent::Done => {}
        }
    }

    fn json(&mut self, event: AgentEvent, approve: Approve) {
        let value = match event {
            AgentEvent::Asking { left_out } => json!({"event": "asking", "left_out": left_out}),
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

#[cfg(test)]
mod tests {
    #[test]
    fn each_line_of_json_is_documented() {
        let readme = include_str!("../../README.md");
        let table = readme.split("<!-- json lines -->").nth(1).unwrap();
        for line in include_str!("ask.rs")
            .split("#[cfg(test)]")
            .next()
            .unwrap()
            .lines()
        {
            for (at, _) in line.match_indices("\"event\": \"") {
                let name = line[at + 10..].split('"').next().unwrap();
                assert!(table.contains(&format!("| `{name}` |")), "{name}");
            }
            for (at, _) in line.match_indices("\": ") {
                let field = line[..at].rsplit('"').next().unwrap();
                assert!(table.contains(&format!("`{field}`")), "{field} of {line}");
            }
        }
        for kind in ["queued", "loading", "thinking", "content", "tool", "other"] {
            assert!(table.contains(&format!("`{kind}`")), "{kind}");
        }
    }
}
