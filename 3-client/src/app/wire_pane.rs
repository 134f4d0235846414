//! The wire pane: every message, filtered, with the one under the cursor explained, and the server's
//! own record of it.

use std::collections::VecDeque;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};

use crate::command::Command;
use crate::wire::record::{self, Record};
use crate::wire::{Entry, Kind};

/// As many as the log itself holds.
const MAX_ENTRIES: usize = 8192;

/// The pane's state.
#[derive(Debug, Default)]
pub struct WirePane {
    /// Messages, oldest first.
    pub entries: VecDeque<Arc<Entry>>,
    /// The message under the cursor; nothing follows the newest.
    pub selected: Option<u64>,
    /// Only messages that contain this.
    pub filter: String,
    /// Keys go to the filter.
    pub filtering: bool,
    /// Progress, and this pane's own reading of the record, are hidden until asked for: an answer has
    /// hundreds of the one, and the other is about nothing but the pane.
    pub all: bool,
    /// The message's text fills the pane.
    pub whole: bool,
    /// Lines of the text that are scrolled away.
    pub scroll: usize,
    /// What the server itself recorded about this caller, oldest first; nothing until it was read.
    pub records: Option<Vec<Record>>,
    /// The server's place whose record that is.
    pub records_of: usize,
    /// Why there is no record.
    pub no_records: Option<String>,
    /// The whole record fills the pane.
    pub listing: bool,
}

impl WirePane {
    /// Takes what was filed since.
    pub fn feed(&mut self, entries: Vec<Arc<Entry>>) {
        // A request is filed before its answer; the newer copy knows its pair.
        for entry in entries {
            if let Some(pair) = entry.pair.filter(|p| *p < entry.seq) {
                let place = self.entries.partition_point(|e| e.seq < pair);
                if let Some(asked) = self.entries.get_mut(place).filter(|e| e.seq == pair) {
                    Arc::make_mut(asked).pair = Some(entry.seq);
                }
            }
            self.entries.push_back(entry);
        }
        while self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
    }

