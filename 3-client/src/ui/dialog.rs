//! What lies over the chat: the question before a call, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};
use unicode_width::UnicodeWidthStr as _;

use super::{
    fold::Folded,
    theme::Theme,
    wrap::{clip, wrap},
};
use crate::{
    agent::Target,
    app::{App, Consent, Pending, conversation::purpose},
    untrusted::scripts,
};

/// The first of these that fits, or the last: a key that is cut off is a key that nobody finds.
pub(super) fn fitting<'a>(wordings: &[&'a str], width: u16) -> &'a str {
    wordings
        .iter()
        .find(|words| words.width() <= usize::from(width))
        .or(wordings.last())
        .copied()
        .unwrap_or_default()
}

/// Says on the frame's lower edge that what is inside goes on, and how to see it.
pub(super) fn goes_on(inner: Rect, hidden: usize, how: &str, buffer: &mut Buffer, theme: &Theme) {
    if hidden == 0 {
        return;
    }
    let lines = if hidden == 1 { "line" } else { "lines" };
    let place = Rect {
        y: inner.bottom(),
        height: 1,
        ..inner
    };
    Line::styled(
        clip(
            &format!(" ↓ {hidden} more {lines}: {how} "),
            inner.width.into(),
        ),
        theme.warn,
    )
    .render(place.intersection(*buffer.area()), buffer);
}

/// A framed box over the chat; returns the place inside.
pub(super) fn frame(title: &str, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Rect {
    Clear.render(area, buffer);
    let block = Block::bordered()
        .border_style(theme.frame)
        .title(Span::styled(format!(" {title} "), theme.title));
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

/// The question before a call, with its arguments folded once.
#[derive(Default)]
pub struct Approval {
    /// Which call, and at which width.
    of: Option<(u64, u16)>,
    folded: Option<Folded>,
}

impl Approval {
    /// Folds the arguments, when it isn't done yet, and says how many rows the question wants.
    pub fn height(&mut self, pending: &Pending, width: u16) -> u16 {
        if self.of != Some((pending.entry, width)) {
            self.of = Some((pending.entry, width));
            let arguments = &pending.wanted.call.arguments;
            self.folded = Some(Folded::arguments(arguments, width.saturating_sub(4)));
        }
        let rows = self.folded.as_ref().map_or(0, Folded::height);
        // The frame, the question, what the server says, the line above the menu, the menu.
        u16::try_from(rows + 6).unwrap_or(u16::MAX)
    }

    /// Forgets the arguments of a call that waits no longer.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Draws it. The arguments come first and are never shortened: what doesn't fit is paged through,
    /// and how much of it nobody has seen yet stands beside the answers.
    pub fn draw(
        &self,
        app: &App,
        pending: &Pending,
        area: Rect,
        buffer: &mut Buffer,
        theme: &Theme,
    ) {
        let Some(folded) = &self.folded else { return };
        Clear.render(area, buffer);
        let block = Block::bordered()
            .border_type(BorderType::Thick)
            .border_style(theme.title)
            .title(Span::styled(" Approve? ", theme.selected));
        let inner = block.inner(area);
        block.render(area, buffer);
        let width = inner.width.saturating_sub(2);
        let (menu, how) = menu(app, pending, width, theme);
        // The answers and the line above them stay, whatever the room; so does a row of the arguments.
        let room = usize::from(inner.height.saturating_sub(2));
        let mut lines = question(app, pending, width, theme);
        lines.truncate(room.saturating_sub(1));
        let left = room - lines.len();
        let has_arguments = !matches!(pending.wanted.target, Target::MoreRounds(_));
        let rows = if has_arguments {
            left.min(folded.height())
        } else {
            0
        };
        let first = pending.scroll.min(folded.height() - rows);
        let shown = (first..first + rows).filter_map(|at| folded.row(at));
        lines.extend(shown.map(|row| Line::styled(row, theme.text)));
        let hints = hints(app, pending, width, theme);
        if hints.len() <= left - rows {
            lines.extend(hints);
        }
        let reading = pending.reading.get();
        let all = if has_arguments { folded.height() } else { 0 };
        let reading = reading.with(area.width, all, first, rows);
        pending.reading.set(reading);
        let note = match reading.unseen() {
            0 => how,
            unseen => {
                let lines = if unseen == 1 { "line" } else { "lines" };
                let text = format!("unseen: {unseen} {lines} · PageDown reads on");
                Line::styled(clip(&text, width.into()), theme.warn)
            }
        };
        let bottom = inner.bottom().saturating_sub(1);
        let rows = (inner.y..).zip(lines);
        // Last, so that they stand even where there is room for nothing else.
        for (y, line) in rows.chain([(bottom.saturating_sub(1), note), (bottom, menu)]) {
            let place = Rect {
                x: inner.x + 1,
                y,
                width: inner.width.saturating_sub(1),
                height: 1,
            };
            line.render(place.intersection(inner), buffer);
        }
    }
}

/// What is asked, and of whom.
fn question(app: &App, pending: &Pending, width: u16, theme: &Theme) -> Vec<Line<'static>> {
    let wanted = &pending.wanted;
    let server = wanted.target.server().and_then(|at| app.servers.get(at));
    let what = purpose(
        &wanted.target,
        &wanted.call,
        server.map(|s| s.name.as_str()),
    );
    let mut lines = wrap(&format!("The model asks to {what}"), theme.tool, width);
    if let Target::Tool { tool, .. } = &wanted.target {
        let foreign = scripts(tool);
        if !foreign.is_empty() {
            let text = format!(
                "Its name has letters of another script: {}",
                foreign.join(", ")
            );
            lines.extend(wrap(&text, theme.warn, width));
        }
    }
    lines
}

/// What the server says of the tool, where there is room for it.
fn hints(app: &App, pending: &Pending, width: u16, theme: &Theme) -> Vec<Line<'static>> {
    let Target::Tool { server, tool, .. } = &pending.wanted.target else {
        return Vec::new();
    };
    let tool = app.servers.get(*server).and_then(|s| s.catalog.tool(tool));
    match tool.map(|tool| tool.hints.words()) {
        Some(words) if !words.is_empty() => {
            wrap(&format!("The server calls it: {words}"), theme.dim, width)
        }
        _ => Vec::new(),
    }
}

