//! Markdown as styled lines, grown with the text: what is stable is never parsed again.

use ratatui::text::{Line, Span};

use super::entry::MAX_ROWS;
use super::theme::Theme;
use super::wrap::Wrapper;
use crate::markdown::{Fence, Splitter, Step};
use crate::untrusted::clean;

mod block;
mod code;

/// The longest line, and the longest block, that is laid out as one. Each is laid out again with every
/// word that is added to it, so a paragraph without end is taken in parts.
const MAX_LINE: usize = 16 * 1024;
const MAX_BLOCK: usize = 64 * 1024;
/// Where a long line is cut: at a space, if there is one among its last bytes.
const NEAR_SPACE: usize = 256;

/// Lines of a text that may still grow at its end.
#[derive(Default)]
pub struct Stream {
    /// What was seen, to notice when a text was replaced instead of grown.
    seen: String,
    width: u16,
    splitter: Splitter,
    /// Bytes of whole lines that were taken.
    taken: usize,
    /// Where the open block begins.
    block: Option<usize>,
    code: Option<(Fence, code::Highlighter)>,
    lines: Vec<Line<'static>>,
    /// How many of the lines will never change.
    stable: usize,
    /// The next block goes on with one that became too long.
    goes_on: bool,
}

impl Stream {
    /// The lines for this text.
    pub fn lines(&mut self, text: &str, width: u16, theme: &Theme) -> &[Line<'static>] {
        if width != self.width || !text.starts_with(self.seen.as_str()) {
            *self = Self {
                width,
                ..Self::default()
            };
        }
        if text.len() > self.seen.len() || self.seen.is_empty() {
            self.seen.push_str(&text[self.seen.len()..]);
            self.lines.truncate(self.stable);
            self.grow(theme);
        }
        &self.lines
    }

    /// Whether there are more lines than are laid out.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lines.len() >= MAX_ROWS
    }

    /// The lines as they were last laid out.
    #[must_use]
    pub fn shown(&self) -> &[Line<'static>] {
        &self.lines
    }

    fn grow(&mut self, theme: &Theme) {
        // The text is taken out so that its lines can be read while the rest of `self` changes.
        let text = std::mem::take(&mut self.seen);
        while !self.is_full()
            && let Some((length, ending)) = next_line(&text[self.taken..])
        {
            let start = self.taken;
            let line = &text[start..start + length];
            self.taken = start + length + ending;
            self.take_line(&text, start, line.strip_suffix('\r').unwrap_or(line), theme);
        }
        self.stable = self.lines.len().min(MAX_ROWS);
        if !self.is_full() {
            self.tail(&text, theme);
        }
        self.lines.truncate(MAX_ROWS);
        self.seen = text;
    }

    fn take_line(&mut self, text: &str, start: usize, line: &str, theme: &Theme) {
        if self.block.is_some_and(|from| start - from >= MAX_BLOCK) {
            self.close_block(text, start, theme);
            self.splitter = Splitter::default();
            self.goes_on = true;
        }
        match self.splitter.line(line) {
            Step::Continues => {}
            Step::Begins => {
                self.close_block(text, start, theme);
                self.block = Some(start);
            }
            Step::Blank => self.close_block(text, start, theme),
            Step::Opens(fence, language) => {
                self.close_block(text, start, theme);
                self.gap();
                self.label(&language, theme);
                self.code = Some((fence, code::Highlighter::new(&language)));
            }
            Step::Code => self.code_line(line, theme),
            Step::Closes => self.code = None,
        }
    }

    fn close_block(&mut self, text: &str, end: usize, theme: &Theme) {
        if let Some(start) = self.block.take() {
            self.render(&text[start..end], theme);
        }
    }

    fn gap(&mut self) {
        if !std::mem::take(&mut self.goes_on) && !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
    }

    fn render(&mut self, source: &str, theme: &Theme) {
        self.gap();
        let before = self.lines.len();
        let source = clean(source);
        block::render(&source, self.width, theme, &mut self.lines);
        if self.lines.len() == before {
            // Markdown has ways to say something that isn't shown; here nothing is hidden.
            self.lines
                .extend(super::wrap::wrap(source.trim_end(), theme.dim, self.width));
        }
    }

    fn label(&mut self, language: &str, theme: &Theme) {
        let name = if language.is_empty() {
            "code"
        } else {
            language
        };
        self.lines.push(Line::styled(
            format!("  ┌ {}", crate::untrusted::label(name, 20)),
            theme.frame,
        ));
    }

    fn code_line(&mut self, line: &str, theme: &Theme) {
        let Some((fence, highlighter)) = &mut self.code else {
            return;
        };
        let indent = line
            .bytes()
            .take_while(|b| *b == b' ')
            .count()
            .min(fence.indent);
        let bar = || vec![Span::styled("  │ ", theme.frame)];
        let mut wrapper = Wrapper::new(self.width, bar(), bar());
        for (piece, style) in highlighter.line(&clean(&line[indent..]), theme) {
            wrapper.push(&piece, style);
        }
        self.lines.extend(wrapper.finish());
    }

    /// What comes after the stable part: the open block and the line without an end.
    fn tail(&mut self, text: &str, theme: &Theme) {
        let rest = &text[self.taken..];
        if rest.is_empty() {
            if let Some(start) = self.block {
                let goes_on = self.goes_on;
                self.render(&text[start..], theme);
                self.goes_on = goes_on;
            }
            return;
        }
        // The decision about an unfinished line is provisional, so it is made on copies.
        let before = (
            self.splitter.clone(),
            self.block,
            self.code.clone(),
            self.goes_on,
        );
        self.take_line(text, self.taken, rest, theme);
        self.close_block(text, text.len(), theme);
        (self.splitter, self.block, self.code, self.goes_on) = before;
    }
}

