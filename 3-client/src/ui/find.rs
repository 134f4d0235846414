//! Finding text in the transcript: which line has it, and where it is on screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::entry::Layout;
use super::theme::Theme;
use super::wrap::clip;
use crate::app::conversation::{Body, CallState, Entry};
use crate::command::Find;
use crate::untrusted::clean_line;

/// Upper and lower case are the same.
fn has(text: &str, needle: &str) -> bool {
    text.to_lowercase().contains(&needle.to_lowercase())
}

/// Whether an entry has the text anywhere, folded away or not.
fn mentions(entry: &Entry, needle: &str) -> bool {
    match &entry.body {
        Body::User { text, .. } | Body::Note(text) | Body::Summary(text) => has(text, needle),
        Body::Answer(answer) => has(&answer.text, needle) || has(&answer.thinking, needle),
        Body::Trouble(trouble) => has(&trouble.headline, needle),
        Body::Call(card) => {
            let arguments = serde_json::to_string(&card.call.arguments).unwrap_or_default();
            has(&card.call.name, needle)
                || has(&arguments, needle)
                || matches!(&card.state, CallState::Done(result, _) if has(&result.text, needle))
        }
    }
}

/// The lines of a laid-out entry that have the text.
pub(super) fn lines_with(needle: &str, layout: &Layout) -> Vec<usize> {
    let text = |line: &Line<'_>| line.spans.iter().map(|s| &*s.content).collect::<String>();
    (0..layout.len())
        .filter(|at| layout.get(*at).is_some_and(|line| has(&text(line), needle)))
        .collect()
}

/// Looks from a place on, in the step's direction. Only entries that have the text are laid out; text
/// that is folded away or broken over two lines is found at its entry's first line.
pub(super) fn find(
    entries: &[Entry],
    needle: &str,
    step: Find,
    from: Option<(usize, usize)>,
    mut lines: impl FnMut(&Entry) -> Vec<usize>,
) -> Option<(usize, usize)> {
    if needle.is_empty() {
        return None;
    }
    let mut at = |place: usize, entry: &Entry| {
        if !mentions(entry, needle) {
            return Vec::new();
        }
        let mut found = lines(entry);
        if found.is_empty() {
            found.push(0);
        }
        found.into_iter().map(|line| (place, line)).collect()
    };
    let mut entries = entries.iter().enumerate();
    if step == Find::Newer {
        entries.find_map(|(place, entry)| {
            at(place, entry)
                .into_iter()
                .find(|spot| from.is_none_or(|from| *spot > from))
        })
    } else {
        entries.rev().find_map(|(place, entry)| {
            let found: Vec<(usize, usize)> = at(place, entry);
            found
                .into_iter()
                .rev()
                .find(|spot| from.is_none_or(|from| *spot < from))
        })
    }
}

/// Marks the text wherever it is on screen.
pub(super) fn mark(needle: &str, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let needle = needle.to_lowercase();
    if needle.is_empty() {
        return;
    }
    for y in area.y..area.bottom() {
        let mut row = String::new();
        // Where in the row's text each cell begins.
        let mut cells = Vec::with_capacity(usize::from(area.width));
        for x in area.x..area.right() {
            cells.push((row.len(), x));
            row.push_str(&buffer[(x, y)].symbol().to_lowercase());
        }
        for (start, found) in row.match_indices(&needle) {
            let end = start + found.len();
            for (_, x) in cells.iter().filter(|(at, _)| (start..end).contains(at)) {
                buffer[(*x, y)].set_style(theme.selected);
            }
        }
    }
}

/// The line where the text is typed.
pub(super) fn bar(needle: &str, found: bool, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let said = match (needle.is_empty(), found) {
        (true, _) => "type what to find in this chat",
        (false, true) => "Enter older · Down newer · Esc",
        (false, false) => "not in this chat · Esc",
    };
    let style = if needle.is_empty() || found {
        theme.dim
    } else {
        theme.warn
    };
    let room = usize::from(area.width).saturating_sub(said.len() + 12);
    Line::from(vec![
        Span::styled(" find: ", theme.key),
        Span::styled(clip(&clean_line(needle), room.max(8)), theme.text),
        Span::styled("▏ ", theme.key),
        Span::styled(said, style),
    ])
    .render(area, buffer);
}
