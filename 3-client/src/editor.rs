//! A small text editor for the input: several lines, whole graphemes, words, history.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

/// A person doesn't type this much; a paste that does is better attached as a resource.
const MAX_TEXT: usize = 256 * 1024;
const MAX_HISTORY: usize = 200;

/// Text and a cursor on a grapheme boundary.
#[derive(Debug, Clone, Default)]
pub struct Editor {
    text: String,
    cursor: usize,
    history: Vec<String>,
    /// Where in the history we are, and what was being typed before going there.
    browsing: Option<(usize, String)>,
}

impl Editor {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The cursor's byte position.
    #[must_use]
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether there is nothing but space.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Replaces everything; the cursor goes to the end.
    pub fn set(&mut self, text: impl Into<String>) {
        self.text = text.into();
        self.text.truncate(floor(&self.text, MAX_TEXT));
        self.cursor = self.text.len();
    }

    /// Takes the text out and remembers it.
    pub fn take(&mut self) -> String {
        self.browsing = None;
        self.cursor = 0;
        let text = std::mem::take(&mut self.text);
        if !text.trim().is_empty() && self.history.last() != Some(&text) {
            if self.history.len() == MAX_HISTORY {
                self.history.remove(0);
            }
            self.history.push(text.clone());
        }
        text
    }

    /// Inserts at the cursor. Line endings of other systems become plain ones.
    pub fn insert(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let room = floor(&text, MAX_TEXT.saturating_sub(self.text.len()));
        self.text.insert_str(self.cursor, &text[..room]);
        self.cursor += room;
        // A combining mark may have joined the character before it.
        self.cursor = self.boundary_at_or_after(self.cursor);
    }

    fn boundary_at_or_after(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        if cursor.is_boundary(&self.text, 0).unwrap_or(true) {
            at
        } else {
            self.next(at)
        }
    }

    fn previous(&self, at: usize) -> usize {
        GraphemeCursor::new(at, self.text.len(), true)
            .prev_boundary(&self.text, 0)
            .ok()
            .flatten()
            .unwrap_or(0)
    }

    fn next(&self, at: usize) -> usize {
        GraphemeCursor::new(at, self.text.len(), true)
            .next_boundary(&self.text, 0)
            .ok()
            .flatten()
            .unwrap_or(self.text.len())
    }

    fn word_left(&self) -> usize {
        let before = &self.text[..self.cursor];
        before
            .unicode_word_indices()
            .next_back()
            .map_or(0, |(at, _)| at)
    }

    fn word_right(&self) -> usize {
        let after = &self.text[self.cursor..];
        after
            .unicode_word_indices()
            .next()
            .map_or(self.text.len(), |(at, word)| self.cursor + at + word.len())
    }

    /// One grapheme left or right.
    pub fn step(&mut self, right: bool) {
        self.cursor = if right {
            self.next(self.cursor)
        } else {
            self.previous(self.cursor)
        };
    }

    /// One word left or right.
    pub fn step_word(&mut self, right: bool) {
        self.cursor = if right {
            self.word_right()
        } else {
            self.word_left()
        };
    }

    /// Start or end of the line.
    pub fn to_edge(&mut self, end: bool) {
        self.cursor = if end {
            self.text[self.cursor..]
                .find('\n')
                .map_or(self.text.len(), |n| self.cursor + n)
        } else {
            self.text[..self.cursor].rfind('\n').map_or(0, |n| n + 1)
        };
    }

    /// Deletes one grapheme.
    pub fn delete(&mut self, forward: bool) {
        let range = if forward {
            self.cursor..self.next(self.cursor)
        } else {
            self.previous(self.cursor)..self.cursor
        };
        self.cut(range);
    }

    /// Deletes back to the start of the word.
    pub fn delete_word(&mut self) {
        self.cut(self.word_left()..self.cursor);
    }

    /// Deletes to the start of the line.
    pub fn delete_to_start(&mut self) {
        let start = self.text[..self.cursor].rfind('\n').map_or(0, |n| n + 1);
        self.cut(start..self.cursor);
    }

