//! The header, the state line and the input.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::dialog::fitting;
use super::theme::Theme;
use super::wrap::clip;
use crate::app::{App, Connection, Phase, Server, conversation};
use crate::failure::{Kind, seconds};
use crate::untrusted::{clean, clean_line};

/// How one server stands, in words and colour.
fn standing(server: &Server, app: &App, theme: &Theme) -> (String, Style) {
    let style = match &server.connection {
        Connection::Connecting => theme.warn,
        Connection::Ready if server.in_the_clear || !server.held.items().is_empty() => theme.warn,
        Connection::Ready => theme.good,
        Connection::Down(failure, _) => match failure.kind() {
            Kind::SignedOut | Kind::Forbidden | Kind::Cancelled | Kind::Broken => theme.bad,
            Kind::Throttled | Kind::Overloaded | Kind::Away | Kind::Held => theme.warn,
        },
    };
    (server.standing(app.now), style)
}

fn provider(server: &Server) -> String {
    let models = &server.catalog.models;
    match (models.provider.as_str(), &models.default_model) {
        ("tutor", _) => "tutor (no language model)".into(),
        ("", _) => String::new(),
        (provider, Some(model)) => format!("{provider} {model}"),
        (provider, None) => provider.to_owned(),
    }
}

/// One line: who we talk to, as whom, and who answers.
pub fn header(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let chat = app.chat_server().unwrap_or(0);
    let Some(server) = app.servers.get(chat) else {
        return;
    };
    let (words, style) = standing(server, app, theme);
    let mut spans = vec![
        Span::styled(format!(" {}", server.name), theme.title),
        Span::styled(" ● ", style),
        Span::styled(words, style),
    ];
    if server.connection == Connection::Ready {
        if area.width >= 60 {
            spans.push(Span::styled(
                format!(" · {}", clean_line(&server.catalog.protocol)),
                theme.dim,
            ));
        }
        let who = app
            .chat()
            .model
            .clone()
            .filter(|_| server.catalog.models.provider != "tutor")
            .unwrap_or_else(|| provider(server));
        if !who.is_empty() {
            spans.push(Span::styled(format!(" · {}", clean_line(&who)), theme.dim));
        }
    }
    if let Some(context) = conversation::context(&app.chat().entries).filter(|c| c.size > 0) {
        let full = context.used.saturating_mul(100) / context.size;
        let style = if full >= 80 { theme.warn } else { theme.dim };
        let word = if area.width >= 60 { "context " } else { "" };
        spans.push(Span::styled(format!(" · {word}{full}%"), style));
    }
    if app.chat().left_out > 0 {
        let text = format!(" · {} left out", app.chat().left_out);
        spans.push(Span::styled(text, theme.warn));
    }
    if app.servers.len() > 1 {
        let ready = app
            .servers
            .iter()
            .filter(|s| s.connection == Connection::Ready)
            .count();
        spans.push(Span::styled(
            format!(" · {ready}/{} servers", app.servers.len()),
            theme.dim,
        ));
    }
    Line::from(spans).render(area, buffer);
    if app.chats.len() > 1 {
        let text = format!(
            " {} ({}/{}) ",
            clip(&clean(&app.chat().name), 20),
            app.current + 1,
            app.chats.len()
        );
        let width = u16::try_from(text.width()).unwrap_or(0).min(area.width);
        Line::styled(text, theme.title).render(
            Rect {
                x: area.right() - width,
                width,
                ..area
            },
            buffer,
        );
    }
}

/// What is going on, with the time it takes.
pub fn state(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let chat = app.chat();
    let mut spans = Vec::new();
    if let Some(running) = &chat.running {
        let (words, style) = match &running.phase {
            Phase::Sent => ("sent, waiting for the first sign".to_owned(), theme.dim),
            Phase::Queued(place) if place.is_empty() => ("queued at the server".into(), theme.warn),
            Phase::Queued(place) => (format!("queued at the server: {place}"), theme.warn),
            Phase::Loading => ("loading the model".into(), theme.warn),
            Phase::Thinking => ("thinking".into(), theme.thinking),
            Phase::Answering => ("answering".into(), theme.good),
            Phase::Deciding => ("waiting for you".into(), theme.warn),
            Phase::Calling(tool) => (format!("calling {}", clip(&clean(tool), 40)), theme.tool),
        };
        let elapsed = app.now.saturating_sub(running.since);
        spans.push(Span::styled(
            format!(" {words} {:.0} s", elapsed.as_secs_f64().floor()),
            style,
        ));
        spans.push(Span::styled(" · Esc stops", theme.dim));
        if !chat.queue.is_empty() {
            spans.push(Span::styled(
                format!(" · {} queued", chat.queue.len()),
                theme.warn,
            ));
        }
    } else if !chat.queue.is_empty() {
        let text = format!(" waiting for the connection · {} queued", chat.queue.len());
        spans.push(Span::styled(text, theme.warn));
    } else if let Some(left) = chat
        .retry_at
        .and_then(|at| at.checked_sub(app.now))
        .filter(|left| !left.is_zero())
    {
        spans.push(Span::styled(
            format!(" throttled: send again in {}", seconds(left)),
            theme.warn,
        ));
    } else if chat.attached.is_empty() {
        let keys = fitting(
            &[
                " Enter sends · / commands · @ attach · F2 wire · ? keys",
                " Enter sends · / commands · ? keys",
            ],
            area.width,
        );
        spans.push(Span::styled(keys, theme.dim));
    }
    for attachment in &chat.attached {
        spans.push(Span::styled(
            format!(" @{}", clip(&clean(&attachment.uri), 30)),
            theme.user,
        ));
    }
    Line::from(spans).render(area, buffer);
}

