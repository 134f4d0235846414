//! The app's state, and how each event changes it. No I/O happens here: what has to be done outside
//! is handed back as [`Command`]s, so that a whole session can be played in a test.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEventKind};

use crate::agent::{AgentEvent, Decision, Source, Target, Turn, Wanted, offers};
use crate::chat::Ask;
use crate::command::{Command, Find, Scroll};
use crate::config::{Config, Limits};
use crate::editor::Editor;
use crate::event::Event;
use crate::failure::{Failure, Kind};
use crate::tap::ProgressKind;

mod approvals;
mod changes;
mod compact;
pub mod conversation;
pub mod export;
pub mod form;
mod form_keys;
mod keys;
mod links;
pub mod overlays;
pub mod picker;
pub mod pins;
mod questions;
mod reading;
mod servers;
mod state;
mod turns;
pub mod watched;
pub mod wire_pane;

pub use approvals::Consent;
use conversation::{Body, Entry, Trouble};
pub use overlays::Overlay;
use overlays::Text;
use picker::{Kind as Pick, Named, Picker};
use pins::Pins;
use questions::Waiting;
pub use reading::Reading;
pub use servers::Act;
pub use state::{Chat, Connection, Pending, SavedChat, Server};
pub use turns::{Phase, Running};
use wire_pane::WirePane;

/// Messages that may wait while an answer is being written.
const MAX_QUEUED: usize = 20;
/// A form that appears under somebody's fingers must not take what they were typing.
const TYPING_GUARD: Duration = Duration::from_millis(400);
/// Entries of one chat in memory.
const MAX_ENTRIES: usize = 20_000;

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
    /// The wire pane.
    pub wire: WirePane,
    /// Chats on disk.
    pub saved: Vec<SavedChat>,
    /// Tool definitions that were seen.
    pub pins: Pins,
    /// Whether the pins' file is behind.
    pub pins_unsaved: bool,
    /// Questions of servers, the oldest first; that one is on screen when nothing else is.
    pub questions: VecDeque<Waiting>,
    /// Makes the names of new chats' files unique to this run.
    pub run: String,
    /// When a message was last typed into.
    typed: Option<Duration>,
    chat_tool: String,
    system: Option<String>,
    limits: Limits,
    ids: u64,
}

