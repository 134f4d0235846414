//! Text for a terminal of any width, with colour only where it is wanted.

use std::io::{IsTerminal as _, Write as _};

use unicode_width::UnicodeWidthStr as _;

/// The width where none is known: of a pipe, of a file.
const WIDTH: usize = 80;

/// How text is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Columns.
    pub width: usize,
    /// Whether colours may be used. Nothing is ever told by colour alone.
    pub colour: bool,
}

/// A way to stand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// A heading.
    Bold,
    /// An aside.
    Dim,
    /// Good.
    Green,
    /// Bad.
    Red,
    /// Neither.
    Yellow,
    /// A direction.
    Cyan,
}

impl Page {
    /// As standard output is: its width, and colour if it is a terminal and `NO_COLOR` is unset.
    #[must_use]
    pub fn of_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let width = if terminal {
            crossterm::terminal::size()
                .map_or(WIDTH, |(columns, _)| usize::from(columns).clamp(40, 100))
        } else {
            WIDTH
        };
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            width,
            colour: terminal && !plain,
        }
    }

    /// A text in a colour, or as it is.
    #[must_use]
    pub fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bold => 1,
            Ink::Dim => 2,
            Ink::Green => 32,
            Ink::Red => 31,
            Ink::Yellow => 33,
            Ink::Cyan => 36,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A paragraph: `lead`, then the text, broken between words and set under itself. A word that is
    /// longer than a line is broken, so that nothing ever stands beyond the edge.
    #[must_use]
    pub fn paragraph(&self, lead: &str, text: &str) -> String {
        let indent = lead.width();
        let room = self.width.saturating_sub(indent).max(20);
        let mut lines: Vec<String> = vec![String::new()];
        for word in text.split(' ') {
            for piece in pieces(word, room) {
                let line = lines.last_mut().map_or(0, |line| line.width());
                if line > 0 && line + 1 + piece.width() > room {
                    lines.push(piece);
                } else if let Some(last) = lines.last_mut() {
                    if line > 0 {
                        last.push(' ');
                    }
                    last.push_str(&piece);
                }
            }
        }
        let mut out = String::new();
        for (number, line) in lines.iter().enumerate() {
            if number == 0 {
                out.push_str(lead);
            } else {
                out.push_str(&" ".repeat(indent));
            }
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

/// A word in pieces that fit.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in word.chars() {
        let full = pieces.last().is_some_and(|piece| piece.width() + 2 > room);
        if full {
            pieces.push(String::new());
        }
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

/// Writes to standard output; a reader that closed the pipe has read enough.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_beyond_the_edge() {
        let page = Page {
            width: 40,
            colour: false,
        };
        let text = format!(
            "one two {} three 你好你好你好你好你好你好你好你好你好你好",
            "x".repeat(90)
        );
        let set = page.paragraph("   here: ", &text);
        assert!(set.lines().all(|line| line.width() <= 40), "{set}");
        assert_eq!(
            set.replace([' ', '\n'], ""),
            format!("here:{}", text.replace(' ', ""))
        );
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        let page = Page {
            width: 80,
            colour: false,
        };
        assert_eq!(page.ink(Ink::Red, "BROKEN"), "BROKEN");
    }
}
