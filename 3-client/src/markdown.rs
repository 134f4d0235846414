//! Where Markdown's blocks begin and end, decided line by line, so that text which is still being
//! written never has to be looked at twice.

/// An open code fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    mark: char,
    length: usize,
    /// The fence's own indentation, which its lines lose.
    pub indent: usize,
}

/// What a line is to the blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Part of the block that is open.
    Continues,
    /// The first line of a block.
    Begins,
    /// Opens a code block of this language.
    Opens(Fence, String),
    /// A line of the open code block.
    Code,
    /// Closes the code block.
    Closes,
    /// Between blocks.
    Blank,
}

/// Decides line by line.
#[derive(Debug, Clone, Default)]
pub struct Splitter {
    fence: Option<Fence>,
    /// A fence inside a list item belongs to the list's block.
    inner: Option<Fence>,
    open: bool,
    list: bool,
    blank: bool,
}

fn indent(line: &str) -> usize {
    line.bytes().take_while(|b| *b == b' ').count()
}

fn fence(line: &str) -> Option<(Fence, &str)> {
    let indent = indent(line);
    let rest = &line[indent..];
    let mark = rest.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = rest.chars().take_while(|c| *c == mark).count();
    let info = rest[length..].trim();
    // A backtick in the rest makes it inline code.
    (length >= 3 && !(mark == '`' && info.contains('`'))).then_some((
        Fence {
            mark,
            length,
            indent,
        },
        info,
    ))
}

fn closes(open: Fence, line: &str) -> bool {
    fence(line).is_some_and(|(f, info)| {
        f.mark == open.mark
            && f.length >= open.length
            && info.is_empty()
            && f.indent <= open.indent + 3
    })
}

fn starts_list(line: &str) -> bool {
    let text = line.trim_start();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        0 => ["- ", "* ", "+ "].iter().any(|m| text.starts_with(m)),
        1..=9 => [". ", ") "].iter().any(|m| text[digits..].starts_with(m)),
        _ => false,
    }
}

fn is_heading(line: &str) -> bool {
    let level = line.bytes().take_while(|b| *b == b'#').count();
    (1..=6).contains(&level) && line[level..].starts_with(' ')
}

impl Splitter {
    /// Takes the next line, without its line ending.
    pub fn line(&mut self, line: &str) -> Step {
        if let Some(open) = self.fence {
            if closes(open, line) {
                self.fence = None;
                self.open = false;
                return Step::Closes;
            }
            return Step::Code;
        }
        if let Some(open) = self.inner {
            if closes(open, line) {
                self.inner = None;
            }
            return Step::Continues;
        }
        if line.trim().is_empty() {
            self.blank = true;
            return if self.open && self.list {
                Step::Continues
            } else {
                self.end()
            };
        }
        let after_blank = std::mem::take(&mut self.blank);
        let inside_list = self.open && self.list && indent(line) >= 2;
        if let Some((fence, info)) = fence(line) {
            if inside_list {
                self.inner = Some(fence);
                return Step::Continues;
            }
            if fence.indent <= 3 {
                self.fence = Some(fence);
                (self.open, self.list) = (true, false);
                return Step::Opens(
                    fence,
                    info.split_whitespace()
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                );
            }
        }
        let begins = !self.open || is_heading(line) || (after_blank && !inside_list);
        if begins {
            // A heading is a block of its own.
            self.open = !is_heading(line);
            self.list = starts_list(line);
            return Step::Begins;
        }
        // A list may follow a paragraph without an empty line.
        self.list |= starts_list(line);
        Step::Continues
    }

    fn end(&mut self) -> Step {
        self.open = false;
        Step::Blank
    }
}

/// The code blocks of a text, for copying.
#[must_use]
pub fn code_blocks(text: &str) -> Vec<String> {
    let mut splitter = Splitter::default();
    let mut blocks = Vec::new();
    let mut open: Option<(Fence, String)> = None;
    for line in text.lines() {
        match splitter.line(line) {
            Step::Opens(fence, _) => open = Some((fence, String::new())),
            Step::Code => {
                if let Some((fence, block)) = &mut open {
                    block.push_str(&line[indent(line).min(fence.indent)..]);
                    block.push('\n');
                }
            }
            Step::Closes => blocks.extend(open.take().map(|(_, block)| block)),
            Step::Begins | Step::Continues | Step::Blank => {}
        }
    }
    blocks.extend(open.map(|(_, block)| block));
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_blocks_come_out_without_their_fences_even_when_unfinished() {
        assert_eq!(
            code_blocks("a\n```rust\nlet x;\n\n  y\n```\nb\n~~~\nopen"),
            ["let x;\n\n  y\n", "open\n"]
        );
    }

    #[test]
    fn a_longer_fence_holds_a_shorter_one() {
        assert_eq!(code_blocks("````\n```\n````"), ["```\n"]);
    }

    #[test]
    fn a_fence_inside_a_list_item_stays_with_the_list() {
        let mut splitter = Splitter::default();
        let steps: Vec<Step> = "1. one\n\n   ```\n   a\n\n   b\n   ```\n\n2. two"
            .lines()
            .map(|l| splitter.line(l))
            .collect();
        assert_eq!(steps[0], Step::Begins);
        assert!(
            steps[1..8].iter().all(|s| *s == Step::Continues),
            "{steps:?}"
        );
        assert_eq!(steps[8], Step::Begins);
    }
}
