//! The wire pane: a list of messages, the one under the cursor, what it means, and what the server
//! itself recorded of it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::dialog::{fitting, frame};
use super::theme::Theme;
use super::wrap::{clip, wrap};
use crate::app::wire_pane::WirePane;
use crate::untrusted::{clean, clean_line};
use crate::wire::explain::explain;
use crate::wire::record::Record;
use crate::wire::{Direction, Entry, Kind};

fn size(bytes: usize) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn summary(entry: &Entry, several: bool, theme: &Theme) -> Vec<Span<'static>> {
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
    let status = entry.status().map(|s| format!(" {s}")).unwrap_or_default();
    let took = entry
        .took
        .map(|t| format!(" {} ms", t.as_millis()))
        .unwrap_or_default();
    // Numbers of requests count for one server; with several, the same one stands there twice.
    let server = if several {
        format!("{} ", clean_line(&entry.server))
    } else {
        String::new()
    };
    vec![
        Span::styled(format!("{:>8.3} ", entry.at.as_secs_f64()), theme.dim),
        Span::styled(server, theme.dim),
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
    lines.extend(wrap(&clean(&entry.pretty()), theme.text, width));
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

/// The server's own record of the message under the cursor, when there is one to show.
fn recorded(pane: &WirePane, theme: &Theme, width: u16) -> Vec<Line<'static>> {
    if pane.asked().is_none() {
        return Vec::new();
    }
    let Some(record) = pane.record() else {
        let why = match (&pane.no_records, &pane.records) {
            (Some(why), _) => format!("server's record: {}", clean_line(why)),
            (None, Some(_)) => "server's record: none of this message".to_owned(),
            (None, None) => return Vec::new(),
        };
        return wrap(&why, theme.dim, width);
    };
    let said = format!("server's record: {}", clean(&record.words()));
    let mut lines = wrap(&said, outcome(record, theme), width);
    for inside in pane.inside(record).take(4) {
        let said = format!("  inside it: {} · {}", inside.headline(), inside.words());
        lines.extend(wrap(&clean(&said), outcome(inside, theme), width));
    }
    lines
}

fn outcome(record: &Record, theme: &Theme) -> Style {
    match record.outcome.as_str() {
        "SUCCESS" => theme.good,
        "THROTTLED" | "CANCELLED" | "TIMEOUT" => theme.warn,
        _ => theme.bad,
    }
}

/// The whole record, the newest first.
fn listing(pane: &WirePane, theme: &Theme, width: u16) -> Vec<Line<'static>> {
    let Some(records) = &pane.records else {
        let why = pane.no_records.as_deref();
        let why = why.unwrap_or("this server keeps no record that you can read (audit://me)");
        return wrap(&clean(why), theme.dim, width);
    };
    let lines = |record: &Record| {
        let mut lines = wrap(&clean(&record.headline()), theme.title, width);
        let words = format!("  {}", record.words());
        lines.extend(wrap(&clean(&words), outcome(record, theme), width));
        lines
    };
    records.iter().rev().flat_map(lines).collect()
}

/// Lines with the first ones scrolled away.
fn scrolled(lines: Vec<Line<'static>>, scroll: usize, area: Rect, buffer: &mut Buffer) {
    let first = scroll.min(lines.len().saturating_sub(usize::from(area.height)));
    put(lines.into_iter().skip(first), area, buffer);
}

/// Draws the pane.
pub fn pane(pane: &WirePane, several: bool, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let title = fitting(
        &[
            "Wire · Enter whole · o pair · / filter · p all · u record · s save · Esc",
            "Wire · Enter · o · / · p · u · s · Esc",
            "Wire · Enter o / p u s Esc",
        ],
        area.width.saturating_sub(4),
    );
    let inner = frame(title, area, buffer, theme);
    if pane.listing {
        scrolled(
            listing(pane, theme, inner.width),
            pane.scroll,
            inner,
            buffer,
        );
        return;
    }
    let visible = pane.visible();
    let Some(current) = pane.current() else {
        Line::styled("no messages yet", theme.dim).render(inner, buffer);
        return;
    };
    if pane.whole {
        scrolled(
            body(current, theme, inner.width),
            pane.scroll,
            inner,
            buffer,
        );
        return;
    }
    let explanation = explain(current);
    let mut said = wrap(explanation.text, theme.text, inner.width);
    said.extend(wrap(
        &format!("§ {}", explanation.section),
        theme.link,
        inner.width,
    ));
    said.extend(recorded(pane, theme, inner.width));
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
        Line::from(summary(entry, several, theme)).render(place, buffer);
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
