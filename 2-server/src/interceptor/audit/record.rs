//! One record is one line of JSON, whatever the caller put into it.

use std::{
    fmt::Write as _,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use crate::interceptor::{
    call::CallInfo,
    denial::{AuditNote, DenialKind},
    identity::principal::{Peer, Principal},
    text::{cut, is_unsafe},
};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The handler answered.
    Success,
    /// The handler failed, or a tool said that it did.
    Error,
    /// No good credential.
    Unauthorized,
    /// A scope or an argument rule.
    Forbidden,
    /// A rate or a number of calls at once.
    Throttled,
    /// It took too long.
    Timeout,
    /// The caller went away.
    Cancelled,
    /// Too large to be read.
    TooLarge,
    /// The transport refused it before it reached the pipeline.
    Rejected,
}

impl Outcome {
    /// The outcome that a refusal gives.
    pub fn of(kind: DenialKind) -> Self {
        match kind {
            DenialKind::Unauthorized => Self::Unauthorized,
            DenialKind::Forbidden => Self::Forbidden,
            DenialKind::Throttled => Self::Throttled,
            DenialKind::TimedOut => Self::Timeout,
            DenialKind::TooLarge => Self::TooLarge,
            DenialKind::Unavailable => Self::Error,
            DenialKind::Malformed => Self::Rejected,
        }
    }

    /// The word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Error => "ERROR",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "FORBIDDEN",
            Self::Throttled => "THROTTLED",
            Self::Timeout => "TIMEOUT",
            Self::Cancelled => "CANCELLED",
            Self::TooLarge => "TOO_LARGE",
            Self::Rejected => "REJECTED",
        }
    }

    /// Whether a flood of it may be coalesced: refusals cost a caller nothing to provoke.
    pub(super) fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Unauthorized
                | Self::Forbidden
                | Self::Throttled
                | Self::TooLarge
                | Self::Rejected
        )
    }
}

/// Everything that is known of a message when it ends. One record is written from it, and every
/// [`Observer`](super::Observer) sees it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its number in this process.
    pub id: u64,
    /// When it came.
    pub time: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// `stdio`, `http` or `sse`.
    pub transport: &'static str,
    /// Where its caller sits.
    pub peer: Peer,
    /// Its caller, if one signed in.
    pub principal: Option<&'a Principal>,
    /// What the pipeline knows of it; `None` where it ended before.
    pub call: Option<&'a CallInfo>,
    /// What was asked, as far as it is known: a method, or `POST /mcp`.
    pub method: &'a str,
    /// What it acts on, such as a tool's name. What was refused before it was read has no more than
    /// its client's word for it, and for its method.
    pub target: Option<&'a str>,
    /// How it ended.
    pub outcome: Outcome,
    /// What the caller was told, where it was refused; empty where it wasn't.
    pub said: &'a str,
    /// What the caller wasn't told.
    pub note: Option<&'a AuditNote>,
    /// How many more calls like this one its caller could make; `None` where nothing was charged.
    pub budget_left: Option<u32>,
    /// The call that made this one.
    pub parent: Option<&'a str>,
}

impl Record<'_> {
    /// The caller's label, or the peer's where nobody signed in.
    pub fn identity(&self) -> Arc<str> {
        match self.principal {
            Some(principal) => Arc::clone(principal.label()),
            None => self.peer.label(),
        }
    }
}

/// How many scopes a record names. A call that needs more is refused.
const MAX_SCOPES: usize = 32;

