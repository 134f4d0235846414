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

/// Cuts a stream of chunks into lines. Call [`Lines::push`] with a chunk, and
/// [`Lines::next_line`] until it gives `None`.
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
    // What the work is proportional to, for the test that shows it.
    #[cfg(test)]
    work: Work,
}

impl Lines {
    /// Lines of at most `longest` bytes each.
    pub fn new(longest: usize) -> Self {
        Self {
            chunk: Bytes::new(),
            partial: BytesMut::new(),
            longest,
            #[cfg(test)]
            work: Work::default(),
        }
    }

    /// Takes the next chunk, once all lines of the last one have been taken out.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(
            self.chunk.is_empty(),
            "lines of the last chunk were left behind"
        );
        self.chunk = chunk;
    }

    /// The next whole line without its end, or `None` when more bytes are needed.
    /// Blank lines are skipped: they carry nothing, and some proxies send them to stay alive.
    ///
    /// # Errors
    /// When a line passes the limit.
    pub fn next_line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        loop {
            match self.next_line_or_blank()? {
                Some(line) if is_blank(&line) => {}
                line => return Ok(line),
            }
        }
    }

    /// The same with blank lines, for formats in which they mean something.
    ///
    /// # Errors
    /// When a line passes the limit.
    pub fn next_line_or_blank(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        let Some(end) = self.find_newline() else {
            self.check_length(self.chunk.len())?;
            let chunk = std::mem::take(&mut self.chunk);
            self.keep(&chunk);
            return Ok(None);
        };
        self.check_length(end)?;
        let mut line = self.chunk.split_to(end + 1);
        line.truncate(end);
        if !self.partial.is_empty() {
            self.keep(&line);
            line = self.partial.split().freeze();
        }
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Ok(Some(line))
    }

    /// What is left when the stream has ended: a last line without its newline.
    pub fn take_rest(&mut self) -> Option<Bytes> {
        let rest = self.partial.split().freeze();
        (!is_blank(&rest)).then_some(rest)
    }

    /// Where the chunk's first line ends. The only place that searches.
    fn find_newline(&mut self) -> Option<usize> {
        let found = memchr::memchr(b'\n', &self.chunk);
        #[cfg(test)]
        {
            self.work.searched += found.map_or(self.chunk.len(), |end| end + 1);
        }
        found
    }

    /// Adds to the line that has begun. The only place that copies.
    fn keep(&mut self, piece: &[u8]) {
        #[cfg(test)]
        let before = self.partial.as_ptr();
        self.partial.extend_from_slice(piece);
        #[cfg(test)]
        {
            self.work.copied += piece.len();
            self.work.moved += usize::from(self.partial.as_ptr() != before);
        }
    }

    fn check_length(&self, more: usize) -> Result<(), LineTooLong> {
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

/// Whether a line carries nothing.
pub(crate) fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

/// Bytes looked at and copied, and how often the line that grows had to move.
#[cfg(test)]
#[derive(Debug, Default, PartialEq, Eq)]
struct Work {
    searched: usize,
    copied: usize,
    moved: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it takes to cut a stream into lines.
    fn work(stream: &[u8], chunk: usize) -> Work {
        let mut lines = Lines::new(stream.len());
        for piece in stream.chunks(chunk) {
            lines.push(Bytes::copy_from_slice(piece));
            while lines.next_line().unwrap().is_some() {}
        }
        lines.work
    }

    #[test]
    fn every_byte_is_searched_once_and_copied_at_most_once_however_the_stream_is_cut() {
        let one_line = [vec![b'x'; 4 << 20], b"\n".to_vec()].concat();
        let many_lines = b"{\"a\":1}\n".repeat(20_000);
        for stream in [one_line, many_lines] {
            for chunk in [1, 7, 64, 8192, stream.len()] {
                let work = work(&stream, chunk);
                assert_eq!(work.searched, stream.len(), "chunks of {chunk}");
                assert!(work.copied <= stream.len(), "chunks of {chunk}: {work:?}");
            }
        }
    }

    #[test]
    fn a_line_that_grows_doubles_its_room_and_does_not_move_for_each_chunk() {
        let line = |size| [vec![b'x'; size], b"\n".to_vec()].concat();
        for size in [400 << 10, 4 << 20] {
            let moved = work(&line(size), 64).moved;
            assert!(moved <= 24, "{size} bytes moved {moved} times");
        }
    }

    fn lines_of(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
        let mut lines = Lines::new(64);
        let mut out = Vec::new();
        for chunk in chunks {
            lines.push(Bytes::copy_from_slice(chunk));
            while let Some(line) = lines.next_line().unwrap() {
                out.push(line.to_vec());
            }
        }
        (out, lines.take_rest().map(|rest| rest.to_vec()))
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
    fn blank_lines_are_there_for_who_asks_for_them() {
        let mut lines = Lines::new(64);
        lines.push(Bytes::from_static(b"a\n\n\r\nb\n"));
        let mut found = Vec::new();
        while let Some(line) = lines.next_line_or_blank().unwrap() {
            found.push(line);
        }
        assert_eq!(found, ["a", "", "", "b"]);
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
