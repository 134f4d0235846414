//! A record of every JSON-RPC message in both directions, bounded and without secrets.
//!
//! This is what the wire pane, `mcp-client trace` and the JSONL file show. It is filled where the bytes
//! pass (HTTP in `http.rs`, child processes in `tap.rs`), so it shows what was really sent.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use tokio::sync::Notify;

use crate::secret::Secret;

mod entry;
pub mod explain;
pub mod record;

pub use entry::{Direction, Entry, HttpPart, Kind, safe_headers};

/// Entries kept: about an hour of busy chatting. Older ones fall out at the front.
const MAX_ENTRIES: usize = 8192;
/// Bytes of message text kept over all entries.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Bytes kept of one message.
const MAX_BODY: usize = 256 * 1024;
/// Requests remembered while they wait for their response.
const MAX_PENDING: usize = 1024;

/// Just enough of a message to file it, without building the whole tree.
#[derive(Deserialize)]
struct Peek {
    method: Option<String>,
    params: Option<PeekParams>,
    id: Option<Value>,
    error: Option<serde::de::IgnoredAny>,
}

/// What a request is about: a tool's or prompt's name, or a URI.
#[derive(Deserialize)]
struct PeekParams {
    name: Option<Value>,
    uri: Option<Value>,
}

impl PeekParams {
    fn target(self) -> Option<String> {
        let value = self.name.or(self.uri)?;
        Some(crate::untrusted::label(value.as_str()?, 60))
    }
}

struct Waiting {
    target: Option<String>,
    seq: u64,
    at: Duration,
    method: Arc<str>,
}

#[derive(Default)]
struct Inner {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    next: u64,
    waiting: HashMap<(Arc<str>, Direction, String), Waiting>,
    secrets: Vec<Secret>,
}

/// The shared log. Cloning shares it.
#[derive(Clone)]
pub struct WireLog {
    inner: Arc<Mutex<Inner>>,
    grown: Arc<Notify>,
    began: Instant,
}

impl Default for WireLog {
    fn default() -> Self {
        Self {
            inner: Arc::default(),
            grown: Arc::default(),
            began: Instant::now(),
        }
    }
}

impl std::fmt::Debug for WireLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireLog")
            .field("entries", &self.lock().entries.len())
            .finish()
    }
}

impl WireLog {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere must not end the record of what led to it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a key whose text must never appear in the log, wherever it turns up.
    pub fn hide(&self, secret: &Secret) {
        let mut inner = self.lock();
        if inner.secrets.len() < 64 && !inner.secrets.contains(secret) {
            inner.secrets.push(secret.clone());
        }
    }

    /// Files one message.
    pub fn record(
        &self,
        server: &Arc<str>,
        direction: Direction,
        body: &str,
        http: Option<HttpPart>,
    ) {
        let at = self.began.elapsed();
        let peek: Option<Peek> = serde_json::from_str(body).ok();
        let mut inner = self.lock();
        let seq = inner.next + 1;
        inner.next = seq;

        let (kind, method, id, mut target) = match peek {
            None => (Kind::Http, None, None, None),
            Some(Peek {
                method: Some(method),
                id,
                params,
                ..
            }) => {
                let kind = if id.is_some() {
                    Kind::Request
                } else {
                    Kind::Notification
                };
                (kind, Some(method), id, params.and_then(PeekParams::target))
            }
            Some(Peek { id, error, .. }) => (
                if error.is_some() {
                    Kind::Error
                } else {
                    Kind::Response
                },
                None,
                id,
                None,
            ),
        };
        let mut method: Option<Arc<str>> = method.map(Arc::from);
        let id = id.map(|id| match id {
            Value::String(s) => s,
            other => other.to_string(),
        });
        let (mut pair, mut took) = (None, None);
        if let Some(id) = &id {
            match kind {
                Kind::Request => {
                    if inner.waiting.len() >= MAX_PENDING {
                        inner.waiting.clear();
                    }
                    let waiting = Waiting {
                        target: target.clone(),
                        seq,
                        at,
                        method: method.clone().unwrap_or_else(|| "?".into()),
                    };
                    inner
                        .waiting
                        .insert((server.clone(), direction, id.clone()), waiting);
                }
                Kind::Response | Kind::Error => {
                    let asked = match direction {
                        Direction::Out => Direction::In,
                        Direction::In => Direction::Out,
                    };
                    if let Some(waiting) =
                        inner.waiting.remove(&(server.clone(), asked, id.clone()))
                    {
                        pair = Some(waiting.seq);
                        took = Some(at.saturating_sub(waiting.at));
                        method = Some(waiting.method);
                        target = waiting.target;
                    }
                }
                Kind::Notification | Kind::Http => {}
            }
        }
        if let Some(asked) = pair {
            inner.link(asked, seq);
        }
        let text = inner.redact(&body[..body.floor_char_boundary(MAX_BODY)]);
        inner.push(Entry {
            seq,
            at,
            unix_ms: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            server: server.clone(),
            direction,
            kind,
            method,
            target,
            id,
            pair,
            took,
            bytes: body.len(),
            body: text,
            http,
        });
        drop(inner);
        self.grown.notify_one();
    }

