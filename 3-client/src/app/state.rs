//! What there is: servers, chats, and calls that wait.

use std::{
    cell::Cell,
    collections::{HashSet, VecDeque},
    time::Duration,
};

use super::{
    approvals::Consent,
    conversation::{Attachment, Entry},
    pins::{Holding, What},
    reading::Reading,
    turns::Running,
};
use crate::agent::Wanted;
use crate::catalog::Catalog;
use crate::config::{Approve, Endpoint, ServerConfig};
use crate::editor::Editor;
use crate::failure::Failure;

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
    /// How it is reached. Its key isn't kept here.
    pub config: ServerConfig,
    /// Where it is, for the screen.
    pub place: String,
    /// What its pins are kept under: where it is, in full.
    pub address: String,
    /// Whether there is a key for it.
    pub has_key: bool,
    /// Whether that key crosses a network unencrypted, as the configuration allows.
    pub in_the_clear: bool,
    /// What goes ahead without asking.
    pub approve: Approve,
    /// The connection.
    pub connection: Connection,
    /// What it offers.
    pub catalog: Catalog,
    /// What is held back until a person has looked at it.
    pub held: Holding,
    /// Why it isn't there, as it was said last.
    pub(super) down: Option<String>,
    /// What of it was said already.
    pub(super) told: HashSet<What>,
}

impl Server {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self {
            name: config.name.clone(),
            place: match &config.endpoint {
                Endpoint::Http(url) | Endpoint::Sse(url) => url.clone(),
                Endpoint::Stdio { command, .. } => command.clone(),
            },
            address: config.endpoint.address(),
            has_key: config.key.is_some(),
            in_the_clear: config.is_in_the_clear(),
            approve: config.approve,
            connection: Connection::Connecting,
            catalog: Catalog::default(),
            held: Holding::default(),
            down: None,
            told: HashSet::new(),
            config: ServerConfig {
                key: None,
                ..config.clone()
            },
        }
    }
}

/// A call that waits for a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The call.
    pub wanted: Wanted,
    /// Its entry.
    pub entry: u64,
    /// What Enter does.
    pub consent: Consent,
    /// The letter that chose it and when; it is text when more is typed.
    pub(super) letter: Option<(char, Duration)>,
    /// Whether it has the keys although there is a draft in the input.
    pub taken: bool,
    /// Rows of the arguments that are scrolled away.
    pub scroll: usize,
    /// What was on screen so far. The screen notes it as it draws: nobody else knows where rows end.
    pub reading: Cell<Reading>,
}

impl Pending {
    pub(super) fn new(wanted: Wanted, entry: u64) -> Self {
        Self {
            wanted,
            entry,
            consent: Consent::No,
            letter: None,
            taken: false,
            scroll: 0,
            reading: Cell::default(),
        }
    }

    pub(super) fn choose(&mut self, step: usize) {
        self.letter = None;
        self.consent = self.consent.beside(step);
    }
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
    /// Resources that go with the next message.
    pub attached: Vec<Attachment>,
    /// The name of its file.
    pub key: String,
    /// Whether the file is behind.
    pub unsaved: bool,
    /// Older messages that weren't sent with the newest question.
    pub left_out: usize,
    /// Until when the server asked to wait.
    pub retry_at: Option<Duration>,
}

/// A chat that is on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedChat {
    /// Its key: the file's name.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Its first words.
    pub gist: String,
    /// When it was last written, for people.
    pub when: String,
}
