//! What the app wants done. It does nothing itself.

use serde_json::{Map, Value};

use crate::agent::{Decision, Turn};
use crate::config::ServerConfig;
use crate::secret::Secret;
use crate::session::Completing;
use crate::session::question::Answer;

/// One thing to do, outside of the app.
#[derive(Debug)]
pub enum Command {
    /// Start a turn of a chat.
    Start {
        /// Which chat.
        chat: u64,
        /// Which turn.
        turn: u64,
        /// What to ask.
        ask: Box<Turn>,
    },
    /// Pass a decision on to a turn.
    Decide {
        /// Which turn.
        turn: u64,
        /// Which call of it.
        number: u32,
        /// What was decided.
        decision: Decision,
    },
    /// Stop a turn; the server is told.
    Stop {
        /// Which turn.
        turn: u64,
    },
    /// Connect again now: to one server, or to all.
    Reconnect(Option<usize>),
    /// Use this key with a server from now on.
    SignIn {
        /// The server's place.
        server: usize,
        /// The key.
        key: Secret,
    },
    /// Connect to one more server. Its place is the next.
    AddServer(Box<ServerConfig>),
    /// Move through the transcript.
    Scroll(Scroll),
    /// Call a tool by hand.
    Call {
        /// The server's place.
        server: usize,
        /// The tool.
        tool: String,
        /// Its arguments.
        arguments: Map<String, Value>,
    },
    /// Read a resource.
    Read {
        /// The server's place.
        server: usize,
        /// The URI.
        uri: String,
        /// Whether it goes into the message.
        attach: bool,
    },
    /// Fill in a prompt.
    Prompt {
        /// The server's place.
        server: usize,
        /// The prompt.
        prompt: String,
        /// Its arguments.
        arguments: Map<String, Value>,
    },
    /// Ask the server how an argument might go on.
    Complete {
        /// The server's place.
        server: usize,
        /// What the argument belongs to.
        of: Completing,
        /// The argument.
        argument: String,
        /// What was typed.
        typed: String,
    },
    /// Answer a server's question.
    Answer {
        /// Which question.
        number: u64,
        /// What the person said.
        answer: Answer,
    },
    /// Look for text in the transcript.
    Find {
        /// The text.
        needle: String,
        /// Where to go on.
        step: Find,
    },
    /// Write the wire log to a file.
    SaveWire,
    /// Put text on the clipboard, by the terminal.
    Copy(String),
    /// Open the text in `$EDITOR`.
    Editor(String),
    /// Write a file into the working directory.
    Export {
        /// The chat's name.
        name: String,
        /// The file's ending.
        extension: &'static str,
        /// What to write.
        text: String,
    },
    /// Read a saved chat.
    Open(String),
    /// Stop until the shell says `fg`.
    Suspend,
    /// Leave.
    Quit,
}

/// Where to look for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// From the end backwards.
    Newest,
    /// Before what was found last.
    Older,
    /// After what was found last.
    Newer,
}

/// How to move through the transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scroll {
    /// Lines; up is negative.
    Lines(i32),
    /// Screens; up is negative.
    Pages(i32),
    /// To the first line.
    Top,
    /// To the last line, and stay there.
    Bottom,
}
