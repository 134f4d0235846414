//! The app's state, and how each event changes it. No I/O happens here: what has to be done outside
//! is handed back as [`Command`]s, so that a whole session can be played in a test.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEventKind};

use crate::agent::{AgentEvent, Decision, Target, Turn, Wanted, offers};
use crate::catalog::Catalog;
use crate::chat::Ask;
use crate::command::{Command, Scroll};
use crate::config::{Approve, Config, Endpoint};
use crate::editor::Editor;
use crate::event::Event;
use crate::failure::{Failure, Kind};
use crate::link::LinkEvent;
use crate::tap::ProgressKind;

pub mod conversation;
mod turns;

use conversation::{Body, Entry, Trouble};
pub use turns::{Phase, Running};

/// Messages that may wait while an answer is being written.
const MAX_QUEUED: usize = 20;
/// An approval that appears under somebody's fingers must not be answered by what they were typing.
const TYPING_GUARD: Duration = Duration::from_millis(400);
/// Entries of one chat in memory.
const MAX_ENTRIES: usize = 20_000;

/// How a server's connection stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Connection {
    /// Trying.
    Connecting,
    /// There.
    Ready,
    /// Not there, and when the next attempt comes (in the app's time).
    Down(Failure, Option<Duration>),
}

/// A server as the app sees it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Where it is, for the screen.
    pub place: String,
    /// Whether there is a key for it.
    pub has_key: bool,
    /// What goes ahead without asking.
    pub approve: Approve,
    /// The connection.
    pub connection: Connection,
    /// What it offers.
    pub catalog: Catalog,
}

/// A call that waits for a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The call.
    pub wanted: Wanted,
    /// Its entry.
    pub entry: u64,
    /// Whether keys answer it, or still go to the input.
    pub focused: bool,
    /// Before this, keys still go to the input.
    pub armed: Duration,
}

/// One chat: its own history, model and approvals.
#[derive(Debug)]
pub struct Chat {
    /// Never used twice.
    pub id: u64,
    /// What the person calls it.
    pub name: String,
    /// What was said.
    pub entries: Vec<Entry>,
    /// What is being typed.
    pub input: Editor,
    /// Messages that wait for the answer to end.
    pub queue: VecDeque<String>,
    /// The turn that is running.
    pub running: Option<Running>,
    /// The call that waits for a person.
    pub pending: Option<Pending>,
    /// What may go ahead in this chat: server and definition.
    pub approved: HashSet<(String, String)>,
    /// The model, or the server's default.
    pub model: Option<String>,
}

/// What lies over the chat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The keys.
    Help,
}

/// Everything.
#[derive(Debug)]
pub struct App {
    /// The servers, the chat's own first.
    pub servers: Vec<Server>,
    /// The chats.
    pub chats: Vec<Chat>,
    /// Which chat is on screen.
    pub current: usize,
    /// What lies over it.
    pub overlay: Overlay,
    /// The app's clock; set before each event.
    pub now: Duration,
    /// Set when the person asked to leave.
    pub quitting: bool,
    chat_tool: String,
    system: Option<String>,
    rounds: u32,
    ids: u64,
}

