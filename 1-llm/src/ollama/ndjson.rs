//! Newline-delimited JSON, cut into lines as bytes arrive.
//!
//! A chunk from the network may end anywhere: inside a line, inside a character. Lines are
//! therefore found in bytes, before anything is decoded as text.

use bytes::{Bytes, BytesMut};

/// A line longer than the limit; the rest of the stream can't be trusted to have an end.
#[derive(Debug, PartialEq, Eq)]
pub struct LineTooLong {
    /// How the line began, for the message.
    pub start: Bytes,
}

/// Cuts a stream of chunks into lines.
///
/// Every byte is looked at once and copied at most once (only a line that spans chunks is
/// copied), so ten times the stream is ten times the work.
#[derive(Debug)]
pub struct Lines {
    // What has arrived and hasn't been cut yet; whole lines are split off without a copy.
    chunk: Bytes,
    // The beginning of a line whose end hasn't arrived. Never holds a newline: that is why
    // nothing is ever searched twice.
    partial: BytesMut,
    longest: usize,
}

impl Lines {
    /// Lines of at most `longest` bytes each.
    pub fn new(longest: usize) -> Self {
        Self {
            chunk: Bytes::new(),
            partial: BytesMut::new(),
            longest,
        }
    }

    /// Takes the next chunk. Call [`Lines::next_line`] until it gives `None` before the next one.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(
            self.chunk.is_empty(),
            "lines of the last chunk were left behind"
        );
        self.chunk = chunk;
    }

    /// The next whole line without its end, or `None` when more bytes are needed.
    /// Empty lines are skipped: they carry nothing, and some proxies send them to stay alive.
    ///
    /// # Errors
    /// When a line passes the limit.
    pub fn next_line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.chunk) else {
                self.fits(self.chunk.len())?;
                self.partial.extend_from_slice(&self.chunk);
                self.chunk = Bytes::new();
                return Ok(None);
            };
            self.fits(end)?;
            let mut line = self.chunk.split_to(end + 1);
            line.truncate(end);
            if !self.partial.is_empty() {
                self.partial.extend_from_slice(&line);
                line = self.partial.split().freeze();
            }
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// What is left when the stream has ended: a last line without its newline.
    pub fn rest(&mut self) -> Option<Bytes> {
        let rest = self.partial.split().freeze();
        (!rest.trim_ascii().is_empty()).then_some(rest)
    }

    fn fits(&self, more: usize) -> Result<(), LineTooLong> {
        if self.partial.len() + more <= self.longest {
            return Ok(());
        }
        let from = if self.partial.is_empty() {
            &self.chunk[..more]
        } else {
            &self.partial[..]
        };
        Err(LineTooLong {
            start: Bytes::copy_from_slice(&from[..from.len().min(512)]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
        let mut lines = Lines::new(64);
        let mut out = Vec::new();
        for chunk in chunks {
            lines.push(Bytes::copy_from_slice(chunk));
            while let Some(line) = lines.next_line().unwrap() {
                out.push(line.to_vec());
            }
        }
        (out, lines.rest().map(|rest| rest.to_vec()))
    }

    #[test]
    fn a_line_cut_anywhere_comes_out_the_same() {
        let stream = "{\"a\":\"å\"}\n{\"b\":2}\r\n\n{\"c\":3}".as_bytes();
        let whole = lines_of(&[stream]);
        assert_eq!(whole.0, [&b"{\"a\":\"\xc3\xa5\"}"[..], b"{\"b\":2}"]);
        assert_eq!(whole.1.as_deref(), Some(&b"{\"c\":3}"[..]));
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let parts = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(lines_of(&parts), whole, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_refused_with_its_beginning_whether_it_has_an_end_or_not() {
        for stream in [vec![b'x'; 65], [vec![b'x'; 65], b"\n".to_vec()].concat()] {
            let mut lines = Lines::new(64);
            lines.push(Bytes::from(stream));
            assert_eq!(lines.next_line().unwrap_err().start, vec![b'x'; 65]);
        }
        let mut lines = Lines::new(64);
        for _ in 0..64 {
            lines.push(Bytes::from_static(b"x"));
            assert_eq!(lines.next_line(), Ok(None));
        }
        lines.push(Bytes::from_static(b"x"));
        assert!(lines.next_line().is_err());
    }
}
