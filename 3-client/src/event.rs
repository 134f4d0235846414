//! What can happen to the app. Everything comes in through here, so that a test can play it.

use crossterm::event::{KeyEvent, MouseEvent};

use crate::agent::AgentEvent;
use crate::link::LinkEvent;

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
}
