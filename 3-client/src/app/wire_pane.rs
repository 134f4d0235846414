//! The wire pane: every message, filtered, with the one under the cursor explained.

use std::collections::VecDeque;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};

use crate::command::Command;
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
    /// Progress is hidden until asked for: an answer has hundreds.
    pub progress: bool,
    /// The message's text fills the pane.
    pub whole: bool,
    /// Lines of the text that are scrolled away.
    pub scroll: usize,
    /// What the server itself recorded about this caller.
    pub audit: Option<String>,
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
                self.progress
                    || e.method.as_deref() != Some("notifications/progress")
                    || e.kind != Kind::Notification
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
            Some(seq) => self.entries.iter().find(|e| e.seq == seq),
        }
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
            KeyCode::Esc if self.whole || self.audit.is_some() => {
                self.whole = false;
                self.audit = None;
                self.scroll = 0;
            }
            KeyCode::Esc | KeyCode::Char('q') | KeyCode::F(2) => return None,
            KeyCode::Up | KeyCode::Char('k') if self.whole => {
                self.scroll = self.scroll.saturating_sub(1);
            }
            KeyCode::Down | KeyCode::Char('j') if self.whole => self.scroll += 1,
            KeyCode::PageUp if self.whole => self.scroll = self.scroll.saturating_sub(10),
            KeyCode::PageDown if self.whole => self.scroll += 10,
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
            KeyCode::Char('p') => self.progress = !self.progress,
            KeyCode::Char('o') => {
                if let Some(pair) = self.current().and_then(|e| e.pair) {
                    self.selected = Some(pair);
                    self.scroll = 0;
                }
            }
            KeyCode::Char('s') => return Some(vec![Command::SaveWire]),
            KeyCode::Char('u') => return Some(vec![Command::ReadAudit]),
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
}