    fn cut(&mut self, range: std::ops::Range<usize>) {
        self.cursor = range.start;
        self.text.replace_range(range, "");
    }

    /// Up or down a line; beyond the first or last line, through the history.
    pub fn vertical(&mut self, down: bool) {
        let line_start = self.text[..self.cursor].rfind('\n').map_or(0, |n| n + 1);
        let column = self.text[line_start..self.cursor].graphemes(true).count();
        let target = if down {
            self.text[self.cursor..]
                .find('\n')
                .map(|n| self.cursor + n + 1)
        } else {
            line_start
                .checked_sub(1)
                .map(|end| self.text[..end].rfind('\n').map_or(0, |n| n + 1))
        };
        match target {
            Some(start) => {
                let end = self.text[start..]
                    .find('\n')
                    .map_or(self.text.len(), |n| start + n);
                let line = &self.text[start..end];
                self.cursor = line
                    .grapheme_indices(true)
                    .nth(column)
                    .map_or(end, |(at, _)| start + at);
            }
            None => self.recall(down),
        }
    }

    fn recall(&mut self, newer: bool) {
        let place = self
            .browsing
            .as_ref()
            .map_or(self.history.len(), |(place, _)| *place);
        let target = if newer {
            place + 1
        } else {
            place.wrapping_sub(1)
        };
        if target > self.history.len() {
            return;
        }
        let typed = self
            .browsing
            .take()
            .map_or_else(|| self.text.clone(), |(_, typed)| typed);
        if let Some(text) = self.history.get(target).cloned() {
            self.set(text);
            self.browsing = Some((target, typed));
        } else {
            self.set(typed);
        }
    }
}

/// The largest boundary of `text` that is at most `max`.
fn floor(text: &str, max: usize) -> usize {
    if text.len() <= max {
        return text.len();
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn backspace_removes_a_whole_emoji() {
        let mut editor = Editor::default();
        editor.insert("a👩‍👩‍👧‍👦");
        editor.delete(false);
        assert_eq!(editor.text(), "a");
    }

    #[test]
    fn up_beyond_the_first_line_recalls_and_down_brings_the_draft_back() {
        let mut editor = Editor::default();
        editor.set("first");
        editor.take();
        editor.set("second");
        editor.take();
        editor.set("draft");
        editor.vertical(false);
        assert_eq!(editor.text(), "second");
        editor.vertical(false);
        editor.vertical(false);
        assert_eq!(editor.text(), "first");
        editor.vertical(true);
        editor.vertical(true);
        assert_eq!(editor.text(), "draft");
    }

    #[test]
    fn up_and_down_keep_the_column() {
        let mut editor = Editor::default();
        editor.set("abc\nde\nfgh");
        editor.vertical(false);
        assert_eq!(editor.cursor(), 6);
        editor.vertical(false);
        assert_eq!(editor.cursor(), 2);
    }

    #[test]
    fn a_paste_cannot_grow_without_bound() {
        let mut editor = Editor::default();
        editor.insert(&"é".repeat(MAX_TEXT));
        assert!(editor.text().len() <= MAX_TEXT);
    }

    proptest! {
        #[test]
        fn any_sequence_of_edits_leaves_the_cursor_on_a_grapheme_boundary(edits in prop::collection::vec((0u8..9, "[a-z \\n\u{301}é👍🏽\u{200d}]{0,4}"), 0..40)) {
            let mut editor = Editor::default();
            for (edit, text) in edits {
                match edit {
                    0 | 1 => editor.insert(&text),
                    2 => editor.delete(false),
                    3 => editor.delete(true),
                    4 => editor.step(edit % 2 == 0),
                    5 => editor.step_word(false),
                    6 => editor.delete_word(),
                    7 => editor.vertical(false),
                    _ => editor.to_edge(true),
                }
                prop_assert!(editor.text().is_char_boundary(editor.cursor()));
            }
        }
    }
}
