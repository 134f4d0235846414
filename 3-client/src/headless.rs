//! The same client without a screen: for scripts, and for looking at one thing at a time.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::agent::{self, AgentEvent, Decision, Target, Turn, Wanted, offers};
use crate::catalog::Catalog;
use crate::chat::{Ask, Message, Role};
use crate::config::{Approve, Config};
use crate::failure::{Failure, Kind};
use crate::link::{Hub, LinkEvent};
use crate::tap::ProgressKind;
use crate::untrusted::{clean, clean_line};
use crate::wire::WireLog;

/// Something failed that has no code of its own.
pub const FAILED: u8 = 1;
/// The command line or the configuration is wrong.
pub const USAGE: u8 = 2;
/// The tool ran and reported a failure.
pub const TOOL_FAILED: u8 = 3;
/// The key is missing or wrong.
pub const SIGNED_OUT: u8 = 4;
/// The key has no right to this.
pub const FORBIDDEN: u8 = 5;
/// Too many calls, or the server is busy.
pub const THROTTLED: u8 = 6;
/// Nobody answers.
pub const AWAY: u8 = 7;
/// Stopped with Ctrl-C.
pub const STOPPED: u8 = 130;

/// For `--help`.
pub const EXIT_CODES: &str = "Exit codes: 0 done · 1 failed · 2 wrong usage or configuration · 3 the tool reported a failure · 4 key missing or refused · 5 not allowed · 6 throttled or busy · 7 server not reachable · 130 stopped\nThe key comes from MCP_CLIENT_KEY, or from key_env, key_file or key_command in the configuration; never from the command line.";

/// The longest question read from standard input.
const MAX_STDIN: u64 = 1024 * 1024;

/// Says on stderr what is wrong, and gives the code to leave with.
pub fn complain(message: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "mcp-client: {}", clean(message));
    ExitCode::from(code)
}

fn complain_failure(failure: &Failure) -> ExitCode {
    let code = match failure.kind() {
        Kind::SignedOut => SIGNED_OUT,
        Kind::Forbidden => FORBIDDEN,
        Kind::Throttled | Kind::Overloaded => THROTTLED,
        Kind::Away => AWAY,
        Kind::Cancelled => STOPPED,
        Kind::Broken => FAILED,
    };
    match failure.advice() {
        Some(advice) => complain(&format!("{failure}\n{advice}"), code),
        None => complain(&failure.to_string(), code),
    }
}

/// Prints for people through `clean`, for programs byte for byte: what a terminal would act on is
/// harmless in a pipe, and changing it there would falsify the result.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let shown = if out.is_terminal() {
        clean(text)
    } else {
        text.into()
    };
    // A reader that closed the pipe has read enough.
    let _ = out.write_all(shown.as_bytes());
    let _ = out.flush();
}

fn print_json(value: &Value) {
    print(&format!("{value}\n"));
}

/// The connections of one headless run.
struct Lines {
    hub: Hub,
    catalogs: Vec<Option<Catalog>>,
    stop: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
}

impl Lines {
    /// Connects to the first server, and to the others if they answer as well. One attempt each.
    async fn open(config: &Config, wire: &WireLog) -> Result<Self, Failure> {
        let stop = CancellationToken::new();
        let hub = Hub::new(config, wire);
        let (sender, mut events) = mpsc::channel(32);
        let tasks = hub.start(&sender, &stop);
        let mut lines = Self {
            hub,
            catalogs: vec![None; config.servers.len()],
            stop,
            tasks,
        };
        let mut open: Vec<bool> = vec![true; config.servers.len()];
        let deadline = tokio::time::sleep(config.limits.request());
        tokio::pin!(deadline);
        while open.contains(&true) {
            tokio::select! {
                () = &mut deadline => break,
                event = events.recv() => match event {
                    None => break,
                    Some((_, LinkEvent::Connecting)) => {}
                    Some((place, LinkEvent::Ready(catalog, _))) => {
                        lines.catalogs[place] = Some(*catalog);
                        open[place] = false;
                    }
                    Some((0, LinkEvent::Down(failure, _))) => {
                        lines.close().await;
                        return Err(failure);
                    }
                    Some((place, LinkEvent::Down(failure, _))) => {
                        let _ = complain(&format!("{}: {failure}", config.servers[place].name), 0);
                        open[place] = false;
                    }
                }
            }
        }
        // Later events would fill the channel and stop the links.
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        Ok(lines)
    }

