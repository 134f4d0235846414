//! Measures what a person feels: `make bench-client`. Here are the parts that can be measured alone;
//! `chain.rs` measures the real program, in a terminal, with the real server and a fake Ollama.
//! Where two things are compared, a ratio is printed; it says the same on any machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark ends with the first surprise, and its numbers are small"
)]

mod chain;
mod program;

use std::hint::black_box;
use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use mcp_client::agent::AgentEvent;
use mcp_client::app::App;
use mcp_client::app::conversation::{Answer, Body, Ended};
use mcp_client::catalog::{Catalog, Hints, Tool};
use mcp_client::config::{Config, Given, ThemeName};
use mcp_client::event::Event;
use mcp_client::link::LinkEvent;
use mcp_client::tap::{Progress, ProgressKind};
use mcp_client::ui::View;
use mcp_client::ui::rich::Stream;
use mcp_client::ui::theme::Theme;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

const ANSWER: &str = include_str!("../../tests/support/answer.md");

fn screen() -> Terminal<CrosstermBackend<std::io::Sink>> {
    let viewport = Viewport::Fixed(Rect::new(0, 0, 120, 40));
    Terminal::with_options(
        CrosstermBackend::new(std::io::sink()),
        TerminalOptions { viewport },
    )
    .unwrap()
}

fn theme() -> Theme {
    Theme::named(ThemeName::Terminal, false)
}

fn app() -> App {
    let mut app = App::new(&Config::load(&Given::default(), &|_| None).unwrap());
    let tool = Tool {
        name: "ollama-chat".into(),
        title: None,
        description: String::new(),
        schema: serde_json::Map::new(),
        hints: Hints::default(),
        scope: None,
    };
    let catalog = Catalog {
        tools: vec![tool],
        ..Catalog::default()
    };
    let ready = LinkEvent::Ready(Box::new(catalog), Vec::new());
    app.update(Event::Link(0, ready));
    app
}

/// A chat of `messages` messages and about `bytes` bytes.
fn history(messages: usize, bytes: usize) -> App {
    let mut app = app();
    let each = bytes / messages;
    let text = ANSWER.repeat(each / ANSWER.len() + 1);
    let bodies = (0..messages).map(|n| {
        if n % 2 == 0 {
            Body::User {
                text: text[..each.min(80)].to_owned(),
                attached: Vec::new(),
            }
        } else {
            let mut end = (2 * each).min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            Body::Answer(Answer {
                text: text[..end].to_owned(),
                ended: Some(Ended::Whole(Box::default())),
                ..Answer::default()
            })
        }
    });
    app.open("bench".into(), "bench".into(), None, bodies.collect());
    app
}

fn percentile(times: &mut [Duration], p: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * p / 100).min(times.len() - 1)].as_secs_f64() * 1e3
}

fn report(what: &str, goal: &str, value: &str, good: bool) {
    println!(
        "{} {what:<58} {value:<28} goal {goal}",
        if good { "ok  " } else { "MISS" }
    );
}

fn begin_turn(app: &mut App) -> (u64, u64) {
    app.update(Event::Paste("go".into()));
    app.update(Event::Key(KeyCode::Enter.into()));
    (app.chat().id, app.chat().running.as_ref().unwrap().turn)
}

fn piece(text: &str) -> AgentEvent {
    AgentEvent::Progress(Progress {
        kind: ProgressKind::Content,
        text: text.to_owned(),
    })
}

/// Typing while an answer streams, on top of 5,000 messages: from the key to the frame's bytes.
fn keys_while_streaming() {
    let mut app = history(5000, 1_000_000);
    let (chat, turn) = begin_turn(&mut app);
    let (mut terminal, mut view) = (screen(), View::new(theme()));
    let mut times = Vec::new();
    for word in ANSWER.repeat(4).split_inclusive(' ') {
        app.update(Event::Agent {
            chat,
            turn,
            event: piece(word),
        });
        let key = Instant::now();
        app.update(Event::Key(KeyCode::Char('x').into()));
        terminal.draw(|f| view.draw(f, &app)).unwrap();
        times.push(key.elapsed());
    }
    let p95 = percentile(&mut times, 95);
    report(
        "key to frame while streaming, 5,000 messages (p95)",
        "<= 16 ms",
        &format!("{p95:.3} ms"),
        p95 <= 16.0,
    );
}

/// Frames of a small and a large chat, by turns, so that whatever else the machine does hits both.
fn frames() {
    let apps = [history(40, 10_000), history(4000, 1_000_000)];
    let mut screens = apps.each_ref().map(|_| (screen(), View::new(theme())));
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..3000 {
        for ((app, (terminal, view)), times) in apps.iter().zip(&mut screens).zip(&mut times) {
            let began = Instant::now();
            terminal.draw(|f| view.draw(f, app)).unwrap();
            // The first frames lay out what is on screen; after that it is kept.
            if round > 0 {
                times.push(began.elapsed());
            }
        }
    }
    let [small, large] = times.each_mut().map(|times| percentile(times, 95));
    report(
        "frame with 1 MB of history (p95)",
        "<= 4 ms",
        &format!("{large:.3} ms"),
        large <= 4.0,
    );
    let ratio = large / small;
    report(
        "frame with 1 MB : frame with 10 KB (p95)",
        "<= 1.5",
        &format!("{ratio:.2}"),
        ratio <= 1.5,
    );
}

/// An answer of 11 KB in 2,272 tokens: grown, and parsed anew at each token.
fn markdown() {
    let text: String = ANSWER
        .repeat(11_000 / ANSWER.len() + 1)
        .chars()
        .take(11_000)
        .collect();
    let cuts: Vec<usize> = (1..=2272)
        .map(|n| floor(&text, text.len() * n / 2272))
        .collect();
    let theme = theme();
    let began = Instant::now();
    let mut stream = Stream::default();
    for cut in &cuts {
        black_box(stream.lines(&text[..*cut], 100, &theme).len());
    }
    let grown = began.elapsed();
    let began = Instant::now();
    for cut in &cuts {
        black_box(Stream::default().lines(&text[..*cut], 100, &theme).len());
    }
    let anew = began.elapsed();
    let ratio = anew.as_secs_f64() / grown.as_secs_f64();
    report(
        "reparsing : growing, 11 KB in 2,272 tokens",
        ">= 25",
        &format!(
            "{ratio:.1} ({:.1} ms : {:.1} ms)",
            anew.as_secs_f64() * 1e3,
            grown.as_secs_f64() * 1e3
        ),
        ratio >= 25.0,
    );
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn escape() {
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let mut app = history(200, 100_000);
            let (chat, turn) = begin_turn(&mut app);
            app.update(Event::Agent {
                chat,
                turn,
                event: piece(ANSWER),
            });
            let (mut terminal, mut view) = (screen(), View::new(theme()));
            terminal.draw(|f| view.draw(f, &app)).unwrap();
            let began = Instant::now();
            app.update(Event::Key(KeyCode::Esc.into()));
            terminal.draw(|f| view.draw(f, &app)).unwrap();
            assert!(app.chat().running.is_none());
            began.elapsed()
        })
        .collect();
    let worst = percentile(&mut times, 95);
    report(
        "Esc to usable input, app and frame alone (p95 of 200)",
        "<= 50 ms",
        &format!("{worst:.3} ms"),
        worst <= 50.0,
    );
}

fn main() {
    if cfg!(debug_assertions) {
        println!("this is a debug build: the figures say little; use --release");
    }
    keys_while_streaming();
    frames();
    markdown();
    escape();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(chain::measure());
}
