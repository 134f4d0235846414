//! Each line must carry on where the one before it ended.

use sha2::{Digest as _, Sha256};

/// The link before the first line.
const START: [u8; 32] = [0; 32];

/// What was hashed of a line, and the link that it ends in; `None` when it has none.
fn open(line: &str) -> Option<(&str, [u8; 32])> {
    let (body, rest) = line.rsplit_once(r#","chain":""#)?;
    let hex = rest.strip_suffix("\"}").filter(|hex| hex.len() == 64)?;
    let mut link = [0; 32];
    for (at, byte) in link.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some((body, link))
}

/// The link of a line: of what is before it, and of itself.
fn link(previous: &[u8; 32], body: &str) -> [u8; 32] {
    let hash = Sha256::new().chain_update(previous).chain_update(body);
    hash.finalize().into()
}

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
