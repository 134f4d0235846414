//! Lists, forms and texts over the chat.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use super::dialog::{frame, goes_on};
use super::entry::MAX_ROWS;
use super::theme::Theme;
use super::wrap::{clip, wrap};
use crate::app::App;
use crate::app::form::{Form, Kind as FieldKind, Purpose};
use crate::app::overlays::Text;
use crate::app::picker::{Item, Kind, Picker};
use crate::editor::Editor;
use crate::untrusted::{clean, clean_line, name};

fn row(area: Rect, y: u16) -> Rect {
    Rect {
        y,
        height: 1,
        ..area
    }
}

/// A list with its filter, and what the line under the cursor is about.
pub fn picker(app: &App, picker: &Picker, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let title = match picker.kind {
        Kind::Tools => "Tools · Enter runs one",
        Kind::Resources => "Resources · Enter reads one",
        Kind::Attach => "Attach a resource",
        Kind::Prompts => "Prompts",
        Kind::Models => "Models",
        Kind::Chats => "Chats · type to search",
        Kind::Copy => "Copy",
        Kind::Commands => "Commands",
        Kind::Changes => "Held back · Enter shows the change",
        Kind::Servers => "Servers · Enter shows what can be done",
        Kind::Server(_) => "This server",
        Kind::Switches(_) => "Tools · Enter turns one on or off",
    };
    let inner = frame(title, area, buffer, theme);
    if inner.height == 0 {
        return;
    }
    let prompt = if picker.kind == Kind::Commands {
        "/"
    } else {
        "filter: "
    };
    Line::from(vec![
        Span::styled(prompt, theme.key),
        Span::styled(clean_line(&picker.filter), theme.text),
        Span::styled("▏", theme.key),
    ])
    .render(row(inner, inner.y), buffer);
    let items = picker.items(app);
    if items.is_empty() {
        Line::styled("nothing here", theme.dim).render(row(inner, inner.y + 1), buffer);
        return;
    }
    let selected = picker.selected.min(items.len() - 1);
    let detail = wrap(&clean(&items[selected].detail), theme.dim, inner.width);
    let detail_rows = if items[selected].detail.is_empty() {
        0
    } else {
        u16::try_from(detail.len())
            .unwrap_or(u16::MAX)
            .min(inner.height / 2)
    };
    let rows = inner.height.saturating_sub(1 + detail_rows);
    let first = (selected + 1).saturating_sub(usize::from(rows));
    let name_width = items
        .iter()
        .map(|i| i.name.width())
        .max()
        .unwrap_or(8)
        .clamp(8, usize::from(inner.width / 2).max(8));
    // Names of servers' things may look like others; what people wrote is theirs.
    let named = |item: &Item| match picker.kind {
        Kind::Chats | Kind::Copy | Kind::Commands => clean_line(&item.name),
        _ => name(&item.name),
    };
    for (y, (n, item)) in
        (inner.y + 1..inner.y + 1 + rows).zip(items.iter().enumerate().skip(first))
    {
        let shown = clip(&named(item), name_width);
        let pad = " ".repeat(name_width.saturating_sub(shown.width()) + 2);
        let style = if n == selected {
            theme.selected
        } else {
            theme.text
        };
        let about = clip(
            &clean_line(&item.about),
            usize::from(inner.width).saturating_sub(name_width + 2),
        );
        Line::from(vec![
            Span::styled(shown, style),
            Span::raw(pad),
            Span::styled(about, theme.dim),
        ])
        .render(row(inner, y), buffer);
    }
    let hidden = if detail_rows == 0 {
        0
    } else {
        detail.len().saturating_sub(detail_rows.into())
    };
    for (y, line) in (inner.bottom() - detail_rows..inner.bottom()).zip(detail) {
        line.render(row(inner, y), buffer);
    }
    goes_on(inner, hidden, "→ shows all", buffer, theme);
}