/// The next line that is whole, or long enough to be taken in parts: its bytes, and those of its ending.
fn next_line(text: &str) -> Option<(usize, usize)> {
    let near = &text.as_bytes()[..text.len().min(MAX_LINE + 1)];
    if let Some(length) = near.iter().position(|b| *b == b'\n') {
        return Some((length, 1));
    }
    if text.len() <= MAX_LINE {
        return None;
    }
    // Decided by what stands before the cut alone, so that it falls in the same place whole and grown.
    let space = near[MAX_LINE - NEAR_SPACE..MAX_LINE]
        .iter()
        .rposition(|b| *b == b' ');
    match space {
        Some(at) => Some((MAX_LINE - NEAR_SPACE + at, 1)),
        None => Some((text.floor_char_boundary(MAX_LINE), 0)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::ThemeName;

    fn theme() -> Theme {
        Theme::named(ThemeName::Terminal, false)
    }

    fn shown(lines: &[Line<'_>]) -> Vec<String> {
        lines
            .iter()
            .map(|l| {
                l.spans
                    .iter()
                    .map(|s| s.content.as_ref())
                    .collect::<String>()
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    fn whole(text: &str, width: u16) -> Vec<String> {
        shown(Stream::default().lines(text, width, &theme()))
    }

    #[test]
    fn the_parts_of_markdown_look_like_what_they_are() {
        let text = "# Title\nSome *em* and `code`.\n\n- one\n- two\n  1. deep\n\n> quote\n\n| a | b |\n|---|---|\n| 1 | long |\n\n```rust\nlet x = 1;\n```\n[link](https://x.y)";
        assert_eq!(
            whole(text, 40),
            [
                "# Title",
                "",
                "Some em and `code`.",
                "",
                "• one",
                "• two",
                "  1. deep",
                "",
                "▎ quote",
                "",
                "a │ b",
                "──┼─────",
                "1 │ long",
                "",
                "  ┌ rust",
                "  │ let x = 1;",
                "",
                "link (https://x.y)"
            ]
        );
    }

    #[test]
    fn a_replaced_text_is_laid_out_anew() {
        let mut stream = Stream::default();
        stream.lines("one two", 40, &theme());
        assert_eq!(shown(stream.lines("other", 40, &theme())), ["other"]);
    }

    #[test]
    fn a_paragraph_without_end_is_laid_out_in_parts_the_same_whole_and_grown() {
        for text in [
            "word ".repeat(30_000),
            "x".repeat(100_000),
            "l\n".repeat(60_000),
        ] {
            let mut stream = Stream::default();
            for end in (0..text.len()).step_by(4999) {
                stream.lines(&text[..end], 40, &theme());
                let open = stream.block.map_or(0, |from| end - from);
                assert!(
                    open <= MAX_BLOCK + 2 * MAX_LINE,
                    "{open} bytes are laid out again"
                );
            }
            let grown = shown(stream.lines(&text, 40, &theme()));
            let all = whole(&text, 40);
            assert!(grown == all, "{} and {} lines", grown.len(), all.len());
            assert!(all.len() <= MAX_ROWS && all.iter().all(|line| !line.is_empty()));
        }
    }

    #[test]
    fn more_lines_than_anybody_reads_are_not_laid_out() {
        let mut stream = Stream::default();
        let text = "l\n\n".repeat(200_000);
        assert_eq!(stream.lines(&text, 40, &theme()).len(), MAX_ROWS);
        assert!(stream.is_full());
    }

    #[test]
    fn escape_sequences_inside_markdown_are_harmless() {
        for text in [
            "a\u{1b}[2Jb",
            "```\n\u{1b}]0;x\u{7}\n```",
            "| \u{1b} | b |\n|---|---|\n| \u{202e} | 2 |",
            "[x](\u{1b}[2J)",
            "# \u{9b}2J",
        ] {
            for line in whole(text, 40) {
                assert!(
                    !line.chars().any(|c| c.is_control() || c == '\u{202e}'),
                    "{line:?}"
                );
            }
        }
    }

    #[test]
    fn html_is_text_and_nothing_is_swallowed() {
        assert!(
            whole("<script>alert(1)</script>", 60)
                .concat()
                .contains("<script>alert(1)</script>")
        );
        assert!(
            whole("before\n\n<!-- hidden -->\n\nafter", 60)
                .concat()
                .contains("hidden")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn however_the_text_is_cut_the_result_is_the_same(
            pieces in prop::collection::vec("[ab*_`#>|\\-1.\n ]{0,12}|```\n|\n\n|- x\n|\\| a \\| b \\|\n\\|--\\|--\\|\n|é日👍🏽", 0..24),
            cuts in prop::collection::vec(1usize..9, 1..40),
            width in 8u16..50,
        ) {
            let text: String = pieces.concat();
            let mut stream = Stream::default();
            let mut at = 0;
            for cut in cuts.iter().cycle() {
                let mut end = (at + cut).min(text.len());
                while !text.is_char_boundary(end) { end += 1; }
                at = end;
                stream.lines(&text[..at], width, &theme());
                if at == text.len() { break; }
            }
            prop_assert_eq!(shown(stream.lines(&text, width, &theme())), whole(&text, width));
        }

        #[test]
        fn no_text_makes_a_line_wider_than_the_screen(text in "[ab*_`#>|\\-1.\n é日]{0,200}", width in 10u16..60) {
            for line in Stream::default().lines(&text, width, &theme()) {
                prop_assert!(line.width() <= usize::from(width), "{:?}", line);
            }
        }
    }
}