/// The input's lines and where the cursor is in them, folded at `width` by characters, so that a
/// wide character puts the cursor where the terminal draws it.
pub(super) fn input_lines(
    text: &str,
    cursor: usize,
    width: usize,
) -> (Vec<String>, (usize, usize)) {
    let mut lines = vec![String::new()];
    let mut used = 0;
    let mut place = (0, 0);
    for (at, grapheme) in text.grapheme_indices(true) {
        if at == cursor {
            place = (lines.len() - 1, used);
        }
        if grapheme == "\n" {
            lines.push(String::new());
            used = 0;
            continue;
        }
        let shown = clean(grapheme);
        let w = shown.width();
        if used + w > width {
            lines.push(String::new());
            used = 0;
            if at == cursor {
                place = (lines.len() - 1, 0);
            }
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(&shown);
        }
        used += w;
    }
    if cursor >= text.len() {
        place = if used >= width {
            (lines.len(), 0)
        } else {
            (lines.len() - 1, used)
        };
        if used >= width {
            lines.push(String::new());
        }
    }
    (lines, place)
}

/// How many rows the input wants.
#[must_use]
pub fn input_height(app: &App, width: u16, most: u16) -> u16 {
    let input = &app.chat().input;
    let (lines, _) = input_lines(
        input.text(),
        input.cursor(),
        usize::from(width.saturating_sub(2)).max(2),
    );
    u16::try_from(lines.len())
        .unwrap_or(most)
        .clamp(1, most.max(1))
}

/// Draws the input and says where the cursor belongs.
pub fn input(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Position {
    let input = &app.chat().input;
    let width = usize::from(area.width.saturating_sub(2)).max(2);
    let (lines, (row, column)) = input_lines(input.text(), input.cursor(), width);
    let height = usize::from(area.height.max(1));
    let first = (row + 1).saturating_sub(height);
    for (y, line) in lines.iter().skip(first).take(height).enumerate() {
        let mark = if first + y == 0 { "> " } else { "  " };
        let line = Line::from(vec![
            Span::styled(mark, theme.key),
            Span::styled(line.clone(), theme.text),
        ]);
        line.render(
            Rect {
                y: area.y + u16::try_from(y).unwrap_or(0),
                height: 1,
                ..area
            },
            buffer,
        );
    }
    if input.text().is_empty() {
        let hint = if app.chat().running.is_some() {
            "type the next message; it is sent when this answer ends"
        } else {
            "ask something; \"what is MCP?\" is a good start"
        };
        Line::styled(clip(hint, width), theme.dim).render(
            Rect {
                x: area.x + 2,
                width: area.width.saturating_sub(2),
                height: 1,
                ..area
            },
            buffer,
        );
    }
    let x = area.x + 2 + u16::try_from(column).unwrap_or(0);
    Position::new(
        x.min(area.right().saturating_sub(1)),
        area.y + u16::try_from(row - first).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stands_behind_wide_characters_and_emoji() {
        assert_eq!(input_lines("日本", 6, 10).1, (0, 4));
        assert_eq!(input_lines("👩‍👩‍👧‍👦x", "👩‍👩‍👧‍👦".len(), 10).1, (0, 2));
    }

    #[test]
    fn a_full_line_puts_the_cursor_on_the_next() {
        assert_eq!(
            input_lines("abcd", 4, 4),
            (vec!["abcd".into(), String::new()], (1, 0))
        );
    }

    #[test]
    fn a_wide_character_that_does_not_fit_moves_to_the_next_line_with_the_cursor() {
        assert_eq!(input_lines("abc日", 3, 4).1, (1, 0));
    }
}