impl App {
    /// The app at its start.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let servers = config.servers.iter().map(|s| Server {
            name: s.name.clone(),
            place: match &s.endpoint {
                Endpoint::Http(url) | Endpoint::Sse(url) => url.clone(),
                Endpoint::Stdio { command, .. } => command.clone(),
            },
            has_key: s.key.is_some(),
            approve: s.approve,
            connection: Connection::Connecting,
            catalog: Catalog::default(),
        });
        let mut app = Self {
            servers: servers.collect(),
            chats: Vec::new(),
            current: 0,
            overlay: Overlay::None,
            now: Duration::ZERO,
            quitting: false,
            chat_tool: config.chat_tool.clone(),
            system: config.system.clone(),
            rounds: config.limits.rounds,
            ids: 0,
        };
        app.add_chat(config.model.clone());
        app
    }

    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn add_chat(&mut self, model: Option<String>) {
        let id = self.id();
        self.chats.push(Chat {
            id,
            name: format!("chat {}", self.chats.len() + 1),
            entries: Vec::new(),
            input: Editor::default(),
            queue: VecDeque::new(),
            running: None,
            pending: None,
            approved: HashSet::new(),
            model,
        });
        self.current = self.chats.len() - 1;
    }

    /// The chat on screen.
    #[must_use]
    pub fn chat(&self) -> &Chat {
        // `current` always points at a chat: `new` makes the first, and none is ever removed below one.
        &self.chats[self.current]
    }

    fn chat_mut(&mut self) -> &mut Chat {
        &mut self.chats[self.current]
    }

    /// Whether something is running that shows time.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.chats.iter().any(|c| c.running.is_some())
            || self.servers.iter().any(|s| {
                matches!(
                    s.connection,
                    Connection::Connecting | Connection::Down(_, Some(_))
                )
            })
    }

    /// The server that chats: the first that has the chat tool.
    #[must_use]
    pub fn chat_server(&self) -> Option<usize> {
        self.servers
            .iter()
            .position(|s| s.catalog.tool(&self.chat_tool).is_some())
    }

    fn push(&mut self, chat: usize, body: Body) -> u64 {
        let id = self.id();
        let entries = &mut self.chats[chat].entries;
        if entries.len() >= MAX_ENTRIES {
            entries.remove(0);
        }
        entries.push(Entry { id, rev: 0, body });
        id
    }

    /// Applies one event.
    pub fn update(&mut self, event: Event) -> Vec<Command> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            Event::Paste(text) => {
                // Only ever inserted: a pasted line feed must not send anything.
                self.chat_mut().input.insert(&text);
                Vec::new()
            }
            Event::Mouse(mouse) => match mouse.kind {
                MouseEventKind::ScrollUp => vec![Command::Scroll(Scroll::Lines(-3))],
                MouseEventKind::ScrollDown => vec![Command::Scroll(Scroll::Lines(3))],
                _ => Vec::new(),
            },
            Event::Key(_) | Event::Resize | Event::Tick => Vec::new(),
            Event::Link(place, event) => self.link(place, event),
            Event::Agent { chat, turn, event } => self.agent(chat, turn, event),
        }
    }

    fn link(&mut self, place: usize, event: LinkEvent) -> Vec<Command> {
        let now = self.now;
        let Some(server) = self.servers.get_mut(place) else {
            return Vec::new();
        };
        match event {
            LinkEvent::Connecting => server.connection = Connection::Connecting,
            LinkEvent::Down(failure, wait) => {
                server.connection = Connection::Down(failure, wait.map(|w| now + w));
            }
            LinkEvent::Ready(catalog, refused) => {
                server.connection = Connection::Ready;
                server.catalog = *catalog;
                let name = server.name.clone();
                for failure in refused {
                    if failure.kind() != Kind::Forbidden {
                        self.push(
                            self.current,
                            Body::Note(format!("{name} doesn't list everything: {failure}")),
                        );
                    }
                }
            }
        }
        Vec::new()
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Command> {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        if ctrl && key.code == KeyCode::Char('c') {
            return self.ctrl_c();
        }
        if self.overlay != Overlay::None {
            self.overlay = Overlay::None;
            return Vec::new();
        }
        if let Some(commands) = self.pending_key(key) {
            return commands;
        }
        match key.code {
            KeyCode::Esc => return self.stop_current(),
            KeyCode::F(1) => self.overlay = Overlay::Help,
            KeyCode::Char('?') if self.chat().input.is_blank() => self.overlay = Overlay::Help,
            KeyCode::PageUp => return vec![Command::Scroll(Scroll::Pages(-1))],
            KeyCode::PageDown => return vec![Command::Scroll(Scroll::Pages(1))],
            KeyCode::Home if ctrl => return vec![Command::Scroll(Scroll::Top)],
            KeyCode::End if ctrl => return vec![Command::Scroll(Scroll::Bottom)],
            KeyCode::Up if ctrl || alt => return vec![Command::Scroll(Scroll::Lines(-1))],
            KeyCode::Down if ctrl || alt => return vec![Command::Scroll(Scroll::Lines(1))],
            KeyCode::Enter if alt || key.modifiers.contains(KeyModifiers::SHIFT) => {
                self.chat_mut().input.insert("\n");
            }
            KeyCode::Char('j') if ctrl => self.chat_mut().input.insert("\n"),
            KeyCode::Char('d') if ctrl && self.chat().input.text().is_empty() => {
                return self.quit();
            }
            KeyCode::Char('r') if ctrl => return vec![Command::Reconnect],
            KeyCode::Char('t') if ctrl => self.unfold_newest(),
            KeyCode::Enter => return self.submit(),
            _ => self.edit(key, ctrl, alt),
        }
        Vec::new()
    }

    fn edit(&mut self, key: KeyEvent, ctrl: bool, alt: bool) {
        let input = &mut self.chat_mut().input;
        match key.code {
            KeyCode::Char('a') if ctrl => input.to_edge(false),
            KeyCode::Char('e') if ctrl => input.to_edge(true),
            KeyCode::Char('w') if ctrl => input.delete_word(),
            KeyCode::Char('u') if ctrl => input.delete_to_start(),
            KeyCode::Char('b') if alt => input.step_word(false),
            KeyCode::Char('f') if alt => input.step_word(true),
            KeyCode::Char(c) if !ctrl && !alt => input.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace if ctrl || alt => input.delete_word(),
            KeyCode::Backspace => input.delete(false),
            KeyCode::Delete => input.delete(true),
            KeyCode::Left => {
                if ctrl {
                    input.step_word(false);
                } else {
                    input.step(false);
                }
            }
            KeyCode::Right => {
                if ctrl {
                    input.step_word(true);
                } else {
                    input.step(true);
                }
            }
            KeyCode::Up => input.vertical(false),
            KeyCode::Down => input.vertical(true),
            KeyCode::Home => input.to_edge(false),
            KeyCode::End => input.to_edge(true),
            _ => {}
        }
    }

    /// First stops what is running, then clears the input, then leaves.
    fn ctrl_c(&mut self) -> Vec<Command> {
        if self.chat().running.is_some() {
            return self.stop_current();
        }
        if !self.chat().input.text().is_empty() {
            self.chat_mut().input.set("");
            return Vec::new();
        }
        self.quit()
    }

    fn quit(&mut self) -> Vec<Command> {
        self.quitting = true;
        vec![Command::Quit]
    }

    /// Folds or unfolds the newest thinking or tool result.
    fn unfold_newest(&mut self) {
        let chat = self.chat_mut();
        for entry in chat.entries.iter_mut().rev() {
            let unfolded = match &mut entry.body {
                Body::Answer(answer) if !answer.thinking.is_empty() => &mut answer.unfolded,
                Body::Call(card) => &mut card.unfolded,
                _ => continue,
            };
            *unfolded = !*unfolded;
            entry.rev += 1;
            return;
        }
    }

    fn submit(&mut self) -> Vec<Command> {
        if self.chat().input.is_blank() {
            return Vec::new();
        }
        let text = self.chat_mut().input.take();
        let current = self.current;
        if self.chat().running.is_some() {
            if self.chat().queue.len() >= MAX_QUEUED {
                self.push(
                    current,
                    Body::Note(format!(
                        "{MAX_QUEUED} messages are waiting already; this one wasn't taken"
                    )),
                );
                self.chat_mut().input.set(text);
            } else {
                self.chat_mut().queue.push_back(text);
            }
            return Vec::new();
        }
        let mut commands = self.say(current, text);
        commands.push(Command::Scroll(Scroll::Bottom));
        commands
    }
}

#[cfg(test)]
mod tests;
