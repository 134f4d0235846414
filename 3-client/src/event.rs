//! What can happen to the app. Everything comes in through here, so that a test can play it.

use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};

use crate::agent::AgentEvent;
use crate::app::{Consent, conversation::Body};
use crate::failure::Failure;
use crate::link::LinkEvent;
use crate::session::question::Question;
use crate::session::{PromptText, ToolResult};
use crate::wire::Entry;

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    /// A key.
    Key(KeyEvent),
    /// Pasted text: inserted, never sent.
    Paste(String),
    /// The wheel.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resize,
    /// Time passed while something is running.
    Tick,
    /// A connection changed.
    Link(usize, LinkEvent),
    /// Something happened in a turn.
    Agent {
        /// Which chat.
        chat: u64,
        /// Which turn; what a stopped turn still sends is ignored.
        turn: u64,
        /// What.
        event: AgentEvent,
    },
    /// A person wants the chat summed up.
    Compact,
    /// What a person said to the call that waits, where nothing can be typed by accident.
    Decide(Consent),
    /// Messages were filed while the wire pane is open.
    Wire(Vec<Arc<Entry>>),
    /// Something to say.
    Note(String),
    /// Something that was asked for by hand didn't work.
    Failed(Failure),
    /// A tool that was called by hand is done.
    Ran {
        /// Its name.
        tool: String,
        /// What it gave.
        result: ToolResult,
    },
    /// A resource was read.
    Read {
        /// The server's place.
        server: usize,
        /// Its URI.
        uri: String,
        /// Its text.
        text: String,
        /// Whether it goes into the message.
        attach: bool,
    },
    /// A prompt was filled in.
    Prompt(PromptText),
    /// Values that the server proposes for an argument.
    Proposals {
        /// The argument.
        argument: String,
        /// The values.
        values: Vec<String>,
    },
    /// A resource that is on screen, as it is now.
    Shown {
        /// The server's place.
        server: usize,
        /// Its URI.
        uri: String,
        /// Its text, or why it can't be read.
        read: Result<String, Failure>,
    },
    /// A server asks the person something.
    Asked {
        /// The question's number.
        number: u64,
        /// What is asked.
        question: Question,
    },
    /// A server no longer waits for an answer.
    Withdrawn(u64),
    /// The editor was left with this text.
    Edited(String),
    /// A saved chat was read.
    Opened {
        /// Its key.
        key: String,
        /// Its name.
        name: String,
        /// Its model.
        model: Option<String>,
        /// What was said.
        bodies: Vec<Body>,
    },
}
