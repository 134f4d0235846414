//! The last records of each caller, in memory, so that a caller can be shown its own.
//!
//! Only callers who hold the scope for it have theirs kept; for all others a record costs one look
//! at their grants. Everything is bounded: records of one caller, callers, and bytes in all. A
//! caller who floods pushes out its own records first, never its neighbour's.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::record::Record;
use crate::interceptor::{access::scope::Scope, call::CallInfo};

/// Records of one caller.
const MOST_OF_ONE: usize = 100;
/// Callers; beyond it the one who was silent the longest is forgotten.
const MOST_CALLERS: usize = 1024;
/// Bytes of all records together.
const MOST_BYTES: usize = 8 << 20;

/// The last records, by caller.
#[derive(Debug)]
pub(super) struct Recent {
    scope: Scope,
    rings: Mutex<Rings>,
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Rings {
    callers: HashMap<Box<str>, Ring>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Box<str>>,
    bytes: usize,
    last: u64,
    news: u64,
}

impl Recent {
    /// Keeps the records of callers who hold this scope.
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            rings: Mutex::default(),
            news: watch::Sender::new(()),
        }
    }

    /// Whether this caller's records are kept. What the caller isn't told stays out.
    pub(super) fn wants(&self, record: &Record<'_>) -> bool {
        record
            .principal
            .is_some_and(|principal| record.note.is_none() && principal.grants().reach(&self.scope))
    }

    /// Keeps a record. `line` is open at its end, as the journal has it.
    pub(super) fn keep(&self, record: &Record<'_>, line: &str) {
        // Reading the records makes a record. If that one were news, whoever reads on news would
        // do so for ever.
        let reads = |call: &CallInfo| call.requires().contains(&self.scope);
        let news = !record.call.is_some_and(reads);
        self.lock().push(&record.identity(), line, news);
        if news && self.news.receiver_count() > 0 {
            self.news.send_replace(());
        }
    }

    /// A caller's records, oldest first.
    pub(super) fn of(&self, caller: &str) -> Vec<String> {
        self.lock()
            .callers
            .get(caller)
            .into_iter()
            .flat_map(|ring| ring.lines.iter().map(|line| (**line).to_owned()))
            .collect()
    }

    /// A number that changes with every record of this caller that is news to it.
    pub(super) fn news_of(&self, caller: &str) -> u64 {
        self.lock().callers.get(caller).map_or(0, |ring| ring.news)
    }

    /// Wakes whenever anybody has news.
    pub(super) fn listen(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rings {
    fn push(&mut self, caller: &str, line: &str, news: bool) {
        let mut whole = String::with_capacity(line.len() + 1);
        whole.push_str(line);
        whole.push('}');
        let line = whole.into_boxed_str();
        if !self.callers.contains_key(caller) {
            if self.callers.len() >= MOST_CALLERS {
                self.forget_the_quietest();
            }
            self.callers.insert(caller.into(), Ring::default());
        }
        self.clock += 1;
        self.bytes += line.len();
        let Some(ring) = self.callers.get_mut(caller) else {
            return;
        };
        ring.bytes += line.len();
        ring.last = self.clock;
        if news {
            ring.news = self.clock;
        }
        ring.lines.push_back(line);
        if ring.lines.len() > MOST_OF_ONE
            && let Some(oldest) = ring.lines.pop_front()
        {
            ring.bytes -= oldest.len();
            self.bytes -= oldest.len();
        }
        while self.bytes > MOST_BYTES && self.callers.len() > 1 {
            self.forget_the_quietest();
        }
    }

    fn forget_the_quietest(&mut self) {
        let quietest = self.callers.iter().min_by_key(|(_, ring)| ring.last);
        if let Some(name) = quietest.map(|(name, _)| name.clone())
            && let Some(ring) = self.callers.remove(&name)
        {
            self.bytes -= ring.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_keeps_its_last_hundred_and_no_neighbours() {
        let mut rings = Rings::default();
        rings.push("bob", "{\"n\":0", true);
        for n in 0..250 {
            rings.push("ada", &format!("{{\"n\":{n}"), true);
        }
        let ada = &rings.callers["ada"];
        assert_eq!(ada.lines.len(), MOST_OF_ONE);
        assert_eq!(&*ada.lines[0], "{\"n\":150}");
        assert_eq!(
            rings.callers["bob"].lines.len(),
            1,
            "a flood of ada's leaves bob's alone"
        );
    }

    #[test]
    fn callers_and_bytes_are_bounded_and_the_quietest_go_first() {
        let mut rings = Rings::default();
        for caller in 0..3 * MOST_CALLERS {
            rings.push("loud", "{", true);
            rings.push(&caller.to_string(), "{", true);
        }
        assert_eq!(rings.callers.len(), MOST_CALLERS);
        assert!(rings.callers.contains_key("loud"));
        let long = "x".repeat(MOST_BYTES / 50);
        for caller in 0..200 {
            rings.push(&caller.to_string(), &long, true);
        }
        assert!(rings.bytes <= MOST_BYTES);
        let counted: usize = rings
            .callers
            .values()
            .flat_map(|ring| &ring.lines)
            .map(|line| line.len())
            .sum();
        assert_eq!(counted, rings.bytes, "the count is the truth");
    }
}
