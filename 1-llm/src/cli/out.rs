//! What is printed and where to: results on standard output, everything about them on standard
//! error, so that a pipe gets the answer and nothing else.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use mcp_llm::ProviderError;

const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// The two streams. There are no colours with `NO_COLOR` and in a pipe.
pub(super) struct Out {
    verbose: bool,
}

impl Out {
    pub(super) fn new(verbose: bool) -> Self {
        Self { verbose }
    }

    /// A piece of a result, at once.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        let mut stdout = anstream::stdout().lock();
        write!(stdout, "{}", without_controls(text))?;
        stdout.flush()
    }

    /// A whole line of a result.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        self.text(line)?;
        self.text("\n")
    }

    /// Lines that begin with `ok` or `--` after their first word, with these in colour.
    pub(super) fn report(&mut self, report: &str) -> io::Result<()> {
        let mut stdout = anstream::stdout().lock();
        for line in report.lines() {
            let line = without_controls(line);
            let (what, rest) = line.split_at_checked(9).unwrap_or(("", &line));
            match (rest.strip_prefix("ok "), rest.strip_prefix("-- ")) {
                (Some(rest), _) => writeln!(stdout, "{what}{GREEN}ok{GREEN:#} {rest}")?,
                (_, Some(rest)) => writeln!(stdout, "{what}{YELLOW}--{YELLOW:#} {rest}")?,
                _ => writeln!(stdout, "{line}")?,
            }
        }
        Ok(())
    }

    /// Something about a result. It isn't a failure when nobody reads it.
    pub(super) fn note(&mut self, text: &str) {
        let _ = writeln!(
            anstream::stderr().lock(),
            "{DIM}{}{DIM:#}",
            without_controls(text)
        );
    }

    /// A piece of the model's thinking: seen, but not part of the answer.
    pub(super) fn thinking(&mut self, text: &str) {
        let mut stderr = anstream::stderr().lock();
        let _ = write!(stderr, "{DIM}{}{DIM:#}", without_controls(text));
        let _ = stderr.flush();
    }

    pub(super) fn warning(&mut self, text: &str) {
        let _ = writeln!(
            anstream::stderr().lock(),
            "{YELLOW}warning:{YELLOW:#} {}",
            without_controls(text)
        );
    }

    pub(super) fn error(&mut self, error: &ProviderError) {
        let mut stderr = anstream::stderr().lock();
        let _ = writeln!(
            stderr,
            "{RED}error:{RED:#} {}",
            without_controls(&error.public)
        );
        if self.verbose && !error.internal().is_empty() {
            let _ = writeln!(stderr, "{DIM}{}{DIM:#}", without_controls(error.internal()));
        }
    }

    /// Whether a person sees the notes.
    pub(super) fn is_watched(&self) -> bool {
        io::stderr().is_terminal()
    }
}

/// A model's words may hold anything, also characters that drive the terminal. Of control
/// characters only line ends and tabs pass; direction marks stay, since some languages need them.
fn without_controls(text: &str) -> String {
    let passes = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars().filter(|c| passes(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_drive_a_terminal_does_not_pass() {
        assert_eq!(
            without_controls("a\x1b]0;title\x07b\r\n\tc\u{9b}31m"),
            "a]0;titleb\n\tc31m"
        );
    }
}
