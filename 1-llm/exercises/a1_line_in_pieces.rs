//! # a1 · A line that arrives in pieces
//!
//! Ollama sends its answer as NDJSON: one JSON object a line. MCP over stdio does the same: "messages
//! are delimited by newlines". The network knows nothing of lines. It may cut one anywhere, also in
//! the middle of a character: "å" is two bytes, "🦙" is four.
//!
//! `Lines` below does what most first versions do: it turns each piece into text as it comes, and
//! keeps what has no newline yet. Two things are wrong with that. Mend them in `mod a1`.
//!
//! - In the real code: `1-llm/src/ndjson.rs`, and `2-server/src/transport/lines.rs` for MCP.
//! - Specification: <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio>.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod a1 {
    /// The longest line that is kept while its end hasn't come.
    pub const LONGEST: usize = 64 * 1024;

    /// A line is longer than [`LONGEST`].
    #[derive(Debug, PartialEq, Eq)]
    pub struct TooLong;

    /// Puts lines together from what arrives.
    #[derive(Debug, Default)]
    pub struct Lines {
        partial: String,
    }

    impl Lines {
        /// Takes the next piece, and gives every line that is whole now, without its newline.
        pub fn push(&mut self, piece: &[u8]) -> Result<Vec<String>, TooLong> {
            self.partial.push_str(&String::from_utf8_lossy(piece));
            let mut whole = Vec::new();
            while let Some(end) = self.partial.find('\n') {
                let rest = self.partial.split_off(end + 1);
                whole.push(self.partial.trim_end().to_owned());
                self.partial = rest;
            }
            Ok(whole)
        }
    }
}

use crate::a1::{LONGEST, Lines, TooLong};

#[test]
fn a_line_comes_out_whole_wherever_it_was_cut() {
    let text = "{\"content\":\"Tromsø å 🦙\"}\n{\"done\":true}\n";
    let expected: Vec<&str> = text.lines().collect();
    for cut in 0..=text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        let mut lines = Lines::default();
        let mut came = lines.push(first).unwrap();
        came.extend(lines.push(second).unwrap());
        assert_eq!(
            came, expected,
            "cut after byte {cut}, other lines came out than went in. A piece of a character is no \
             text yet: keep bytes, and decode a line when it is whole"
        );
    }

    let mut lines = Lines::default();
    let endless = [b'x'; 1024];
    let pushed = (0..=LONGEST / endless.len()).map(|_| lines.push(&endless));
    let refused = pushed.filter(|result| *result == Err(TooLong)).count();
    assert!(
        refused > 0,
        "{} bytes without a newline were all kept. A peer that never ends its line must not fill the \
         memory: answer TooLong as soon as a line is longer than LONGEST",
        LONGEST + endless.len()
    );
}
