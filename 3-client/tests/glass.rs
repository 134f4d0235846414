//! What really reaches the terminal: a streamed answer drawn through the terminal backend and read
//! back by a terminal emulator.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use crossterm::event::KeyCode;
use mcp_client::agent::AgentEvent;
use mcp_client::app::App;
use mcp_client::app::conversation::Body;
use mcp_client::catalog::{Catalog, Hints, Tool};
use mcp_client::chat::Reply;
use mcp_client::config::{Config, Given, ThemeName};
use mcp_client::event::Event;
use mcp_client::link::LinkEvent;
use mcp_client::tap::{Progress, ProgressKind};
use mcp_client::ui::View;
use mcp_client::ui::theme::Theme;
use ratatui::backend::{CrosstermBackend, TestBackend};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn app() -> App {
    let mut app = App::new(&Config::load(&Given::default(), &|_| None).unwrap());
    let chat = Tool {
        name: "ollama-chat".into(),
        title: None,
        description: String::new(),
        schema: serde_json::Map::new(),
        hints: Hints::default(),
        scope: None,
    };
    let catalog = Catalog {
        tools: vec![chat],
        ..Catalog::default()
    };
    app.update(Event::Link(
        0,
        LinkEvent::Ready(Box::new(catalog), Vec::new()),
    ));
    app
}

/// The answer three times over, so that it is longer than any screen here.
fn long_answer() -> String {
    include_str!("support/answer.md").repeat(3)
}

fn stream(width: u16, height: u16, color: bool) {
    let answer = long_answer();
    let mut app = app();
    app.update(Event::Paste("go".into()));
    app.update(Event::Key(KeyCode::Enter.into()));
    let (chat, turn) = (app.chat().id, app.chat().running.as_ref().unwrap().turn);

    let wire = Wire::default();
    let area = Rect::new(0, 0, width, height);
    let mut real = Terminal::with_options(
        CrosstermBackend::new(wire.clone()),
        TerminalOptions {
            viewport: Viewport::Fixed(area),
        },
    )
    .unwrap();
    let theme = Theme::named(ThemeName::Terminal, !color);
    let mut view = View::new(theme);
    let mut screen = vt100::Parser::new(height.try_into().unwrap(), width.try_into().unwrap(), 0);
    let mut frames = 0;
    let mut show = |app: &App, view: &mut View| {
        real.draw(|frame| view.draw(frame, app)).unwrap();
        let bytes = std::mem::take(&mut *wire.0.lock().unwrap());
        frames += 1;
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            frames == 1 || !text.contains("\u{1b}[2J"),
            "a full clear flickers"
        );
        screen.process(&bytes);
        // A second view that never saw an earlier frame draws the same screen: nothing is left over,
        // nothing is missing, nothing is doubled.
        let mut fresh = Terminal::new(TestBackend::new(width, height)).unwrap();
        fresh
            .draw(|frame| View::new(theme).draw(frame, app))
            .unwrap();
        let buffer = fresh.backend().buffer();
        for y in 0..height {
            let drawn: String = (0..width)
                .map(|x| {
                    screen
                        .screen()
                        .cell(y, x)
                        .map_or(" ", |c| if c.has_contents() { c.contents() } else { " " })
                })
                .collect();
            let meant: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
            assert_eq!(
                drawn.trim_end(),
                meant.trim_end(),
                "line {y} of frame {frames}"
            );
        }
    };
    show(&app, &mut view);
    let mut at = 0;
    while at < answer.len() {
        let mut end = (at + 5).min(answer.len());
        while !answer.is_char_boundary(end) {
            end += 1;
        }
        let piece = Progress {
            kind: ProgressKind::Content,
            text: answer[at..end].to_owned(),
        };
        app.update(Event::Agent {
            chat,
            turn,
            event: AgentEvent::Progress(piece),
        });
        at = end;
        show(&app, &mut view);
    }
    app.update(Event::Agent {
        chat,
        turn,
        event: AgentEvent::Answered(Box::new(Reply::read(None, &answer))),
    });
    app.update(Event::Agent {
        chat,
        turn,
        event: AgentEvent::Done,
    });
    show(&app, &mut view);
    assert!(
        matches!(&app.chat().entries[1].body, Body::Answer(a) if a.text == answer),
        "the text that is kept is byte-exact"
    );
}

#[test]
fn a_streamed_answer_loses_doubles_and_flickers_no_line() {
    stream(80, 24, true);
}

#[test]
fn nor_on_the_smallest_screen_without_colour() {
    stream(40, 12, false);
}