/// The answers in one line, the chosen one marked; and the line above them.
fn menu(app: &App, pending: &Pending, width: u16, theme: &Theme) -> (Line<'static>, Line<'static>) {
    let words = |consent| match consent {
        Consent::No => ["n No", "n No"],
        Consent::Once => ["y Yes, once", "y Once"],
        Consent::Always => ["a Yes, always in this chat", "a Always"],
        Consent::Edit => ["e Edit", "e Edit"],
    };
    let line = |wording: usize| {
        let spans = Consent::ALL.into_iter().flat_map(|consent| {
            let chosen = consent == pending.consent;
            let style = if chosen { theme.selected } else { theme.text };
            let mark = if chosen { "▸" } else { " " };
            [
                Span::styled(format!("{mark}{} ", words(consent)[wording]), style),
                Span::raw(" "),
            ]
        });
        Line::from_iter(spans)
    };
    let long = line(0);
    let menu = if long.width() <= usize::from(width) {
        long
    } else {
        line(1)
    };
    let has_keys = pending.taken || app.chat().input.text().is_empty();
    let how = if has_keys {
        "← → or a letter chooses · Enter carries it out · Esc stops"
    } else {
        "keys go to your message · Tab answers this"
    };
    let short = if has_keys {
        "a letter chooses, Enter carries out"
    } else {
        "Tab answers this"
    };
    (
        menu,
        Line::styled(fitting(&[how, short], width).to_owned(), theme.dim),
    )
}
