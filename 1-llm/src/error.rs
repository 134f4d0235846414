//! What can go wrong, in two halves: a public one that says what to do next and may be shown to
//! anybody, and an internal one that belongs in a log.

use std::{fmt, time::Duration};

/// Why a provider could not answer.
///
/// [`fmt::Display`] gives the public half. What an engine says when it fails, and addresses other
/// than this machine's own, are only in [`ProviderError::internal`]; what it says against a request
/// ([`ErrorKind::Invalid`]) is quoted in both, cut short, since whoever asked must mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{public}")]
pub struct ProviderError {
    /// What kind of failure it is, for code that must tell them apart.
    pub kind: ErrorKind,
    /// What happened and what to do about it, for whoever asked.
    pub public: String,
    /// What exactly happened, for the log.
    pub internal: String,
}

/// The kinds of failure that a caller may want to treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing answers at the engine's address.
    Unreachable,
    /// The engine doesn't have that model.
    ModelNotFound,
    /// The engine, or the queue in front of it, is full.
    Busy {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// The answer was cut off before its end.
    Truncated,
    /// The conversation no longer fits into the model's context.
    ContextFull,
    /// The model can't do what was asked (tools, thinking, images).
    Unsupported,
    /// The engine wants a credential.
    Unauthorized,
    /// A time-out passed: connect, first byte or idle.
    TimedOut,
    /// The request itself is wrong.
    Invalid,
    /// The engine failed.
    Engine,
}

impl ProviderError {
    /// An error with its two halves.
    pub fn new(kind: ErrorKind, public: impl Into<String>, internal: impl fmt::Display) -> Self {
        Self {
            kind,
            public: public.into(),
            internal: internal.to_string(),
        }
    }

    /// The half that belongs in a log and nowhere else.
    pub fn internal(&self) -> &str {
        &self.internal
    }
}

/// What came from outside, made fit for one line of a message: cut short, and without the control
/// characters that could forge a log line or drive a terminal.
pub(crate) fn excerpt(raw: &[u8], most: usize) -> String {
    // A character takes at most 4 bytes: nothing past that can be shown, so it isn't even decoded.
    let head = &raw[..raw.len().min(most.saturating_mul(4))];
    let text = String::from_utf8_lossy(head);
    let mut shown: String = text
        .trim()
        .chars()
        .take(most)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if shown.len() < raw.trim_ascii().len() && text.trim().chars().count() > most
        || head.len() < raw.len()
    {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line_whatever_came() {
        assert_eq!(excerpt(b"plain", 20), "plain");
        assert_eq!(excerpt(b"a\nb\x1b[31m\0", 20), "a b [31m ");
        assert_eq!(excerpt("åäö".repeat(100).as_bytes(), 3), "åäö…");
        assert_eq!(excerpt(&[0xff, 0xfe, b'x'], 20), "\u{fffd}\u{fffd}x");
        assert_eq!(excerpt(&vec![b'x'; 100_000_000], 4), "xxxx…");
    }
}
