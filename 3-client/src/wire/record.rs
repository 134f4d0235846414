//! The server's own record of this caller (`audit://me`), and which of its lines is about which
//! message.
//!
//! A line names the JSON-RPC id, the method and the target of its request. That isn't enough: ids begin
//! anew with each connection, and another client with the same key may use the same ones. So the time
//! decides as well: of the lines that fit, the nearest to the request's own time, and none that is
//! further off than `MOST_APART`. Clocks that disagree by more leave messages without a line, which
//! is said, instead of pairing them with somebody else's.

use std::time::Duration;

use serde::Deserialize;

use super::{Direction, Entry, Kind};
use crate::untrusted::label;

/// Where a server of this project keeps it.
pub const URI: &str = "audit://me";
/// How far a line's time may be from the request's.
const MOST_APART: Duration = Duration::from_secs(5);
/// Lines that are read; the server keeps a hundred.
const MAX_RECORDS: usize = 1000;

/// One line of the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// When the request arrived, in milliseconds since 1970, by the server's clock.
    pub unix_ms: u64,
    /// The same, as the server wrote it.
    pub at: String,
    /// The server's name for the request.
    pub request: String,
    /// The request that it was made inside of.
    pub parent: Option<String>,
    /// The JSON-RPC id.
    pub id: Option<String>,
    /// Whom the server takes the caller for.
    pub identity: String,
    /// The identity's name, when it has one.
    pub name: Option<String>,
    /// What was asked.
    pub method: String,
    /// Of what.
    pub target: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// Why it was refused.
    pub denial: Option<String>,
    /// What it took.
    pub scopes: Vec<String>,
    /// Calls that the caller could still make at once.
    pub budget: Option<u64>,
    /// How long it took the server.
    pub took_ms: Option<f64>,
}

#[derive(Deserialize)]
struct File {
    records: Vec<Line>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    ts: String,
    request_id: String,
    parent_id: Option<String>,
    rpc_id: Option<String>,
    identity: String,
    name: Option<String>,
    method: String,
    target: Option<String>,
    outcome: String,
    denial: Option<String>,
    scopes: Vec<String>,
    budget_left: Option<u64>,
    duration_ms: Option<f64>,
}

/// Reads the record. `None` when it isn't one.
#[must_use]
pub fn read(text: &str) -> Option<Vec<Record>> {
    let file: File = serde_json::from_str(text).ok()?;
    let newest = file.records.len().saturating_sub(MAX_RECORDS);
    Some(file.records.into_iter().skip(newest).map(record).collect())
}

fn record(line: Line) -> Record {
    let short = |text: Option<String>, most| text.map(|text| label(&text, most));
    let when = chrono::DateTime::parse_from_rfc3339(&line.ts).ok();
    Record {
        unix_ms: when.map_or(0, |at| u64::try_from(at.timestamp_millis()).unwrap_or(0)),
        at: label(&line.ts, 30),
        request: label(&line.request_id, 40),
        parent: short(line.parent_id, 40),
        id: line.rpc_id,
        identity: label(&line.identity, 60),
        name: short(line.name, 60),
        method: label(&line.method, 60),
        target: short(line.target, 200),
        outcome: label(&line.outcome, 20),
        denial: short(line.denial, 512),
        scopes: line.scopes.iter().take(32).map(|s| label(s, 120)).collect(),
        budget: line.budget_left,
        took_ms: line.duration_ms,
    }
}

/// The line about a request that this client sent.
#[must_use]
pub fn about<'a>(asked: &Entry, records: &'a [Record]) -> Option<&'a Record> {
    if asked.direction != Direction::Out || asked.kind != Kind::Request {
        return None;
    }
    let apart = |record: &Record| Duration::from_millis(record.unix_ms.abs_diff(asked.unix_ms));
    records
        .iter()
        .filter(|r| r.id.is_some() && r.id == asked.id)
        .filter(|r| Some(r.method.as_str()) == asked.method.as_deref())
        // The entry's target was cut to its first sixty characters.
        .filter(|r| asked.target.as_deref() == r.target.as_deref().map(|t| label(t, 60)).as_deref())
        .min_by_key(|r| apart(r))
        .filter(|r| apart(r) <= MOST_APART)
}

impl Record {
    /// Who, with which right, how it ended, and what is left: the line in words.
    #[must_use]
    pub fn words(&self) -> String {
        let who = match &self.name {
            Some(name) => format!("{} ({name})", self.identity),
            None => self.identity.clone(),
        };
        let scopes = if self.scopes.is_empty() {
            "takes no scope".to_owned()
        } else {
            format!("takes {}", self.scopes.join(" "))
        };
        let mut words = format!("{} · {who} · {scopes}", self.outcome);
        if let Some(left) = self.budget {
            words.push_str(&format!(" · {left} calls left"));
        }
        if let Some(took) = self.took_ms {
            words.push_str(&format!(" · {took:.1} ms"));
        }
        if let Some(denial) = &self.denial {
            words.push_str(&format!("\n{denial}"));
        }
        words
    }

    /// Time, method and target, for a list.
    #[must_use]
    pub fn headline(&self) -> String {
        let target = self.target.as_deref().unwrap_or_default();
        let time = self.at.get(11..23).unwrap_or(&self.at);
        let id = self.id.as_deref().map(|id| format!(" #{}", label(id, 12)));
        format!("{time} {} {target}{}", self.method, id.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::WireLog;

    /// A call of `echo` with id 3, and when it was sent.
    fn asked() -> Entry {
        let log = WireLog::default();
        let call = json!({"id": 3, "method": "tools/call", "params": {"name": "echo"}});
        log.record(&"s".into(), Direction::Out, &call.to_string(), None);
        Entry::clone(&log.since(0)[0])
    }

    fn line(at_ms: u64, id: &str, target: &str, outcome: &str) -> serde_json::Value {
        let at = chrono::DateTime::from_timestamp_millis(i64::try_from(at_ms).unwrap()).unwrap();
        json!({"ts": at.to_rfc3339(), "request_id": "a-1", "rpc_id": id, "identity": "key:abc", "method": "tools/call", "target": target, "outcome": outcome, "scopes": ["tools:util:echo"], "budget_left": 7, "duration_ms": 0.25})
    }

    fn records(lines: &[serde_json::Value]) -> Vec<Record> {
        read(&json!({ "records": lines }).to_string()).unwrap()
    }

    #[test]
    fn a_line_is_about_the_request_with_its_id_method_and_target_at_its_time() {
        let asked = asked();
        let now = asked.unix_ms;
        let all = records(&[
            line(now - 4000, "3", "echo", "FORBIDDEN"),
            line(now + 2, "4", "echo", "ERROR"),
            line(now + 2, "3", "weather-get", "ERROR"),
            line(now + 3, "3", "echo", "SUCCESS"),
        ]);
        assert_eq!(about(&asked, &all).unwrap().outcome, "SUCCESS");
        assert_eq!(
            about(&asked, &all).unwrap().words(),
            "SUCCESS · key:abc · takes tools:util:echo · 7 calls left · 0.2 ms"
        );
    }

    #[test]
    fn the_same_id_of_an_earlier_connection_is_another_request() {
        let asked = asked();
        let all = records(&[line(asked.unix_ms - 6000, "3", "echo", "SUCCESS")]);
        assert_eq!(about(&asked, &all), None);
    }

    #[test]
    fn what_is_no_record_is_not_taken_for_one() {
        assert_eq!(read("hello"), None);
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"records": []}"#), Some(Vec::new()));
    }
}
