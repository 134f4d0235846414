//! What the app wants done. It does nothing itself.

use crate::agent::{Decision, Turn};

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
    /// Connect again now.
    Reconnect,
    /// Move through the transcript.
    Scroll(Scroll),
    /// Leave.
    Quit,
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
