//! One question before every use, and a bound before every entry.

use std::collections::HashMap;

/// How many sessions one caller may have.
pub const MOST_OF_ONE: usize = 4;

/// The sessions that are open, and who opened each.
#[derive(Debug, Default)]
pub struct Sessions {
    owners: HashMap<String, String>,
}

impl Sessions {
    /// Enters a new session. `false` when it can't be had.
    pub fn open(&mut self, id: &str, caller: &str) -> bool {
        let own = self.owners.values().filter(|owner| *owner == caller);
        if own.count() >= MOST_OF_ONE || self.owners.contains_key(id) {
            return false;
        }
        self.owners.insert(id.to_owned(), caller.to_owned());
        true
    }

    /// The HTTP status for a message of this caller that names this session.
    pub fn message(&self, id: &str, caller: &str) -> u16 {
        if self.is_owner(id, caller) { 200 } else { 404 }
    }

    /// The HTTP status for this caller's wish to end this session.
    pub fn close(&mut self, id: &str, caller: &str) -> u16 {
        if !self.is_owner(id, caller) {
            return 404;
        }
        self.owners.remove(id);
        204
    }

    fn is_owner(&self, id: &str, caller: &str) -> bool {
        self.owners.get(id).is_some_and(|owner| owner == caller)
    }
}
