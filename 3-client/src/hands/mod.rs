//! Carries the app's commands out: turns, calls by hand, files, the clipboard.

use std::collections::HashMap;
use std::io::{self, Write as _};

use base64::Engine as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::agent::{self, AgentEvent, Decision};
use crate::app::App;
use crate::app::watched::Watched;
use crate::command::Command;
use crate::event::Event;
use crate::failure::Failure;
use crate::link::{Hub, LinkEvent};
use crate::session::Session;
use crate::session::question::{Answer, Asked};
use crate::store::{self, Store};
use crate::untrusted::{escaped_json, portable};
use crate::wire::WireLog;

mod watch;

/// Terminals drop longer clipboard writes, some with the rest of the screen.
const MAX_CLIPBOARD: usize = 100_000;
/// Calls by hand that may run at once.
const MAX_BY_HAND: usize = 16;

struct TurnHandle {
    decisions: mpsc::Sender<(u32, Decision)>,
    cancel: CancellationToken,
}

/// Everything that the app itself doesn't touch.
pub(crate) struct Hands {
    hub: Hub,
    wire: WireLog,
    store: Option<Store>,
    events: mpsc::Sender<Event>,
    /// Where servers that are added tell what happens to them.
    links: mpsc::Sender<(usize, LinkEvent)>,
    added: tokio::task::JoinSet<()>,
    turns: HashMap<u64, TurnHandle>,
    by_hand: tokio::task::JoinSet<()>,
    questions: HashMap<u64, oneshot::Sender<Answer>>,
    asked: u64,
    watching: Option<(Watched, DropGuard)>,
    cancel: CancellationToken,
}

impl Hands {
    pub(crate) fn new(
        hub: Hub,
        wire: WireLog,
        store: Option<Store>,
        events: mpsc::Sender<Event>,
        links: mpsc::Sender<(usize, LinkEvent)>,
    ) -> Self {
        Self {
            hub,
            wire,
            store,
            events,
            links,
            added: tokio::task::JoinSet::new(),
            turns: HashMap::new(),
            by_hand: tokio::task::JoinSet::new(),
            questions: HashMap::new(),
            asked: 0,
            watching: None,
            cancel: CancellationToken::new(),
        }
    }

