//! One Markdown block, whole, as styled lines.

use pulldown_cmark::{Alignment, Event, Options, Parser, Tag, TagEnd};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::ui::theme::Theme;
use crate::ui::wrap::{Wrapper, clip};

/// Nesting that is drawn; deeper text is still shown, without more indentation.
const MAX_DEPTH: usize = 8;

struct Block<'a> {
    theme: &'a Theme,
    width: u16,
    out: &'a mut Vec<Line<'static>>,
    /// What stands before each line: quotes and list indentation.
    prefix: Vec<Span<'static>>,
    /// The mark of a list item, used by its first line only.
    mark: Option<Span<'static>>,
    lists: Vec<Option<u64>>,
    styles: Vec<Style>,
    spans: Vec<(String, Style)>,
    links: Vec<(String, usize)>,
    table: Option<Table>,
}

#[derive(Default)]
struct Table {
    align: Vec<Alignment>,
    rows: Vec<Vec<String>>,
    cell: String,
}

/// Renders a block, appending its lines.
pub(super) fn render(source: &str, width: u16, theme: &Theme, out: &mut Vec<Line<'static>>) {
    let mut block = Block {
        theme,
        width,
        out,
        prefix: Vec::new(),
        mark: None,
        lists: Vec::new(),
        styles: vec![theme.text],
        spans: Vec::new(),
        links: Vec::new(),
        table: None,
    };
    for event in Parser::new_ext(
        source,
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS,
    ) {
        block.event(event);
    }
    block.flush();
}

