//! What can go wrong, in two halves: a public one that says what to do next and may be shown to
//! anybody, and an internal one that belongs in a log.

use std::{fmt, time::Duration};

/// Why a provider could not answer.
///
/// [`fmt::Display`] gives the public half. What an engine says when it fails, and addresses other
/// than this machine's own, are only in [`ProviderError::internal`]; what it says against a request
/// ([`ErrorKind::Invalid`]) is quoted in both, cut short, since the caller must mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{public}")]
pub struct ProviderError {
    /// What kind of failure it is, for code that must tell them apart.
    pub kind: ErrorKind,
    /// What happened and what to do about it, for the caller.
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
    /// A timeout passed: connect, first byte or idle.
    TimedOut,
    /// The request itself is wrong.
    Invalid,
    /// The engine failed, or sent something that can't be read.
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

    /// The error for a setting or a request that can't work, found before anything was sent.
    pub fn invalid(public: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::Invalid,
            public,
            "refused before anything was sent",
        )
    }

    /// The half that belongs in a log and nowhere else.
    pub fn internal(&self) -> &str {
        &self.internal
    }
}
