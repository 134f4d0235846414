//! What came of an attack, and the short ways to say it.

use std::fmt;

use crate::raw::Answer;

/// What came of an attack, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The server held.
    Held(String),
    /// The attack succeeded.
    Broken(String),
    /// It can't be tried on this server, or not with what was given.
    NotApplicable(String),
    /// It was tried, and nothing can be said: neither passed nor failed, so the run doesn't pass.
    Unclear(String),
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Held(_) => "held",
            Self::Broken(_) => "broken",
            Self::NotApplicable(_) => "not applicable",
            Self::Unclear(_) => "unclear",
        }
    }

    /// The evidence for it.
    #[must_use]
    pub fn evidence(&self) -> &str {
        match self {
            Self::Held(text)
            | Self::Broken(text)
            | Self::NotApplicable(text)
            | Self::Unclear(text) => text,
        }
    }

    /// The same with another wording of the evidence.
    #[must_use]
    pub fn map(self, change: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Held(text) => Self::Held(change(&text)),
            Self::Broken(text) => Self::Broken(change(&text)),
            Self::NotApplicable(text) => Self::NotApplicable(change(&text)),
            Self::Unclear(text) => Self::Unclear(change(&text)),
        }
    }
}

/// In evidence an answer stands in brief.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.brief())
    }
}

/// A verdict, or one that was reached early: so `?` ends an attack that can't be tried.
pub type Finding = Result<Verdict, Verdict>;

pub(super) fn held(evidence: impl Into<String>) -> Finding {
    Ok(Verdict::Held(evidence.into()))
}

pub(super) fn broken(evidence: impl Into<String>) -> Finding {
    Ok(Verdict::Broken(evidence.into()))
}

pub(super) fn unclear(evidence: impl Into<String>) -> Finding {
    Ok(Verdict::Unclear(evidence.into()))
}

pub(super) fn not_applicable<T>(why: impl Into<String>) -> Result<T, Verdict> {
    Err(Verdict::NotApplicable(why.into()))
}

/// What was served although it must not be is a break; what was refused held.
pub(super) fn must_be_refused(answer: &Answer) -> Finding {
    if answer.result().is_some() {
        broken(format!("it was served: {answer}"))
    } else if is_throttled(answer) {
        unclear(format!(
            "the server was throttling this caller already; run it alone with --only: {answer}"
        ))
    } else if answer.status >= 500 {
        unclear(format!("the server failed over it: {answer}"))
    } else if answer.status >= 400 || answer.error().is_some() {
        held(answer.brief())
    } else {
        unclear(answer.brief())
    }
}

/// Whether the caller is over its limit, by the status or by the error.
pub(super) fn is_throttled(answer: &Answer) -> bool {
    answer.status == 429 || answer.code() == Some(429)
}
