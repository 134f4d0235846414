//! The hash chain: every line of an audit file ends in the SHA-256 of itself and of the line
//! before it. Whoever edits, removes or reorders a line breaks the chain there.
//!
//! What it can't show: that lines were cut off at the very end, or that somebody who can write the
//! file rewrote all of it. For that, keep the last link somewhere else.

use std::io::{self, BufRead, Read as _};

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a line and of everything before it.
pub(super) type Link = [u8; 32];

/// The link before the first line of the first file.
pub(super) const START: Link = [0; 32];

const FIELD: &str = r#","chain":""#;
const END: &str = "\"}\n";
const LINK_HEX: usize = 64;
/// No record is longer. A longer line is damage, and must not fill the memory.
const MAX_LINE: u64 = 1 << 20;

/// Closes an open record: adds its link, the brace and the line end.
pub(super) fn seal(line: &mut String, previous: &Link) -> Link {
    let link = link(previous, line.as_bytes());
    line.push_str(FIELD);
    let mut text = [0; LINK_HEX];
    // It is as long as a link in hexadecimal, so this can't fail.
    let written = hex::encode_to_slice(link, &mut text).map(|()| std::str::from_utf8(&text));
    line.push_str(written.ok().and_then(Result::ok).unwrap_or_default());
    line.push_str(END);
    link
}

/// The first line of a file: it names the last link of the file before.
pub(super) fn header(previous: &Link) -> String {
    format!(
        r#"{{"audit":"begin","previous":"{}""#,
        hex::encode(previous)
    )
}

fn link(previous: &Link, body: &[u8]) -> Link {
    Sha256::new()
        .chain_update(previous)
        .chain_update(body)
        .finalize()
        .into()
}

/// Takes a sealed line apart: what was hashed, and its link.
fn open(line: &[u8]) -> Option<(&[u8], Link)> {
    let rest = line.strip_suffix(END.as_bytes())?;
    let (rest, hex) = rest.split_at_checked(rest.len().checked_sub(LINK_HEX)?)?;
    Some((rest.strip_suffix(FIELD.as_bytes())?, unhex(hex)?))
}

fn unhex(text: &[u8]) -> Option<Link> {
    let mut link = START;
    hex::decode_to_slice(text, &mut link).ok()?;
    Some(link)
}

/// The link that a header names.
fn named_by_header(body: &[u8]) -> Option<Link> {
    unhex(
        body.strip_prefix(br#"{"audit":"begin","previous":""#)?
            .strip_suffix(b"\"")?,
    )
}

/// The last link of a file that ends whole; `None` when it is empty or its last line is torn.
pub(super) fn last_link(tail: &[u8]) -> Option<Link> {
    let start = tail
        .strip_suffix(b"\n")?
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    open(&tail[start..]).map(|(_, link)| link)
}

/// What a check of a file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Lines that hold, before any that doesn't.
    pub lines: u64,
    /// The last link that holds, in hexadecimal: give it to the check of the next file, or keep it
    /// somewhere else as a witness.
    pub last: String,
    /// The first line that doesn't hold.
    pub fault: Option<Fault>,
}

/// A line that doesn't hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Checks an audit file. `previous` is the last link of the file before it; without it, what the
/// first line names is taken on trust (the file before may have been rotated away).
///
/// # Errors
/// When the file can't be read.
pub fn verify(mut reader: impl BufRead, previous: Option<&str>) -> io::Result<Verdict> {
    let mut expected = previous.and_then(|it| unhex(it.as_bytes()));
    let mut verdict = Verdict {
        lines: 0,
        last: previous.unwrap_or_default().to_owned(),
        fault: None,
    };
    let mut text = Vec::new();
    loop {
        text.clear();
        if (&mut reader).take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
            return Ok(verdict);
        }
        let checked = open(&text)
            .ok_or("it is no audit record, or was cut short")
            .and_then(|(body, found)| {
                if verdict.lines == 0 {
                    let named =
                        named_by_header(body).ok_or("the first line of the file is missing")?;
                    if expected.is_some_and(|expected| expected != named) {
                        return Err("the file doesn't follow the one before it");
                    }
                    expected = Some(named);
                }
                let holds = expected.is_some_and(|expected| link(&expected, body) == found);
                if holds {
                    Ok(found)
                } else {
                    Err("it was edited, or a line before it was removed, added or moved")
                }
            });
        match checked {
            Ok(found) => {
                expected = Some(found);
                verdict.lines += 1;
                verdict.last = hex::encode(found);
            }
            Err(what) => {
                verdict.fault = Some(Fault {
                    line: verdict.lines + 1,
                    what,
                });
                return Ok(verdict);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bodies: &[&str]) -> String {
        let mut previous = START;
        let mut text = String::new();
        let first = header(&START);
        for body in std::iter::once(first.as_str()).chain(bodies.iter().copied()) {
            let mut line = body.to_owned();
            previous = seal(&mut line, &previous);
            text.push_str(&line);
        }
        text
    }

    fn fault(text: &str) -> Option<u64> {
        verify(text.as_bytes(), None)
            .unwrap()
            .fault
            .map(|fault| fault.line)
    }

    #[test]
    fn every_kind_of_tampering_is_found_at_its_line() {
        let whole = file(&[r#"{"a":1"#, r#"{"a":2"#, r#"{"a":3"#]);
        assert_eq!(fault(&whole), None);
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        assert_eq!(
            fault(&whole.replace(r#"{"a":2"#, r#"{"a":9"#)),
            Some(3),
            "edited"
        );
        assert_eq!(
            fault(&[lines[0], lines[1], lines[3]].concat()),
            Some(3),
            "removed"
        );
        assert_eq!(
            fault(&[lines[0], lines[2], lines[1], lines[3]].concat()),
            Some(2),
            "reordered"
        );
        assert_eq!(
            fault(&[lines[0], lines[1], lines[1], lines[2], lines[3]].concat()),
            Some(3),
            "repeated"
        );
        assert_eq!(fault(&lines[1..].concat()), Some(1), "first line removed");
        assert_eq!(fault(whole.trim_end()), Some(4), "cut short");
        assert_eq!(fault("\u{0}garbage\n"), Some(1));
    }

    #[test]
    fn a_file_follows_the_one_before_it() {
        let first = file(&[r#"{"a":1"#]);
        let last = verify(first.as_bytes(), None).unwrap().last;
        let stranger = verify(file(&[]).as_bytes(), Some(&last)).unwrap();
        assert_eq!(stranger.fault.unwrap().line, 1);
        assert_eq!(last_link(first.as_bytes()).map(hex::encode), Some(last));
        assert_eq!(
            last_link(first.trim_end().as_bytes()),
            None,
            "a torn line has no link"
        );
    }
}
