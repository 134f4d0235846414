//! One record is one line of JSON, whatever the caller put into it.

use std::{
    fmt::Write as _,
    net::IpAddr,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use super::super::{
    call::Facts,
    denial::{Denial, DenialKind},
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

/// A request that ended before the pipeline could see it.
#[derive(Debug, Clone, Copy)]
pub struct EdgeRefusal<'a> {
    /// Who, as far as it is known.
    pub identity: &'a str,
    /// `http`, `sse` or `stdio`.
    pub transport: &'static str,
    /// What was asked, as far as it is known, such as `POST /mcp`.
    pub method: &'a str,
    /// Why it was refused; empty where it wasn't.
    pub reason: &'a str,
    /// What it counts as.
    pub outcome: Outcome,
    /// How long it took to refuse.
    pub took: Duration,
}

impl EdgeRefusal<'_> {
    /// The label of a peer that hasn't signed in.
    pub fn peer(address: Option<IpAddr>) -> String {
        address.map_or_else(|| "stdio".to_owned(), |address| format!("ip:{address}"))
    }
}

/// How many scopes a record names. A call that needs more is refused.
const MAX_SCOPES: usize = 32;

/// Renders the record of a call, without a line end.
pub(super) fn render(facts: &Facts, outcome: Outcome, denial: Option<&Denial>) -> String {
    let mut line = Line::begin(facts.time);
    line.number_id("request_id", facts.id());
    if let Some(id) = &facts.rpc_id {
        line.text("rpc_id", super::super::call::cut(&id.to_string(), 64));
    }
    line.text(
        "identity",
        facts
            .principal()
            .map_or("none", |principal| principal.label()),
    );
    if let Ok(Some(name)) = facts.principal().map(|principal| principal.name()) {
        line.text("name", name);
    }
    if let Some(client) = &facts.client {
        line.text("client", client);
    }
    line.text("transport", facts.transport);
    line.text("protocol", facts.protocol);
    line.text("method", facts.method());
    if let Some(target) = facts.target() {
        line.text("target", target);
    }
    line.text("outcome", outcome.as_str());
    if let Some(denial) = denial {
        line.text("denial", super::super::call::cut(&denial.reason, 512));
    }
    line.list(
        "scopes",
        facts
            .requires()
            .iter()
            .take(MAX_SCOPES)
            .map(|scope| scope.as_str()),
    );
    line.list("arguments", facts.argument_names.iter().map(AsRef::as_ref));
    if let Some(left) = facts.budget_left() {
        line.number("budget_left", left.into());
    }
    line.millis("duration_ms", facts.started.elapsed());
    if let Some(parent) = &facts.parent {
        line.text("parent_id", parent);
    }
    line.0
}

/// Renders the record of a request that never reached the pipeline.
pub(super) fn render_edge(refusal: &EdgeRefusal<'_>) -> String {
    let mut line = Line::begin(SystemTime::now());
    line.text("identity", refusal.identity);
    line.text("transport", refusal.transport);
    line.text("method", refusal.method);
    line.text("outcome", refusal.outcome.as_str());
    if !refusal.reason.is_empty() {
        line.text("denial", refusal.reason);
    }
    line.millis("duration_ms", refusal.took);
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
pub(crate) fn id_in_record(number: u64) -> String {
    format!("{}-{number}", boot())
}

/// Tells the calls of this process from those of the one before.
fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let mut bytes = [0; 4];
        // Without randomness the numbers are still in order, only no longer unique across starts.
        let _ = getrandom::fill(&mut bytes);
        super::super::hex::hex(&bytes)
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

/// What could break a line, move the cursor, or reorder or hide what a person reads.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