/// A form; says where the cursor belongs.
pub fn form(form: &Form, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Option<Position> {
    let keys = match form.purpose {
        Purpose::Answer { .. } => "Enter answers · Esc puts it away",
        _ => "Enter sends · Esc leaves",
    };
    let inner = frame(
        &format!("{} · {keys}", name(&form.title)),
        area,
        buffer,
        theme,
    );
    let mut y = inner.y;
    let mut cursor = None;
    if !form.about.is_empty() {
        let about = wrap(&clean(&form.about), theme.text, inner.width);
        // A long speech leaves room for the fields, and is read through page by page.
        let room = usize::from(inner.height / 2).max(2);
        let is_long = about.len() > room;
        let rows = if is_long { room - 1 } else { room };
        let first = form.scroll.min(about.len().saturating_sub(rows));
        let more = about.len().saturating_sub(first + rows);
        let reading = form.reading.get();
        form.reading
            .set(reading.with(inner.width, about.len(), first, rows));
        for line in about.into_iter().skip(first).take(rows) {
            line.render(row(inner, y), buffer);
            y += 1;
        }
        if is_long {
            let text = format!("↓ {more} more lines of it: PageDown, PageUp");
            Line::styled(clip(&text, inner.width.into()), theme.warn).render(row(inner, y), buffer);
            y += 1;
        }
        y += 1;
    }
    if form.fields.is_empty() && y < inner.bottom() {
        Line::styled("nothing to fill in: Enter sends", theme.dim).render(row(inner, y), buffer);
        y += 1;
    }
    // Fields above the cursor give way when there isn't room for all.
    let skip = form.focus.saturating_sub(usize::from(inner.height / 4));
    for (n, field) in form.fields.iter().enumerate().skip(skip) {
        if y >= inner.bottom() {
            break;
        }
        let kind = match field.kind {
            FieldKind::Text => "text",
            FieldKind::Integer => "whole number",
            FieldKind::Number => "number",
            FieldKind::Bool => "yes or no",
            FieldKind::Json => "JSON",
            FieldKind::Secret => "not shown",
        };
        let needed = if field.required { ", needed" } else { "" };
        let choices = if field.choices.is_empty() {
            String::new()
        } else {
            format!(" · Ctrl-Space: {}", field.choices.join(", "))
        };
        let style = if n == form.focus {
            theme.key
        } else {
            theme.title
        };
        let about = format!("  {kind}{needed} · {}{choices}", field.description);
        let label = name(&field.name);
        let room = usize::from(inner.width).saturating_sub(label.width());
        Line::from(vec![
            Span::styled(label, style),
            Span::styled(clip(&clean_line(&about), room), theme.dim),
        ])
        .render(row(inner, y), buffer);
        y += 1;
        let width = usize::from(inner.width.saturating_sub(2)).max(2);
        let (shown, at) = match field.kind {
            FieldKind::Secret => dots(&field.editor),
            _ => (field.editor.text().to_owned(), field.editor.cursor()),
        };
        let (lines, (line, column)) = super::bars::input_lines(&shown, at, width);
        let most = usize::from(inner.bottom().saturating_sub(y + 2))
            .clamp(1, if field.kind == FieldKind::Json { 30 } else { 4 });
        let first = (line + 1).saturating_sub(most);
        for (k, text) in lines.iter().enumerate().skip(first).take(most) {
            if y >= inner.bottom() {
                break;
            }
            if n == form.focus && k == line {
                cursor = Some(Position::new(
                    inner.x + 2 + u16::try_from(column).unwrap_or(0),
                    y,
                ));
            }
            Line::from(vec![
                Span::styled(if n == form.focus { "▸ " } else { "  " }, theme.key),
                Span::styled(text.clone(), theme.text),
            ])
            .render(row(inner, y), buffer);
            y += 1;
        }
    }
    if !form.proposals.is_empty() && y < inner.bottom() {
        let text = format!("Ctrl-Space: {}", form.proposals.join(", "));
        Line::styled(clip(&clean_line(&text), inner.width.into()), theme.dim)
            .render(row(inner, y), buffer);
    }
    if let Some(error) = &form.error {
        Line::styled(clip(&clean_line(error), inner.width.into()), theme.bad)
            .render(row(inner, inner.bottom().saturating_sub(1)), buffer);
    }
    cursor
}

/// A dot for each character, and where the cursor is among them.
fn dots(editor: &Editor) -> (String, usize) {
    let dots = |text: &str| "•".repeat(text.chars().count());
    let before = dots(&editor.text()[..editor.cursor()]);
    (dots(editor.text()), before.len())
}

/// Below this width, two columns are one.
const MIN_COLUMNS: u16 = 60;

/// A line of two columns as one: what stood between them becomes a colon.
fn one_column(line: &str) -> String {
    match line.split_once("  ") {
        Some((left, right)) => format!("{left}: {}", right.trim_start()),
        None => line.to_owned(),
    }
}

/// A text to read, folded once.
#[derive(Default)]
pub struct Reader {
    /// Which text, and at which width.
    of: Option<(u64, u16)>,
    lines: Vec<Line<'static>>,
}

impl Reader {
    /// Draws the text.
    pub fn draw(&mut self, text: &Text, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let title = format!("{} · Esc leaves · c copies", clean_line(&text.title));
        let inner = frame(&title, area, buffer, theme);
        if self.of != Some((text.rev, inner.width)) {
            self.of = Some((text.rev, inner.width));
            self.lines = folded(text, inner.width, theme);
        }
        let end = self.lines.len().saturating_sub(usize::from(inner.height));
        text.end.set(end);
        let first = text.scroll.min(end);
        goes_on(inner, end - first, "PageDown", buffer, theme);
        for (y, line) in (inner.y..inner.bottom()).zip(self.lines.iter().skip(first)) {
            line.render(row(inner, y), buffer);
        }
    }

    /// Forgets what is no longer read.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

fn folded(text: &Text, width: u16, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for line in clean(&text.text).split('\n') {
        if lines.len() >= MAX_ROWS {
            let rest = format!("only the first {MAX_ROWS} lines are shown; c copies all");
            lines.push(Line::styled(rest, theme.warn));
            break;
        }
        let style = match line.as_bytes().first() {
            Some(b'+') if text.accept.is_some() => theme.good,
            Some(b'-') if text.accept.is_some() => theme.bad,
            _ => theme.text,
        };
        if text.columns && width < MIN_COLUMNS {
            lines.extend(wrap(&one_column(line), style, width));
        } else {
            lines.extend(wrap(line, style, width));
        }
    }
    lines
}
