//! What there is: servers, chats, and calls that wait.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::conversation::{Attachment, Entry};
use super::pins::Held;
use super::turns::Running;
use crate::agent::Wanted;
use crate::catalog::Catalog;
use crate::config::Approve;
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
    /// Tools that are held back because their definition changed.
    pub held: Vec<Held>,
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
    /// Lines of the arguments that are scrolled away.
    pub scroll: usize,
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
