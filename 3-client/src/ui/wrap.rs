//! Styled text folded to a width, by words, as wide as the terminal draws it.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Collects styled pieces and folds them into lines.
pub struct Wrapper {
    width: usize,
    /// Put before each continued line.
    indent: Vec<Span<'static>>,
    indent_width: usize,
    lines: Vec<Line<'static>>,
    current: Vec<Span<'static>>,
    used: usize,
    /// Where the last word began in `current`, and how wide everything before it is.
    word: Option<(usize, usize)>,
}

impl Wrapper {
    /// A wrapper for lines of `width` cells. `first` starts the first line, `rest` every other.
    #[must_use]
    pub fn new(width: u16, first: Vec<Span<'static>>, rest: Vec<Span<'static>>) -> Self {
        let mut wrapper = Self {
            width: usize::from(width.max(2)),
            indent_width: rest.iter().map(|s| s.content.width()).sum(),
            indent: rest,
            lines: Vec::new(),
            used: first.iter().map(|s| s.content.width()).sum(),
            current: first,
            word: None,
        };
        if wrapper.indent_width + 2 > wrapper.width {
            wrapper.indent.clear();
            wrapper.indent_width = 0;
        }
        wrapper
    }

    /// Adds text; a line feed ends the line.
    pub fn push(&mut self, text: &str, style: Style) {
        for (n, line) in text.split('\n').enumerate() {
            if n > 0 {
                self.newline();
            }
            for piece in line.split_word_bounds() {
                self.piece(piece, style);
            }
        }
    }

    fn piece(&mut self, piece: &str, style: Style) {
        let width = piece.width();
        let blank = piece.chars().all(char::is_whitespace);
        if self.used + width <= self.width {
            self.append(piece, width, style, blank);
            return;
        }
        if blank {
            // A space at the fold vanishes into it.
            self.fold();
            return;
        }
        if width + self.indent_width <= self.width {
            self.fold_at_word();
            if self.used + width > self.width {
                self.fold();
            }
            self.append(piece, width, style, false);
            return;
        }
        // Longer than any line: a URL, or a script without spaces.
        for grapheme in piece.graphemes(true) {
            if grapheme.width() > 2 {
                // A pile of marks that no terminal draws as one character: taken apart.
                let mut one = [0; 4];
                for c in grapheme.chars() {
                    self.unbreakable(c.encode_utf8(&mut one), style);
                }
            } else {
                self.unbreakable(grapheme, style);
            }
        }
    }

    fn unbreakable(&mut self, piece: &str, style: Style) {
        let width = piece.width();
        if self.used + width > self.width {
            self.fold();
        }
        self.append(piece, width, style, true);
    }

    fn append(&mut self, piece: &str, width: usize, style: Style, breaks: bool) {
        if breaks {
            self.word = None;
        } else if self.word.is_none() {
            // A word begins with a span of its own, so that it can be moved to the next line.
            self.word = Some((self.current.len(), self.used));
            self.current.push(Span::styled(String::new(), style));
        }
        self.used += width;
        match self.current.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push_str(piece),
            _ => self.current.push(Span::styled(piece.to_owned(), style)),
        }
    }

    /// Folds before the word that is being built, so that `"Hello` stays with its quotation mark.
    fn fold_at_word(&mut self) {
        let Some((spans, used)) = self.word.filter(|(_, used)| *used > self.indent_width) else {
            return self.fold();
        };
        let tail = self.current.split_off(spans.min(self.current.len()));
        let tail_width = self.used - used;
        self.fold();
        self.word = Some((self.current.len(), self.used));
        self.current.extend(tail);
        self.used += tail_width;
    }

    /// Ends the line at a fold: the space before it goes.
    fn fold(&mut self) {
        if let Some(last) = self.current.last_mut() {
            let kept = last.content.trim_end().len();
            last.content.to_mut().truncate(kept);
        }
        self.newline();
    }

    fn newline(&mut self) {
        let line = std::mem::replace(&mut self.current, self.indent.clone());
        self.lines.push(merged(line));
        self.used = self.indent_width;
        self.word = None;
    }

    /// The lines.
    #[must_use]
    pub fn finish(mut self) -> Vec<Line<'static>> {
        self.lines.push(merged(self.current));
        self.lines
    }
}

/// Neighbours of one style become one span: lines are kept, and drawn many times.
fn merged(spans: Vec<Span<'static>>) -> Line<'static> {
    let mut line: Vec<Span<'static>> = Vec::with_capacity(spans.len().min(4));
    for span in spans {
        match line.last_mut() {
            Some(last) if last.style == span.style => last.content.to_mut().push_str(&span.content),
            _ => line.push(span),
        }
    }
    Line::from(line)
}

/// Plain text in one style.
#[must_use]
pub fn wrap(text: &str, style: Style, width: u16) -> Vec<Line<'static>> {
    let mut wrapper = Wrapper::new(width, Vec::new(), Vec::new());
    wrapper.push(text, style);
    wrapper.finish()
}

/// Cuts a string to a width in cells.
#[must_use]
pub fn clip(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let w = grapheme.width();
        if used + w + 1 > width {
            break;
        }
        used += w;
        out.push_str(grapheme);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(lines: &[Line<'_>]) -> Vec<String> {
        lines
            .iter()
            .map(|l| l.spans.iter().map(|s| s.content.as_ref()).collect())
            .collect()
    }

    #[test]
    fn words_stay_whole_and_quotes_stay_with_them() {
        assert_eq!(
            plain(&wrap("the quick (brown) fox", Style::new(), 10)),
            ["the quick", "(brown)", "fox"]
        );
    }

    #[test]
    fn a_word_that_is_longer_than_the_line_is_broken() {
        assert_eq!(
            plain(&wrap("abcdefghij", Style::new(), 4)),
            ["abcd", "efgh", "ij"]
        );
    }

    #[test]
    fn wide_characters_never_hang_over_the_edge() {
        assert_eq!(
            plain(&wrap("日本語です", Style::new(), 5)),
            ["日本", "語で", "す"]
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_width_and_no_character_is_lost(text in "[a-zé日👍🏽 .,(\"\n]{0,120}", width in 4u16..40) {
            let lines = plain(&wrap(&text, Style::new(), width));
            for line in &lines {
                prop_assert!(line.width() <= usize::from(width), "{line:?}");
            }
            let squash = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(squash(&lines.concat()), squash(&text));
        }
    }
}
