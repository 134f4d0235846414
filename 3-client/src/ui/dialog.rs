//! What lies over the chat: the question before a call, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};
use unicode_width::UnicodeWidthStr as _;

use super::theme::Theme;
use super::wrap::{Wrapper, clip, wrap};
use crate::agent::Target;
use crate::app::conversation::target_name;
use crate::app::{App, Pending};
use crate::untrusted::{clean, clean_line};

fn keys(theme: &Theme, pairs: &[(&'static str, &'static str)]) -> Vec<Span<'static>> {
    pairs
        .iter()
        .flat_map(|(key, what)| {
            [
                Span::styled(*key, theme.key),
                Span::styled(format!(" {what}   "), theme.text),
            ]
        })
        .collect()
}

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

/// The question before a call. The arguments are never shortened: what doesn't fit can be scrolled.
pub fn approval(app: &App, pending: &Pending, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let wanted = &pending.wanted;
    let server = match &wanted.target {
        Target::Tool { server, .. } => app.servers.get(*server),
        Target::Resource | Target::Unknown => app.chat_server().and_then(|p| app.servers.get(p)),
    };
    let width = area.width.saturating_sub(4).max(10);
    let mut lines = Vec::new();
    let mut first = Wrapper::new(width, Vec::new(), Vec::new());
    first.push("The model asks to call ", theme.text);
    first.push(
        &clean_line(&target_name(
            &wanted.target,
            &wanted.call,
            server.map(|s| s.name.as_str()),
        )),
        theme.tool,
    );
    lines.extend(first.finish());
    if let (Target::Tool { tool, .. }, Some(server)) = (&wanted.target, server)
        && let Some(tool) = server.catalog.tool(tool)
    {
        let words = tool.hints.words();
        if !words.is_empty() {
            lines.extend(wrap(
                &format!("The server calls it: {words}"),
                theme.dim,
                width,
            ));
        }
    }
    let arguments = serde_json::to_string_pretty(&wanted.call.arguments).unwrap_or_default();
    lines.extend(wrap(&clean(&arguments), theme.text, width));
    lines.push(Line::default());
    // Esc stands in the line below, too.
    let short = [("y", "once"), ("a", "always"), ("n", "no"), ("e", "edit")];
    let long = [
        ("y", "once"),
        ("a", "always in this chat"),
        ("n", "no"),
        ("e", "edit"),
        ("Esc", "stop"),
    ];
    let here = [("Tab", "answer this question (keys go to your message now)")];
    let here_short = [("Tab", "answer this question")];
    let wordings: [&[(&str, &str)]; 2] = if pending.focused {
        [&long, &short]
    } else {
        [&here, &here_short]
    };
    let [long, short] = wordings.map(|pairs| Line::from(keys(theme, pairs)));
    lines.push(if long.width() <= usize::from(width) {
        long
    } else {
        short
    });
    let keys = lines.split_off(lines.len() - 1);
    let inner = frame("Approve?", area, buffer, theme);
    let room = usize::from(inner.height.saturating_sub(1));
    // The keys stay visible. Longer arguments scroll; nothing is left out.
    let first = pending.scroll.min(lines.len().saturating_sub(room));
    let hidden = lines.len().saturating_sub(first + room);
    let shown = if hidden > 0 {
        room.saturating_sub(1)
    } else {
        room
    };
    let mut lines: Vec<Line<'static>> = lines.into_iter().skip(first).take(shown).collect();
    if hidden > 0 {
        lines.push(Line::styled(
            format!("↓ {} more lines: Down shows them", hidden + 1),
            theme.warn,
        ));
    }
    let bottom = inner.bottom().saturating_sub(1);
    let rows = (inner.y..inner.bottom()).zip(lines);
    // Last, so that they stand even where there is room for nothing else.
    for (y, line) in rows.chain(keys.into_iter().map(|keys| (bottom, keys))) {
        let place = Rect {
            x: inner.x + 1,
            y,
            width: inner.width.saturating_sub(1),
            height: 1,
        };
        line.render(place, buffer);
    }
}

/// How many rows the question wants, frame included.
#[must_use]
pub fn approval_height(pending: &Pending, width: u16) -> u16 {
    let arguments =
        serde_json::to_string_pretty(&pending.wanted.call.arguments).unwrap_or_default();
    let lines = wrap(
        &clean(&arguments),
        Theme::named(crate::config::ThemeName::Mono, true).text,
        width.saturating_sub(4).max(10),
    );
    u16::try_from(lines.len() + 6).unwrap_or(u16::MAX)
}