/// Renders a record, without a line end.
pub(super) fn render(record: &Record<'_>) -> String {
    let mut line = Line::begin(record.time);
    line.number_id("request_id", record.id);
    if let Some(id) = record.call.and_then(CallInfo::rpc_id) {
        line.text("rpc_id", cut(&id.to_string(), 64));
    }
    line.text("identity", &record.identity());
    if let Some(name) = record.principal.and_then(Principal::name) {
        line.text("name", name);
    }
    if let Some(address) = record.peer.address() {
        line.text("address", &address.to_string());
    }
    if let Some(client) = record.call.and_then(CallInfo::client) {
        line.text("client", client);
    }
    line.text("transport", record.transport);
    if let Some(call) = record.call {
        line.text("protocol", call.protocol());
    }
    line.text("method", record.method);
    if let Some(target) = record.target {
        line.text("target", target);
    }
    line.text("outcome", record.outcome.as_str());
    if !record.said.is_empty() {
        line.text("denial", record.said);
    }
    if let Some(note) = record.note {
        line.text("reason", &note.why);
        if let Some((label, name)) = &note.credential {
            line.text("credential", label);
            line.text("credential_name", name);
        }
    }
    if let Some(call) = record.call {
        let scopes = call.requires().iter().take(MAX_SCOPES);
        line.list("scopes", scopes.map(|scope| scope.as_str()));
        line.list("arguments", call.argument_names());
    }
    if let Some(left) = record.budget_left {
        line.number("budget_left", left.into());
    }
    line.millis("duration_ms", record.took);
    if let Some(parent) = record.parent {
        line.text("parent_id", parent);
    }
    line.0
}

/// Renders what a flood was cut down to.
pub(super) fn render_flood(identity: &str, outcome: Outcome, count: u64) -> String {
    let mut line = Line::begin(SystemTime::now());
    line.text("identity", identity);
    line.text("outcome", outcome.as_str());
    line.number("coalesced", count);
    line.0
}

/// Renders the note that records were lost.
pub(super) fn render_lost(count: u64) -> String {
    let mut line = Line::begin(SystemTime::now());
    line.text("outcome", Outcome::Error.as_str());
    line.text(
        "denial",
        "records were lost because the audit sink was too slow or full",
    );
    line.number("lost", count);
    line.0
}

/// A JSON object under construction, open at its end.
struct Line(String);

impl Line {
    fn begin(time: SystemTime) -> Self {
        let mut text = String::with_capacity(384);
        let time: chrono::DateTime<chrono::Utc> = time.into();
        // Writing to a String can't fail, here and below.
        let _ = write!(
            text,
            r#"{{"ts":"{}""#,
            time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
        );
        Self(text)
    }

    fn name(&mut self, name: &str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        push_escaped(&mut self.0, value);
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        let _ = write!(self.0, "{value}");
    }

    fn number_id(&mut self, name: &str, value: u64) {
        self.name(name);
        let _ = write!(self.0, r#""{}-{value}""#, boot());
    }

    fn millis(&mut self, name: &str, value: Duration) {
        self.name(name);
        // Narrow numbers: formatting 128 bits takes many times as long, and 64 last for ages.
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let _ = write!(self.0, "{}.{:03}", micros / 1000, micros % 1000);
    }

    fn list<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>) {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return;
        }
        self.name(name);
        for (index, value) in values.enumerate() {
            self.0.push(if index == 0 { '[' } else { ',' });
            push_escaped(&mut self.0, value);
        }
        self.0.push(']');
    }
}

/// A call's id, unique across starts.
pub fn id_in_record(number: u64) -> String {
    format!("{}-{number}", boot())
}

/// Tells the calls of this process from those of the one before.
fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let mut bytes = [0; 4];
        // Without randomness the numbers are still in order, only no longer unique across starts.
        let _ = getrandom::fill(&mut bytes);
        hex::encode(bytes)
    })
}

/// Writes a JSON string in which nothing can break the line, move the cursor, or reorder what a
/// person reads: control, bidi and zero-width characters are escaped.
fn push_escaped(out: &mut String, text: &str) {
    out.push('"');
    if text.bytes().all(is_plain) {
        // Nearly every text. Taking it whole is much cheaper than looking at each character.
        out.push_str(text);
        out.push('"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if is_unsafe(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_stays_one_line_and_reads_back(text in any::<String>()) {
            let mut out = String::new();
            push_escaped(&mut out, &text);
            prop_assert!(!out.chars().any(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn what_reorders_text_is_escaped() {
        let mut out = String::new();
        push_escaped(&mut out, "a\n\u{1b}[31m\u{202e}b\u{200b}");
        assert_eq!(out, r#""a\u000a\u001b[31m\u202eb\u200b""#);
    }
}
