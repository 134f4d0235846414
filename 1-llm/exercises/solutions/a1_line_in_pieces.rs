//! Bytes are kept until their newline has come, and no more of them than a line may have.

/// The longest line that is kept while its end hasn't come.
pub const LONGEST: usize = 64 * 1024;

/// A line is longer than [`LONGEST`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// Puts lines together from what arrives.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes the next piece, and gives every line that is whole now, without its newline.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<String>, TooLong> {
        self.partial.extend_from_slice(piece);
        let mut whole = Vec::new();
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let rest = self.partial.split_off(end + 1);
            let line = String::from_utf8_lossy(self.partial.trim_ascii_end());
            whole.push(line.into_owned());
            self.partial = rest;
        }
        if self.partial.len() > LONGEST {
            return Err(TooLong);
        }
        Ok(whole)
    }
}
