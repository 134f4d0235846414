//! Each line must carry on where the one before it ended.

use super::{START, link, open};

/// The number of the first line that doesn't hold, from 1; `None` when all of them do.
pub fn first_broken(record: &str) -> Option<usize> {
    let mut previous = START;
    for (at, line) in record.lines().enumerate() {
        match open(line) {
            Some((body, found)) if link(&previous, body) == found => previous = found,
            _ => return Some(at + 1),
        }
    }
    None
}