    async fn close(&mut self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(3), async {
            while self.tasks.join_next().await.is_some() {}
        })
        .await;
    }

    /// Finds a tool by its name, or by `server/tool`.
    fn find(&self, config: &Config, wanted: &str) -> Result<(usize, String), Failure> {
        let mut known = Vec::new();
        for (place, catalog) in self.catalogs.iter().enumerate() {
            let Some(catalog) = catalog else { continue };
            for tool in &catalog.tools {
                let full = format!("{}/{}", config.servers[place].name, tool.name);
                if tool.name == wanted || full == wanted {
                    return Ok((place, tool.name.clone()));
                }
                known.push(tool.name.clone());
            }
        }
        match known.iter().max_by(|a, b| {
            strsim::jaro_winkler(a, wanted).total_cmp(&strsim::jaro_winkler(b, wanted))
        }) {
            // A server need not list what it lets one call.
            None => Ok((0, wanted.to_owned())),
            Some(near) => Err(Failure::Here(format!(
                "there is no tool {wanted:?}; did you mean {near}? `mcp-client tools` lists them"
            ))),
        }
    }
}

/// Runs `work` with open connections; Ctrl-C cancels it, and the server is told.
async fn with_lines<F>(config: &Config, wire: &WireLog, work: F) -> ExitCode
where
    F: AsyncFnOnce(&Lines, CancellationToken) -> Result<ExitCode, Failure>,
{
    let cancel = CancellationToken::new();
    let on_ctrl_c = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_ctrl_c.cancel();
        }
    });
    let opened = tokio::select! {
        opened = Lines::open(config, wire) => opened,
        () = cancel.cancelled() => Err(Failure::Cancelled),
    };
    let mut lines = match opened {
        Ok(lines) => lines,
        Err(failure) => return complain_failure(&failure),
    };
    let code = work(&lines, cancel)
        .await
        .unwrap_or_else(|failure| complain_failure(&failure));
    lines.close().await;
    code
}

/// `mcp-client tools`.
pub async fn tools(config: &Config, wire: WireLog, as_json: bool) -> ExitCode {
    with_lines(config, &wire, async |lines, _| {
        for (place, catalog) in lines.catalogs.iter().enumerate() {
            let Some(catalog) = catalog else { continue };
            let server = &config.servers[place].name;
            for tool in &catalog.tools {
                if as_json {
                    print_json(&json!({"server": server, "tool": tool}));
                    continue;
                }
                let hints = tool.hints.words();
                let hints = if hints.is_empty() {
                    String::new()
                } else {
                    format!("  [{hints}]")
                };
                let first = tool.description.lines().next().unwrap_or_default();
                print(&format!(
                    "{:<22} {}{hints}\n",
                    clean_line(&tool.name),
                    clean_line(first)
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

/// `mcp-client call`.
pub async fn call(
    config: &Config,
    wire: WireLog,
    tool: &str,
    arguments: &str,
    as_json: bool,
) -> ExitCode {
    let arguments: Map<String, Value> = match serde_json::from_str(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            return complain(
                &format!(
                    "the arguments must be one JSON object, such as '{{\"message\": \"hi\"}}': {error}"
                ),
                USAGE,
            );
        }
    };
    with_lines(config, &wire, async |lines, cancel| {
        let (place, tool) = lines.find(config, tool)?;
        let result = lines.hub.link(place)?.session()?.call(&tool, arguments, None, &cancel).await?;
        if as_json {
            print_json(&json!({"text": result.text, "structured": result.structured, "is_error": result.is_error}));
        } else {
            print(&format!("{}\n", result.text.trim_end_matches('\n')));
        }
        Ok(if result.is_error { ExitCode::from(TOOL_FAILED) } else { ExitCode::SUCCESS })
    })
    .await
}

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
        let ready = || {
            lines
                .catalogs
                .iter()
                .enumerate()
                .filter_map(|(place, c)| Some((place, c.as_ref()?)))
        };
        let resources: Vec<(String, usize)> = ready()
            .flat_map(|(place, c)| c.resources.iter().map(move |r| (r.uri.clone(), place)))
            .collect();
        let offered = offers(
            ready().map(|(place, c)| {
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
    let read_only = matches!(
        &wanted.target,
        Target::Tool {
            read_only: true,
            ..
        } | Target::Resource
    );
    if approve == Approve::All || (approve == Approve::ReadOnly && read_only) {
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
