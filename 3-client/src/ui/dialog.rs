//! What lies over the chat: the question before a call, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use super::theme::Theme;
use super::wrap::{Wrapper, wrap};
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
    lines.push(if pending.focused {
        Line::from(keys(
            theme,
            &[
                ("y", "once"),
                ("a", "always in this chat"),
                ("n", "no"),
                ("Esc", "stop"),
            ],
        ))
    } else {
        Line::from(keys(
            theme,
            &[("Tab", "answer this question (keys go to your message now)")],
        ))
    });
    let height = u16::try_from(lines.len() + 2)
        .unwrap_or(u16::MAX)
        .min(area.height);
    let place = Rect {
        x: area.x,
        y: area.bottom() - height,
        width: area.width,
        height,
    };
    let inner = frame("Approve?", place, buffer, theme);
    let room = usize::from(inner.height);
    // The keys stay visible; of longer arguments, the rest is in the transcript, which scrolls.
    let shown: Vec<Line<'static>> = if lines.len() <= room || room < 3 {
        lines
    } else {
        let last = lines.pop().unwrap_or_default();
        let hidden = lines.len() - (room - 2);
        lines.truncate(room - 2);
        lines.push(Line::styled(
            format!("… {hidden} more lines: PageUp shows the whole call"),
            theme.warn,
        ));
        lines.push(last);
        lines
    };
    for (y, line) in (inner.y..inner.bottom()).zip(shown) {
        line.render(
            Rect {
                x: inner.x + 1,
                y,
                width: inner.width.saturating_sub(1),
                height: 1,
            },
            buffer,
        );
    }
}

/// The keys.
pub fn help(area: Rect, buffer: &mut Buffer, theme: &Theme) {
    const KEYS: [(&str, &str); 14] = [
        ("Enter", "send; while an answer streams: queue"),
        ("Alt-Enter, Ctrl-J", "new line"),
        ("Esc", "stop the answer; the server is told"),
        ("Ctrl-C", "stop, then clear the input, then leave"),
        ("Ctrl-D", "leave, when the input is empty"),
        (
            "PageUp, PageDown",
            "scroll (also Ctrl-Up, Ctrl-Down, wheel)",
        ),
        ("Ctrl-Home, Ctrl-End", "first line, last line"),
        ("Up, Down", "line, then earlier messages"),
        ("Ctrl-T", "fold or unfold the newest thinking or result"),
        ("Ctrl-R", "connect again"),
        ("Tab", "answer a waiting question, or go on typing"),
        ("y a n", "once, always in this chat, no"),
        ("Ctrl-W, Ctrl-U", "delete a word, to the line's start"),
        ("? or F1", "this page; any key closes it"),
    ];
    let height = u16::try_from(KEYS.len() + 2)
        .unwrap_or(u16::MAX)
        .min(area.height);
    let width = area.width.min(72);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let inner = frame("Keys", place, buffer, theme);
    for (y, (key, what)) in (inner.y..inner.bottom()).zip(KEYS) {
        let line = Line::from(vec![
            Span::styled(format!(" {key:<20} "), theme.key),
            Span::styled(what, theme.text),
        ]);
        line.render(
            Rect {
                y,
                height: 1,
                ..inner
            },
            buffer,
        );
    }
}