    /// Resolves when something was filed since the last time.
    pub async fn grown(&self) {
        self.grown.notified().await;
    }

    /// Everything newer than `seq`, oldest first.
    #[must_use]
    pub fn since(&self, seq: u64) -> Vec<Arc<Entry>> {
        let inner = self.lock();
        let start = inner.entries.partition_point(|e| e.seq <= seq);
        inner.entries.range(start..).cloned().collect()
    }

    /// The number of the newest entry.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.lock().next
    }

    /// The whole log as JSON lines.
    #[must_use]
    pub fn to_jsonl(&self) -> String {
        self.since(0)
            .iter()
            .filter_map(|e| serde_json::to_string(&**e).ok())
            .fold(String::new(), |mut all, line| {
                all.push_str(&line);
                all.push('\n');
                all
            })
    }
}

impl Inner {
    fn redact(&self, text: &str) -> Arc<str> {
        let mut out = std::borrow::Cow::Borrowed(text);
        for secret in &self.secrets {
            if out.contains(secret.expose()) {
                out = out.replace(secret.expose(), "…redacted…").into();
            }
        }
        out.into()
    }

    fn link(&mut self, asked: u64, answer: u64) {
        let index = self.entries.partition_point(|e| e.seq < asked);
        if let Some(entry) = self.entries.get_mut(index).filter(|e| e.seq == asked) {
            Arc::make_mut(entry).pair = Some(answer);
        }
    }

    fn push(&mut self, entry: Entry) {
        self.bytes += entry.body.len();
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some(old) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= old.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Arc<str> {
        "local".into()
    }

    #[test]
    fn a_response_is_linked_to_its_request_and_back() {
        let log = WireLog::default();
        log.record(
            &server(),
            Direction::Out,
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#,
            None,
        );
        log.record(
            &server(),
            Direction::In,
            r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#,
            None,
        );
        log.record(
            &server(),
            Direction::In,
            r#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
            None,
        );
        let entries = log.since(0);
        assert_eq!(entries[0].pair, Some(3));
        assert_eq!(entries[2].pair, Some(1));
        assert_eq!(entries[2].method.as_deref(), Some("tools/list"));
        assert!(entries[2].took.is_some());
        assert_eq!(entries[1].kind, Kind::Notification);
    }

    #[test]
    fn the_same_id_on_another_server_is_another_request() {
        let log = WireLog::default();
        log.record(&server(), Direction::Out, r#"{"id":1,"method":"a"}"#, None);
        log.record(
            &"other".into(),
            Direction::In,
            r#"{"id":1,"result":{}}"#,
            None,
        );
        assert_eq!(log.since(0)[1].pair, None);
    }

    #[test]
    fn a_key_never_reaches_the_log_even_inside_a_body() {
        let log = WireLog::default();
        log.hide(&Secret::new("s3cret-key").unwrap());
        log.record(
            &server(),
            Direction::In,
            r#"{"id":1,"result":{"you":"s3cret-key"}}"#,
            None,
        );
        assert!(!log.to_jsonl().contains("s3cret-key"));
    }

    #[test]
    fn the_log_forgets_the_oldest_first_and_stays_within_its_bytes() {
        let log = WireLog::default();
        let big = format!(r#"{{"method":"x","params":"{}"}}"#, "y".repeat(MAX_BODY));
        for _ in 0..80 {
            log.record(&server(), Direction::In, &big, None);
        }
        let entries = log.since(0);
        assert!(entries.iter().map(|e| e.body.len()).sum::<usize>() <= MAX_BYTES);
        assert_eq!(entries.last().unwrap().seq, 80);
        assert!(entries[0].seq > 1);
        assert!(
            entries[0].bytes > entries[0].body.len(),
            "the real size is told although the text was cut"
        );
    }
}