    /// Does what needs no terminal. The rest is handed back.
    pub(crate) fn carry_out(&mut self, command: Command, app: &App) -> Option<Command> {
        match command {
            Command::Start { chat, turn, ask } => self.start(chat, turn, *ask),
            Command::Decide {
                turn,
                number,
                decision,
            } => {
                if let Some(handle) = self.turns.get(&turn) {
                    // Full only if a turn asked eight questions without reading an answer: broken.
                    let _ = handle.decisions.try_send((number, decision));
                }
            }
            Command::Stop { turn } => {
                if let Some(handle) = self.turns.remove(&turn) {
                    handle.cancel.cancel();
                }
            }
            Command::Reconnect(one) => {
                let places = one.map_or(0..app.servers.len(), |place| place..place + 1);
                for link in places.filter_map(|place| self.hub.link(place).ok()) {
                    link.reconnect();
                }
            }
            Command::SignIn { server, key } => {
                if let Ok(link) = self.hub.link(server) {
                    link.sign_in(key);
                }
            }
            Command::AddServer(config) => {
                let place = self.hub.add(*config);
                if let Ok(link) = self.hub.link(place) {
                    let (events, over) = (self.links.clone(), self.cancel.child_token());
                    self.added
                        .spawn(async move { link.run(place, events, over).await });
                }
            }
            Command::Call {
                server,
                tool,
                arguments,
            } => self.by_hand(server, async move |session, cancel| {
                let result = session.call(&tool, arguments, None, &cancel).await?;
                Ok(Event::Ran { tool, result })
            }),
            Command::Read {
                server,
                uri,
                attach,
            } => self.by_hand(server, async move |session, cancel| {
                let text = session.read(&uri, &cancel).await?;
                Ok(Event::Read {
                    server,
                    uri,
                    text,
                    attach,
                })
            }),
            Command::Prompt {
                server,
                prompt,
                arguments,
            } => {
                self.by_hand(server, async move |session, _| {
                    Ok(Event::Prompt(session.prompt(&prompt, arguments).await?))
                });
            }
            Command::Complete {
                server,
                of,
                argument,
                typed,
            } => self.by_hand(server, async move |session, _| {
                // No proposals are no failure: most servers have none.
                let completed = session.complete(&of, &argument, &typed).await;
                Ok(Event::Proposals {
                    argument,
                    values: completed.unwrap_or_default(),
                })
            }),
            Command::Answer { number, answer } => {
                if let Some(reply) = self.questions.remove(&number) {
                    // Closed: the server no longer waits, and the app was told.
                    let _ = reply.send(answer);
                }
            }
            Command::SaveWire => self.say(match &self.store {
                None => "there is no home directory to save into".into(),
                Some(store) => {
                    match store.save_wire(&app.run, &escaped_json(&self.wire.to_jsonl())) {
                        Ok(path) => format!("the wire log is in {}", path.display()),
                        Err(error) => format!("the wire log can't be saved: {error}"),
                    }
                }
            }),
            Command::Export {
                name,
                extension,
                text,
            } => self.say(match store::export(&name, extension, &text) {
                Ok(path) => format!("written to {}", path.display()),
                Err(error) => format!("can't write the file: {error}"),
            }),
            Command::Open(key) => {
                let opened = self.store.as_ref().map(|store| store.open(&key));
                self.send(match opened {
                    Some(Ok(file)) => Event::Opened {
                        key,
                        name: file.name,
                        model: file.model,
                        bodies: file.entries.into_iter().map(|e| e.body).collect(),
                    },
                    Some(Err(error)) => Event::Note(format!("this chat can't be read: {error}")),
                    None => Event::Note("nothing is saved here".into()),
                });
            }
            Command::Copy(text) => {
                let (sequence, lost) = clipboard(&text);
                if lost > 0 {
                    self.say(format!("the last {lost} bytes don't fit the clipboard"));
                }
                let mut out = io::stdout();
                let _ = out.write_all(sequence.as_bytes());
                let _ = out.flush();
            }
            other @ (Command::Scroll(_)
            | Command::Find { .. }
            | Command::Editor(_)
            | Command::Suspend
            | Command::Quit) => {
                return Some(other);
            }
        }
        None
    }

    fn say(&self, text: String) {
        self.send(Event::Note(text));
    }

    fn send(&self, event: Event) {
        // From the loop that reads this queue, so it must not wait on it.
        let _ = self.events.try_send(event);
    }

    fn start(&mut self, chat: u64, turn: u64, ask: agent::Turn) {
        // Turns that ended have dropped their receiver.
        self.turns.retain(|_, handle| !handle.decisions.is_closed());
        let (decisions, receiver) = mpsc::channel(8);
        let cancel = self.cancel.child_token();
        self.turns.insert(
            turn,
            TurnHandle {
                decisions,
                cancel: cancel.clone(),
            },
        );
        let (hub, out) = (self.hub.clone(), self.events.clone());
        tokio::spawn(async move {
            let (events, mut received) = mpsc::channel::<AgentEvent>(64);
            let forward = async {
                while let Some(event) = received.recv().await {
                    if out.send(Event::Agent { chat, turn, event }).await.is_err() {
                        break;
                    }
                }
            };
            let run = async {
                let events = events;
                agent::run(&hub, ask, &events, receiver, &cancel).await;
            };
            tokio::join!(run, forward);
        });
    }

