//! The server's own record: which line did an attack leave? Read from the server's audit file, or
//! from `audit://me`, where a server offers that.

use std::collections::HashSet;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

/// The most that is read of a record for one attack.
const MAX_READ: u64 = 1 << 20;
/// A record may be written a moment after the answer.
const SETTLE: Duration = Duration::from_millis(60);
const TRIES: u32 = 8;
/// Where this project's server shows a caller its own records.
pub(super) const OWN_RECORDS: &str = "audit://me";

/// Where the record is.
#[derive(Debug)]
pub enum Trail {
    /// In no place that can be read.
    None,
    /// In a file that grows.
    File {
        /// Which.
        path: PathBuf,
        /// How far it was read.
        offset: Mutex<u64>,
    },
    /// In a resource of the server; holds what was seen already.
    Resource(Mutex<HashSet<String>>),
}

impl Trail {
    /// A file's lines, from its present end on.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        let offset = std::fs::metadata(&path).map_or(0, |file| file.len());
        Self::File {
            path,
            offset: Mutex::new(offset),
        }
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The lines that were written since the last time. `read` gets the text of the resource.
    pub(super) async fn new_lines(&self, read: impl AsyncFnOnce() -> String) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::File { path, offset } => {
                for _ in 0..TRIES {
                    tokio::time::sleep(SETTLE).await;
                    let lines = read_on(path, offset);
                    if !lines.is_empty() {
                        // The rest of the same burst.
                        tokio::time::sleep(SETTLE).await;
                        return [lines, read_on(path, offset)].concat();
                    }
                }
                Vec::new()
            }
            Self::Resource(seen) => {
                let lines = records(&read().await);
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let fresh = lines
                    .iter()
                    .filter(|line| !seen.contains(*line))
                    .cloned()
                    .collect();
                // What it remembers is bounded by what the server shows at once.
                *seen = lines.into_iter().collect();
                fresh
            }
        }
    }
}

/// Only whole lines are taken; the rest is read the next time.
fn read_on(path: &PathBuf, offset: &Mutex<u64>) -> Vec<String> {
    let mut offset = offset.lock().unwrap_or_else(PoisonError::into_inner);
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        file.seek(SeekFrom::Start(*offset))?;
        let mut bytes = Vec::new();
        file.take(MAX_READ).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let Ok(bytes) = read() else { return Vec::new() };
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        return Vec::new();
    };
    *offset += end as u64 + 1;
    String::from_utf8_lossy(&bytes[..end])
        .lines()
        .map(str::to_owned)
        .collect()
}

/// The records in a resource's text: a JSON array, an object that holds one, or a line for each.
fn records(text: &str) -> Vec<String> {
    let array = match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(records)) => records,
        Ok(Value::Object(fields)) => fields
            .into_iter()
            .find_map(|(_, value)| match value {
                Value::Array(records) => Some(records),
                _ => None,
            })
            .unwrap_or_default(),
        _ => return text.lines().map(str::to_owned).collect(),
    };
    array.iter().map(Value::to_string).collect()
}

/// The line that tells most of an attack: a refusal, or else the last one.
#[must_use]
pub fn refusal_or_last(lines: &[String]) -> Option<&String> {
    let is_refusal = |line: &&String| {
        serde_json::from_str::<Value>(line)
            .ok()
            .and_then(|record| {
                record["outcome"]
                    .as_str()
                    .map(|outcome| outcome != "SUCCESS")
            })
            .unwrap_or(false)
    };
    lines.iter().rev().find(is_refusal).or_else(|| lines.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_in_whole_lines_from_where_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "old\n").unwrap();
        let Trail::File { path, offset } = Trail::file(path) else {
            panic!()
        };
        std::fs::write(&path, "old\nnew\nhal").unwrap();
        assert_eq!(read_on(&path, &offset), ["new"]);
        std::fs::write(&path, "old\nnew\nhalf\n").unwrap();
        assert_eq!(read_on(&path, &offset), ["half"]);
    }

    #[tokio::test]
    async fn of_a_resource_only_the_new_records_are_news() {
        let trail = Trail::Resource(Mutex::default());
        let news = async |text: &str| trail.new_lines(async || text.to_owned()).await;
        assert_eq!(news("[1,2]").await, ["1", "2"]);
        assert_eq!(news("[2,3]").await, ["3"]);
        assert!(news("[2,3]").await.is_empty());
        let nowhere = Trail::None.new_lines(async || "[1]".to_owned());
        assert!(nowhere.await.is_empty());
    }

    #[test]
    fn the_refusal_is_what_is_shown() {
        let lines = [r#"{"outcome":"FORBIDDEN"}"#, r#"{"outcome":"SUCCESS"}"#].map(str::to_owned);
        assert_eq!(refusal_or_last(&lines), Some(&lines[0]));
        assert_eq!(refusal_or_last(&lines[1..]), Some(&lines[1]));
        assert_eq!(refusal_or_last(&[]), None);
    }

    #[test]
    fn records_are_found_in_each_shape() {
        for text in [
            r#"[{"a":1},{"b":2}]"#,
            r#"{"records":[{"a":1},{"b":2}]}"#,
            "{\"a\":1}\n{\"b\":2}",
        ] {
            assert_eq!(records(text), [r#"{"a":1}"#, r#"{"b":2}"#], "{text}");
        }
    }
}
