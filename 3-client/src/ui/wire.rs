//! The wire pane: a list of messages, the one under the cursor, and what it means.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::dialog::frame;
use super::theme::Theme;
use super::wrap::{clip, wrap};
use crate::app::wire_pane::WirePane;
use crate::untrusted::{clean, clean_line};
use crate::wire::explain::explain;
use crate::wire::{Direction, Entry, Kind};

fn size(bytes: usize) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn summary(entry: &Entry, theme: &Theme) -> Vec<Span<'static>> {
    let (arrow, style) = match (entry.direction, entry.kind) {
        (_, Kind::Error) => ("←", theme.bad),
        (Direction::Out, _) => ("→", theme.tool),
        (Direction::In, Kind::Notification) => ("←", theme.dim),
        (Direction::In, _) => ("←", theme.good),
    };
    let what = match entry.kind {
        Kind::Request => "",
        Kind::Response => " result",
        Kind::Error => " error",
        Kind::Notification => "",
        Kind::Http => "HTTP",
    };
    let method = clean_line(entry.method.as_deref().unwrap_or_default());
    let target = entry
        .target
        .as_deref()
        .map(|t| format!(" {t}"))
        .unwrap_or_default();
    let id = entry
        .id
        .as_deref()
        .map(|id| format!(" #{}", crate::untrusted::label(id, 12)))
        .unwrap_or_default();
    let status = entry
        .http
        .as_ref()
        .and_then(|h| h.status)
        .map(|s| format!(" {s}"))
        .unwrap_or_default();
    let took = entry
        .took
        .map(|t| format!(" {} ms", t.as_millis()))
        .unwrap_or_default();
    vec![
        Span::styled(format!("{:>8.3} ", entry.at.as_secs_f64()), theme.dim),
        Span::styled(format!("{arrow} "), style),
        Span::styled(format!("{method}{target}{what}"), style),
        Span::styled(
            format!("{id}{status} {}{took}", size(entry.bytes)),
            theme.dim,
        ),
    ]
}

fn body(entry: &Entry, theme: &Theme, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(http) = &entry.http {
        let status = http
            .status
            .map_or_else(|| "request headers".to_owned(), |s| format!("HTTP {s}"));
        lines.push(Line::styled(status, theme.title));
        for (name, value) in &http.headers {
            lines.extend(wrap(
                &clean_line(&format!("{name}: {value}")),
                theme.dim,
                width,
            ));
        }
        lines.push(Line::default());
    }
    let pretty = serde_json::from_str::<serde_json::Value>(&entry.body)
        .ok()
        .and_then(|v| serde_json::to_string_pretty(&v).ok());
    let text = pretty.as_deref().unwrap_or(&entry.body);
    lines.extend(wrap(&clean(text), theme.text, width));
    if entry.body.len() < entry.bytes {
        lines.push(Line::styled(
            format!(
                "cut: {} of {} bytes are kept",
                entry.body.len(),
                entry.bytes
            ),
            theme.warn,
        ));
    }
    lines
}

fn put(lines: impl IntoIterator<Item = Line<'static>>, area: Rect, buffer: &mut Buffer) {
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        line.render(
            Rect {
                y,
                height: 1,
                ..area
            },
            buffer,
        );
    }
}

/// Draws the pane.
pub fn pane(pane: &WirePane, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let inner = frame(
        "Wire · Enter whole · o pair · / filter · p progress · u audit · s save · Esc",
        area,
        buffer,
        theme,
    );
    if let Some(audit) = &pane.audit {
        put(wrap(&clean(audit), theme.text, inner.width), inner, buffer);
        return;
    }
    let visible = pane.visible();
    let Some(current) = pane.current() else {
        Line::styled("no messages yet", theme.dim).render(inner, buffer);
        return;
    };
    if pane.whole {
        let lines = body(current, theme, inner.width);
        let first = pane
            .scroll
            .min(lines.len().saturating_sub(usize::from(inner.height)));
        put(lines.into_iter().skip(first), inner, buffer);
        return;
    }
    let explanation = explain(current);
    let mut said = wrap(explanation.text, theme.text, inner.width);
    said.extend(wrap(
        &format!("§ {}", explanation.section),
        theme.link,
        inner.width,
    ));
    let said_rows = u16::try_from(said.len())
        .unwrap_or(u16::MAX)
        .min(inner.height / 2);
    let filter_row = u16::from(pane.filtering || !pane.filter.is_empty());
    let upper = Rect {
        height: inner.height - said_rows - filter_row,
        ..inner
    };
    let wide = inner.width >= 100;
    let list = if wide {
        Rect {
            width: inner.width / 2,
            ..upper
        }
    } else {
        upper
    };
    let at = visible.partition_point(|e| e.seq < current.seq);
    let rows = usize::from(list.height);
    let first = at.saturating_sub(rows.saturating_sub(1)).max(
        visible
            .len()
            .saturating_sub(rows)
            .min(at.saturating_sub(rows / 2)),
    );
    for (y, entry) in (list.y..list.bottom()).zip(visible.iter().skip(first)) {
        let place = Rect {
            y,
            height: 1,
            ..list
        };
        Line::from(summary(entry, theme)).render(place, buffer);
        if entry.seq == current.seq {
            buffer.set_style(place, theme.selected);
        } else if current.pair == Some(entry.seq) {
            buffer.set_style(place, theme.title);
        }
    }
    if wide {
        let right = Rect {
            x: list.right() + 1,
            width: inner.width - list.width - 1,
            ..upper
        };
        put(body(current, theme, right.width), right, buffer);
    }
    if filter_row == 1 {
        let text = format!("/{}", clean_line(&pane.filter));
        Line::styled(clip(&text, inner.width.into()), theme.key).render(
            Rect {
                y: upper.bottom(),
                height: 1,
                ..inner
            },
            buffer,
        );
    }
    put(
        said,
        Rect {
            y: inner.bottom() - said_rows,
            height: said_rows,
            ..inner
        },
        buffer,
    );
}