    /// Something that a person asked for outside of a turn.
    fn by_hand<F, W>(&mut self, server: usize, work: W)
    where
        W: FnOnce(std::sync::Arc<Session>, CancellationToken) -> F + Send + 'static,
        F: Future<Output = Result<Event, Failure>> + Send + 'static,
    {
        while self.by_hand.try_join_next().is_some() {}
        if self.by_hand.len() >= MAX_BY_HAND {
            self.say("too many calls are still running".into());
            return;
        }
        let (hub, out, cancel) = (
            self.hub.clone(),
            self.events.clone(),
            self.cancel.child_token(),
        );
        self.by_hand.spawn(async move {
            let done = async {
                let link = hub.link(server)?;
                work(link.session()?, cancel)
                    .await
                    .inspect_err(|failure| link.report(failure))
            };
            let event = done.await.unwrap_or_else(Event::Failed);
            let _ = out.send(event).await;
        });
    }

    /// Brings a server's question to the person.
    pub(crate) fn ask(&mut self, asked: Asked) {
        self.asked += 1;
        let number = self.asked;
        self.questions.retain(|_, reply| !reply.is_closed());
        let (reply, answered) = oneshot::channel();
        self.questions.insert(number, reply);
        let out = self.events.clone();
        tokio::spawn(async move {
            let Asked {
                question,
                mut reply,
            } = asked;
            if out.send(Event::Asked { number, question }).await.is_err() {
                return;
            }
            tokio::select! {
                answer = answered => {
                    let _ = reply.send(answer.unwrap_or(Answer::Dismiss));
                }
                () = reply.closed() => {
                    let _ = out.send(Event::Withdrawn(number)).await;
                }
            }
        });
    }

    /// Watches what is on screen, and nothing else.
    pub(crate) fn watch(&mut self, wanted: Option<Watched>) {
        if self.watching.as_ref().map(|(watched, _)| watched) == wanted.as_ref() {
            return;
        }
        self.watching = wanted.map(|watched| {
            let over = self.cancel.child_token();
            let (hub, out) = (self.hub.clone(), self.events.clone());
            tokio::spawn(watch::follow(hub, watched.clone(), out, over.clone()));
            (watched, over.drop_guard())
        });
    }

    /// Cancels everything, so that the servers are told.
    pub(crate) fn let_go(&mut self) {
        self.cancel.cancel();
    }

    /// Resolves when the servers that were added have been told goodbye.
    pub(crate) async fn gone(&mut self) {
        while self.added.join_next().await.is_some() {}
    }
}

/// OSC 52: the terminal puts the text on the clipboard, over SSH too. What is pasted into a shell later
/// must not end the paste and go on as commands. Says how many bytes are left out.
fn clipboard(text: &str) -> (String, usize) {
    let text = portable(text);
    let end = text.floor_char_boundary(MAX_CLIPBOARD);
    let encoded = base64::engine::general_purpose::STANDARD.encode(&text[..end]);
    (format!("\x1b]52;c;{encoded}\x07"), text.len() - end)
}

/// Lets a person write in their editor.
///
/// # Errors
/// When there is no editor, or it fails.
pub(crate) fn edit(text: &str) -> io::Result<String> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()))
        .unwrap_or_else(|| "vi".into());
    let mut file = tempfile::Builder::new()
        .prefix("message-")
        .suffix(".md")
        .tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    // `EDITOR="code --wait"` is common; split by spaces, no shell.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = std::process::Command::new(program)
        .args(words)
        .arg(file.path())
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("{program} ended with {status}")));
    }
    let mut written = std::fs::read_to_string(file.path())?;
    if written.ends_with('\n') {
        written.pop();
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_cannot_end_a_paste_and_says_what_it_left_out() {
        let copied = |text: &str| {
            let (sequence, lost) = clipboard(text);
            let encoded = sequence.strip_prefix("\x1b]52;c;").unwrap();
            let encoded = encoded.strip_suffix('\x07').unwrap();
            let bytes = base64::engine::general_purpose::STANDARD.decode(encoded);
            (String::from_utf8(bytes.unwrap()).unwrap(), lost)
        };
        let (text, lost) = copied("ls\x1b[201~\rrm -rf ~\tx\n");
        assert_eq!((text.as_str(), lost), ("ls␛[201~␍rm -rf ~\tx\n", 0));
        assert_eq!(copied(&"x".repeat(MAX_CLIPBOARD + 7)).1, 7);
    }
}