impl App {
    /// The app at its start.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut app = Self {
            servers: config.servers.iter().map(Server::new).collect(),
            chats: Vec::new(),
            current: 0,
            overlay: Overlay::None,
            now: Duration::ZERO,
            quitting: false,
            wire: WirePane::default(),
            saved: Vec::new(),
            pins: Pins::default(),
            pins_unsaved: false,
            questions: VecDeque::new(),
            run: String::new(),
            typed: None,
            chat_tool: config.chat_tool.clone(),
            system: config.system.clone(),
            limits: config.limits,
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
            attached: Vec::new(),
            key: format!("{}-{id}", self.run),
            unsaved: false,
            left_out: 0,
            retry_at: None,
        });
        self.current = self.chats.len() - 1;
    }

    /// Gives this run its name, which the chats' files carry.
    pub fn set_run(&mut self, run: &str) {
        run.clone_into(&mut self.run);
        for chat in &mut self.chats {
            chat.key = format!("{run}-{}", chat.id);
        }
    }

    /// Puts a chat from disk on screen.
    pub fn open(&mut self, key: String, name: String, model: Option<String>, bodies: Vec<Body>) {
        let entries: Vec<Entry> = bodies
            .into_iter()
            .map(|body| Entry {
                id: self.id(),
                rev: 0,
                body,
            })
            .collect();
        // An untouched first chat makes room instead of lingering.
        let said = |e: &Entry| matches!(e.body, Body::User { .. });
        let untouched = !self.chat().entries.iter().any(said) && self.chat().input.is_blank();
        if self.chats.len() == 1 && untouched {
            self.chats.clear();
        }
        self.add_chat(model);
        let chat = self.chat_mut();
        (chat.key, chat.name, chat.entries) = (key, name, entries);
    }

    /// Says something that the model isn't told.
    fn note(&mut self, text: String) {
        // Said a thousand times, it would push out what was said before it.
        let last = self.chat().entries.last().map(|e| &e.body);
        if matches!(last, Some(Body::Note(before)) if *before == text) {
            return;
        }
        self.push(self.current, Body::Note(text));
    }

    /// Says something that must not be missed.
    fn warn(&mut self, text: String) {
        let trouble = Trouble {
            kind: Kind::Throttled,
            headline: text,
            advice: None,
        };
        self.push(self.current, Body::Trouble(trouble));
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

    /// Whether a file is behind.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        self.pins_unsaved || self.chats.iter().any(|c| c.unsaved)
    }

    /// Where the shown chat's turn stands: another value at each of its stages, and the same at each of
    /// its words.
    pub(crate) fn stage(&self) -> Option<(u64, Duration)> {
        let running = self.chat().running.as_ref()?;
        Some((running.turn, running.since))
    }

    /// Whether something is running that shows time.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        // A moment longer than the wait, so that its end is drawn as well.
        let counting = |at: Duration| at + Duration::from_secs(1) > self.now;
        self.chats
            .iter()
            .any(|c| c.running.is_some() || c.retry_at.is_some_and(counting))
            || self.servers.iter().any(|s| {
                matches!(
                    s.connection,
                    Connection::Connecting | Connection::Down(_, Some(_))
                )
            })
            // A question waits until nobody types.
            || !self.questions.is_empty()
    }

    /// The server that chats, once it has the chat tool. It is the first of the configuration's and no
    /// other: when it is away, nobody gets the conversation in its place.
    #[must_use]
    pub fn chat_server(&self) -> Option<usize> {
        let own = self.servers.first()?;
        own.catalog.tool(&self.chat_tool).map(|_| 0)
    }

    /// Whether the server that chats may be there in a moment: what is sent now waits for it.
    #[must_use]
    pub fn is_connecting(&self) -> bool {
        let server = self.servers.first();
        server.is_some_and(|s| s.connection == Connection::Connecting)
    }

    fn push(&mut self, chat: usize, body: Body) -> u64 {
        let id = self.id();
        let entries = &mut self.chats[chat].entries;
        if entries.len() >= MAX_ENTRIES {
            entries.remove(0);
        }
        entries.push(Entry { id, rev: 0, body });
        self.chats[chat].unsaved = true;
        id
    }

    /// Applies one event.
    pub fn update(&mut self, event: Event) -> Vec<Command> {
        let commands = self.apply(event);
        // Whatever else closed: a question that waited may be asked now.
        self.ask_next();
        commands
    }

    fn apply(&mut self, event: Event) -> Vec<Command> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            Event::Paste(text) => {
                // Only ever inserted: a pasted line feed must not send anything.
                match &mut self.overlay {
                    Overlay::Fill(form) => {
                        if let Some(field) = form.current() {
                            field.editor.insert(&text);
                        }
                    }
                    Overlay::Pick(picker) => picker
                        .filter
                        .push_str(&crate::untrusted::label(text.trim(), 100)),
                    Overlay::None => {
                        self.typing();
                        self.chat_mut().input.insert(&text);
                    }
                    Overlay::Find(needle) => {
                        needle.push_str(&crate::untrusted::label(text.trim(), 100));
                        return vec![Command::Find {
                            needle: needle.clone(),
                            step: Find::Newest,
                        }];
                    }
                    Overlay::Wire | Overlay::Read(_) => {}
                }
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
            Event::Compact => self.compact(),
            Event::Decide(consent) => self.consent(consent),
            Event::Wire(entries) => {
                self.wire.feed(entries);
                Vec::new()
            }
            Event::Note(text) => {
                self.note(text);
                Vec::new()
            }
            Event::Failed(failure) => {
                self.push(self.current, Body::Trouble(Trouble::from(&failure)));
                Vec::new()
            }
            Event::Ran { tool, result } => {
                let title = format!("{tool}{}", if result.is_error { " failed" } else { "" });
                let structured = result
                    .structured
                    .as_ref()
                    .and_then(|v| serde_json::to_string_pretty(v).ok());
                let text = match structured {
                    Some(json) if json.trim() != result.text.trim() => {
                        format!("{}\n\nstructured content:\n{json}", result.text)
                    }
                    _ => result.text,
                };
                self.overlay = Overlay::Read(Text::new(title, text));
                Vec::new()
            }
            Event::Read {
                server,
                uri,
                text,
                attach,
            } => {
                self.resource_read(server, uri, text, attach);
                Vec::new()
            }
            Event::Shown { server, uri, read } => {
                self.shown(server, &uri, read);
                Vec::new()
            }
            Event::Asked { number, question } => self.asked(number, question),
            Event::Withdrawn(number) => {
                self.withdrawn(number);
                Vec::new()
            }
            Event::Prompt(prompt) => {
                let text: Vec<String> = prompt.messages.into_iter().map(|(_, text)| text).collect();
                self.chat_mut().input.set(text.join("\n\n"));
                Vec::new()
            }
            Event::Proposals { argument, values } => {
                if let Overlay::Fill(form) = &mut self.overlay
                    // They may come when the cursor is in another field already.
                    && form.current().is_some_and(|field| field.name == argument)
                {
                    form.proposals = values;
                }
                Vec::new()
            }
            Event::Edited(text) => {
                self.chat_mut().input.set(text);
                Vec::new()
            }
            Event::Opened {
                key,
                name,
                model,
                bodies,
            } => {
                self.open(key, name, model, bodies);
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests;