impl Block<'_> {
    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or(self.theme.text)
    }

    fn push_style(&mut self, change: impl FnOnce(Style) -> Style) {
        let style = change(self.style());
        self.styles.push(style);
    }

    fn text(&mut self, text: &str, style: Style) {
        match &mut self.table {
            Some(table) => table.cell.push_str(&text.replace('\n', " ")),
            None => self.spans.push((text.to_owned(), style)),
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text, self.style()),
            Event::Code(code) => {
                self.text(&format!("`{code}`"), self.style().patch(self.theme.string));
            }
            // HTML is shown as the text that it is.
            Event::Html(html) | Event::InlineHtml(html) => self.text(&html, self.style()),
            Event::SoftBreak | Event::HardBreak => self.text("\n", self.style()),
            Event::Rule => {
                let rule = "─".repeat(usize::from(self.width.min(40)));
                self.out.push(Line::styled(rule, self.theme.frame));
            }
            Event::TaskListMarker(done) => self.text(if done { "☑ " } else { "☐ " }, self.style()),
            Event::FootnoteReference(name) => self.text(&format!("[^{name}]"), self.style()),
            Event::InlineMath(math) | Event::DisplayMath(math) => self.text(&math, self.style()),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush();
                let heading = self.theme.heading;
                self.push_style(|s| s.patch(heading));
                let marks = format!("{} ", "#".repeat(level as usize));
                self.text(&marks, self.style());
            }
            Tag::BlockQuote(_) => {
                self.flush();
                if self.prefix.len() < MAX_DEPTH {
                    self.prefix.push(Span::styled("▎ ", self.theme.dim));
                }
            }
            Tag::List(start) => {
                self.flush();
                self.lists.push(start);
            }
            Tag::Item => {
                self.flush();
                let depth = self.lists.len();
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let mark = format!("{number}. ");
                        *number = number.saturating_add(1);
                        mark
                    }
                    _ => "• ".to_owned(),
                };
                if depth <= MAX_DEPTH {
                    self.prefix.push(Span::raw(" ".repeat(mark.width())));
                }
                self.mark = Some(Span::styled(mark, self.theme.key));
            }
            Tag::Emphasis => self.push_style(|s| s.add_modifier(Modifier::ITALIC)),
            Tag::Strong => self.push_style(|s| s.add_modifier(Modifier::BOLD)),
            Tag::Strikethrough => self.push_style(|s| s.add_modifier(Modifier::CROSSED_OUT)),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((dest_url.into_string(), self.spans.len()));
                let link = self.theme.link;
                self.push_style(|s| s.patch(link));
            }
            Tag::Table(align) => {
                self.flush();
                self.table = Some(Table {
                    align,
                    ..Table::default()
                });
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            Tag::CodeBlock(_) => {
                self.flush();
                let code = self.theme.code;
                self.push_style(|s| s.patch(code));
            }
            Tag::Paragraph
            | Tag::HtmlBlock
            | Tag::TableCell
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) | TagEnd::CodeBlock => {
                self.flush();
                self.styles.pop();
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.styles.pop();
            }
            TagEnd::Link | TagEnd::Image => {
                self.styles.pop();
                self.end_link();
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.prefix.pop();
            }
            TagEnd::Item => {
                self.flush();
                if self.lists.len() <= MAX_DEPTH {
                    self.prefix.pop();
                }
                self.mark = None;
            }
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
            }
            TagEnd::TableCell => {
                if let Some(table) = &mut self.table {
                    let cell = std::mem::take(&mut table.cell);
                    if let Some(row) = table.rows.last_mut() {
                        row.push(cell);
                    }
                }
            }
            TagEnd::Table => self.end_table(),
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.flush(),
            TagEnd::TableHead
            | TagEnd::TableRow
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
    }

    /// The address is shown, because the text of a link may say another one.
    fn end_link(&mut self) {
        let Some((url, from)) = self.links.pop() else {
            return;
        };
        let text: String = self
            .spans
            .get(from..)
            .unwrap_or_default()
            .iter()
            .map(|(t, _)| t.as_str())
            .collect();
        if text != url && self.table.is_none() {
            self.text(&format!(" ({url})"), self.theme.dim);
        } else if self.table.is_some() {
            self.text(&format!(" ({url})"), self.style());
        }
    }

    fn flush(&mut self) {
        if self.spans.is_empty() && self.mark.is_none() {
            return;
        }
        let rest = self.prefix.clone();
        let mut first = rest.clone();
        if let Some(mark) = self.mark.take() {
            first.pop();
            first.push(mark);
        }
        let mut wrapper = Wrapper::new(self.width, first, rest);
        let spans = std::mem::take(&mut self.spans);
        let last = spans.len().saturating_sub(1);
        for (n, (text, style)) in spans.into_iter().enumerate() {
            // A code block's last line feed would be an empty line.
            wrapper.push(
                if n == last {
                    text.trim_end_matches('\n')
                } else {
                    &text
                },
                style,
            );
        }
        self.out.extend(wrapper.finish());
    }

    fn end_table(&mut self) {
        let Some(table) = self.table.take() else {
            return;
        };
        let columns = table.rows.iter().map(Vec::len).max().unwrap_or(0).min(32);
        if columns == 0 {
            return;
        }
        let mut widths: Vec<usize> = (0..columns)
            .map(|c| {
                table
                    .rows
                    .iter()
                    .filter_map(|r| r.get(c))
                    .map(|s| s.width())
                    .max()
                    .unwrap_or(0)
                    .max(1)
            })
            .collect();
        let room = usize::from(self.width)
            .saturating_sub(3 * (columns - 1))
            .max(columns);
        // The widest columns give way first; what is cut ends in an ellipsis.
        while widths.iter().sum::<usize>() > room {
            let Some(widest) = widths.iter_mut().max() else {
                break;
            };
            if *widest <= 1 {
                break;
            }
            *widest -= 1;
        }
        for (n, row) in table.rows.iter().enumerate() {
            let mut spans = Vec::new();
            for (c, width) in widths.iter().enumerate() {
                if c > 0 {
                    spans.push(Span::styled(" │ ", self.theme.frame));
                }
                let cell = clip(row.get(c).map_or("", |s| s.trim()), *width);
                let pad = width.saturating_sub(cell.width());
                let left = match table.align.get(c) {
                    Some(Alignment::Right) => pad,
                    Some(Alignment::Center) => pad / 2,
                    _ => 0,
                };
                let text = format!("{}{cell}{}", " ".repeat(left), " ".repeat(pad - left));
                spans.push(Span::styled(
                    text,
                    if n == 0 {
                        self.theme.title
                    } else {
                        self.theme.text
                    },
                ));
            }
            self.out.push(Line::from(spans));
            if n == 0 {
                let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
                self.out
                    .push(Line::styled(rule.join("─┼─"), self.theme.frame));
            }
        }
        // On a very narrow screen the separators alone may be too wide.
        let width = usize::from(self.width);
        for line in self.out.iter_mut().rev().take(table.rows.len() + 1) {
            if line.width() > width {
                let text: String = line.spans.iter().map(|s| s.content.as_ref()).collect();
                *line = Line::styled(clip(&text, width), self.theme.text);
            }
        }
    }
}