    /// The number of the newest message that is here.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.entries.back().map_or(0, |e| e.seq)
    }

    /// What the filter lets through.
    #[must_use]
    pub fn visible(&self) -> Vec<&Arc<Entry>> {
        let needle = self.filter.to_lowercase();
        self.entries
            .iter()
            .filter(|e| {
                let progress = e.kind == Kind::Notification
                    && e.method.as_deref() == Some("notifications/progress");
                let own = e.target.as_deref() == Some(record::URI);
                self.all || !(progress || own)
            })
            .filter(|e| {
                needle.is_empty()
                    || e.method
                        .as_deref()
                        .is_some_and(|m| m.to_lowercase().contains(&needle))
                    || e.server.to_lowercase().contains(&needle)
                    || e.body.to_lowercase().contains(&needle)
            })
            .collect()
    }

    /// The message under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&Arc<Entry>> {
        match self.selected {
            None => self.visible().last().copied(),
            Some(seq) => self.entry(seq),
        }
    }

    /// The server's line about the message under the cursor, or about the request that it answers.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        record::about(self.asked()?, self.records.as_deref()?)
    }

    /// What was called inside of that, in the caller's name.
    pub fn inside<'a>(&'a self, of: &'a Record) -> impl Iterator<Item = &'a Record> {
        let all = self.records.iter().flatten();
        all.filter(|r| r.parent.as_deref() == Some(of.request.as_str()))
    }

    /// The request that the message under the cursor is, or answers.
    #[must_use]
    pub fn asked(&self) -> Option<&Arc<Entry>> {
        let current = self.current()?;
        match current.kind {
            Kind::Request => Some(current),
            Kind::Response | Kind::Error => self.entry(current.pair?),
            Kind::Notification | Kind::Http => None,
        }
    }

    fn entry(&self, seq: u64) -> Option<&Arc<Entry>> {
        let place = self.entries.partition_point(|e| e.seq < seq);
        self.entries.get(place).filter(|e| e.seq == seq)
    }

    /// Takes the record of a server, as it was read.
    pub fn recorded(&mut self, place: usize, read: Result<String, String>) {
        self.records_of = place;
        (self.records, self.no_records) = match read.map(|text| record::read(&text)) {
            Ok(Some(records)) => (Some(records), None),
            Ok(None) => (None, Some("what it sends is no record".to_owned())),
            Err(why) => (None, Some(why)),
        };
    }

    fn step(&mut self, by: isize) {
        let visible = self.visible();
        let Some(last) = visible.len().checked_sub(1) else {
            return;
        };
        let at = self.selected.map_or(last, |seq| {
            visible.partition_point(|e| e.seq < seq).min(last)
        });
        let to = at.saturating_add_signed(by).min(last);
        // On the newest, the cursor follows again.
        self.selected = (to < last).then(|| visible[to].seq);
        self.scroll = 0;
    }

    /// A key in the pane. `None` closes it.
    pub fn key(&mut self, key: KeyEvent) -> Option<Vec<Command>> {
        if self.filtering {
            match key.code {
                KeyCode::Esc => {
                    self.filter.clear();
                    self.filtering = false;
                }
                KeyCode::Enter => self.filtering = false,
                KeyCode::Backspace => {
                    self.filter.pop();
                }
                KeyCode::Char(c) if self.filter.len() < 200 => self.filter.push(c),
                _ => {}
            }
            return Some(Vec::new());
        }
        match key.code {
            KeyCode::Esc if self.whole || self.listing => {
                self.whole = false;
                self.listing = false;
                self.scroll = 0;
            }
            KeyCode::Esc | KeyCode::Char('q') | KeyCode::F(2) => return None,
            KeyCode::Up | KeyCode::Char('k') if self.whole || self.listing => {
                self.scroll = self.scroll.saturating_sub(1);
            }
            KeyCode::Down | KeyCode::Char('j') if self.whole || self.listing => self.scroll += 1,
            KeyCode::PageUp if self.whole || self.listing => {
                self.scroll = self.scroll.saturating_sub(10);
            }
            KeyCode::PageDown if self.whole || self.listing => self.scroll += 10,
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-10),
            KeyCode::PageDown => self.step(10),
            KeyCode::Home => self.step(isize::MIN),
            KeyCode::End => self.selected = None,
            KeyCode::Enter => {
                self.whole = !self.whole;
                self.scroll = 0;
            }
            KeyCode::Char('/') => self.filtering = true,
            KeyCode::Char('p') => self.all = !self.all,
            KeyCode::Char('o') => {
                if let Some(pair) = self.current().and_then(|e| e.pair) {
                    self.selected = Some(pair);
                    self.scroll = 0;
                }
            }
            KeyCode::Char('s') => return Some(vec![Command::SaveWire]),
            KeyCode::Char('u') => {
                self.listing = !self.listing;
                self.scroll = 0;
            }
            _ => {}
        }
        Some(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Direction, WireLog};

    fn pane() -> WirePane {
        let log = WireLog::default();
        let server = "s".into();
        log.record(
            &server,
            Direction::Out,
            r#"{"id":1,"method":"tools/call"}"#,
            None,
        );
        log.record(
            &server,
            Direction::In,
            r#"{"method":"notifications/progress"}"#,
            None,
        );
        let mut pane = WirePane::default();
        pane.feed(log.since(0));
        log.record(
            &server,
            Direction::In,
            r#"{"id":1,"result":{"text":"needle"}}"#,
            None,
        );
        pane.feed(log.since(pane.newest()));
        pane
    }

    #[test]
    fn progress_is_hidden_until_asked_for() {
        let mut pane = pane();
        assert_eq!(pane.visible().len(), 2);
        pane.key(KeyCode::Char('p').into());
        assert_eq!(pane.visible().len(), 3);
    }

    #[test]
    fn o_jumps_between_a_request_and_its_response() {
        let mut pane = pane();
        assert_eq!(pane.current().unwrap().seq, 3);
        pane.key(KeyCode::Char('o').into());
        assert_eq!(pane.current().unwrap().seq, 1);
        pane.key(KeyCode::Char('o').into());
        assert_eq!(pane.current().unwrap().seq, 3);
    }

    #[test]
    fn the_filter_looks_into_the_messages() {
        let mut pane = pane();
        for key in ['/', 'N', 'e', 'e', 'd'] {
            pane.key(KeyCode::Char(key).into());
        }
        assert_eq!(
            pane.visible().iter().map(|e| e.seq).collect::<Vec<_>>(),
            [3]
        );
    }

    #[test]
    fn the_servers_line_stands_beside_the_request_and_beside_its_answer() {
        let mut pane = pane();
        let asked = pane.entries[0].unix_ms;
        let at = chrono::DateTime::from_timestamp_millis(i64::try_from(asked).unwrap()).unwrap();
        let line = |id: &str, parent: Option<&str>| serde_json::json!({"ts": at.to_rfc3339(), "request_id": format!("r{id}"), "rpc_id": id, "parent_id": parent, "method": "tools/call", "outcome": "SUCCESS"});
        let file = serde_json::json!({"records": [line("1", None), line("9", Some("r1"))]});
        pane.recorded(0, Ok(file.to_string()));
        let of_answer = pane.record().unwrap().clone();
        assert_eq!(of_answer.request, "r1");
        assert_eq!(pane.inside(&of_answer).count(), 1);
        pane.key(KeyCode::Char('o').into());
        assert_eq!(pane.record(), Some(&of_answer));
    }

    #[test]
    fn the_panes_own_reading_of_the_record_is_hidden_with_the_progress() {
        let log = WireLog::default();
        let read = r#"{"id":1,"method":"resources/read","params":{"uri":"audit://me"}}"#;
        log.record(&"s".into(), Direction::Out, read, None);
        log.record(&"s".into(), Direction::In, r#"{"id":1,"result":{}}"#, None);
        let mut pane = WirePane::default();
        pane.feed(log.since(0));
        assert_eq!(pane.visible().len(), 0);
        pane.key(KeyCode::Char('p').into());
        assert_eq!(pane.visible().len(), 2);
    }
}
