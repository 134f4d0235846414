//! Draws the app. What is kept here is only about looks: where the view stands, and what was laid out.

use std::collections::HashMap;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::app::{App, Overlay};
use crate::command::{Find, Scroll};
use crate::untrusted::{cell_is_hostile, clean_line};

pub mod bars;
pub mod dialog;
pub mod entry;
pub mod find;
pub mod fold;
pub mod panes;
pub mod rich;
pub mod theme;
pub mod transcript;
pub mod wire;
pub mod wrap;

use theme::Theme;
use transcript::Transcript;

/// Below this, only a request to enlarge the window can be shown.
const MIN_WIDTH: u16 = 20;
const MIN_HEIGHT: u16 = 6;

/// The looks.
pub struct View {
    theme: Theme,
    transcripts: HashMap<u64, Transcript>,
    approval: dialog::Approval,
    reader: panes::Reader,
}

impl View {
    /// A view with a theme.
    #[must_use]
    pub fn new(theme: Theme) -> Self {
        Self {
            theme,
            transcripts: HashMap::new(),
            approval: dialog::Approval::default(),
            reader: panes::Reader::default(),
        }
    }

    /// Moves through a chat's transcript.
    pub fn scroll(&mut self, chat: u64, scroll: Scroll) {
        self.transcripts.entry(chat).or_default().scroll(scroll);
    }

    /// Looks for text in a chat's transcript.
    pub fn find(&mut self, chat: u64, needle: String, step: Find) {
        self.transcripts.entry(chat).or_default().find(needle, step);
    }

    /// Draws one frame.
    pub fn draw(&mut self, frame: &mut Frame<'_>, app: &App) {
        let area = frame.area();
        if area.width < MIN_WIDTH || area.height < MIN_HEIGHT {
            Line::from("enlarge the window").render(area, frame.buffer_mut());
            return;
        }
        let theme = self.theme;
        let input_height = bars::input_height(app, area.width, (area.height / 3).max(1));
        let rows = |y: u16, height: u16| Rect {
            y: area.y + y,
            height,
            ..area
        };
        let header = rows(0, 1);
        let input = rows(area.height - input_height, input_height);
        let state = rows(area.height - input_height - 1, 1);
        // Its first column is the client's own: marks, bars and frames stand there, and no text does.
        let body = rows(1, area.height - input_height - 2);

        let chat = app.chat();
        self.transcripts
            .retain(|id, _| app.chats.iter().any(|c| c.id == *id));
        let transcript = self.transcripts.entry(chat.id).or_default();
        let buffer = frame.buffer_mut();
        bars::header(app, header, buffer, &theme);
        // The question takes rows from the transcript instead of covering what it is about.
        let asked = chat.pending.as_ref().map(|pending| {
            let most = body.height.saturating_sub(2).min(20).max(body.height / 2);
            let wanted = self.approval.height(pending, body.width);
            wanted.clamp(6.min(body.height), most.max(8).min(body.height))
        });
        if asked.is_none() {
            self.approval.clear();
        }
        let above = Rect {
            height: body.height - asked.unwrap_or(0),
            ..body
        };
        if chat.entries.is_empty() {
            welcome(app, above, buffer, &theme);
        }
        transcript.draw(&chat.entries, above, buffer, &theme);
        if let Overlay::Find(needle) = &app.overlay {
            find::mark(needle, above, buffer, &theme);
            find::bar(needle, transcript.has_found(), state, buffer, &theme);
        } else {
            bars::state(app, state, buffer, &theme);
        }
        let cursor = bars::input(app, input, buffer, &theme);
        if let (Some(pending), Some(height)) = (&chat.pending, asked) {
            let place = Rect {
                y: body.bottom() - height,
                height,
                ..body
            };
            self.approval.draw(app, pending, place, buffer, &theme);
        }
        let mut place = Some(cursor);
        match &app.overlay {
            Overlay::None => {}
            Overlay::Find(_) => place = None,
            Overlay::Wire => {
                let several = app.servers.len() > 1;
                wire::pane(&app.wire, several, rows(1, area.height - 1), buffer, &theme);
                place = None;
            }
            Overlay::Pick(picker) => {
                panes::picker(app, picker, body, buffer, &theme);
                place = None;
            }
            Overlay::Fill(form) => place = panes::form(form, body, buffer, &theme),
            Overlay::Read(text) => {
                self.reader.draw(text, body, buffer, &theme);
                place = None;
            }
        }
        if !matches!(app.overlay, Overlay::Read(_)) {
            self.reader.clear();
        }
        disarm(buffer);
        if let Some(place) = place {
            frame.set_cursor_position(place);
        }
    }
}

/// The last line of defence: whatever slipped past `clean` can't leave as a control character.
fn disarm(buffer: &mut ratatui::buffer::Buffer) {
    for cell in &mut buffer.content {
        if cell_is_hostile(cell.symbol()) {
            cell.set_symbol("\u{FFFD}");
        }
    }
}

fn welcome(app: &App, area: Rect, buffer: &mut ratatui::buffer::Buffer, theme: &Theme) {
    let words = [
        "This is an MCP client. It reaches a model only through an MCP server,",
        "and each tool call that the model wants is shown to you first.",
        "",
    ];
    let mut lines: Vec<_> = words.map(|text| (text.to_owned(), theme.dim)).into();
    let several = app.servers.len() > 1;
    for server in &app.servers {
        let name = if several {
            format!("{}: ", server.name)
        } else {
            String::new()
        };
        lines.push((format!("{name}{}", clean_line(&server.place)), theme.title));
        lines.push((
            format!(
                "tools: {} · resources: {} · prompts: {}",
                server.catalog.tools.len(),
                server.catalog.resources.len(),
                server.catalog.prompts.len()
            ),
            theme.dim,
        ));
    }
    for (y, (text, style)) in (area.y..area.bottom()).zip(lines) {
        Line::styled(
            wrap::clip(&text, area.width.saturating_sub(2).into()),
            style,
        )
        .render(
            Rect {
                x: area.x + 2,
                y,
                width: area.width.saturating_sub(2),
                height: 1,
            },
            buffer,
        );
    }
}
