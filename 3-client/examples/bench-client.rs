//! Measures what a person feels: `cargo run --release -p mcp-client --example bench-client`.
//! Where two things are compared, a ratio is printed; it says the same on any machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark ends with the first surprise, and its numbers are small"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use mcp_client::agent::{self, AgentEvent};
use mcp_client::app::App;
use mcp_client::app::conversation::{Answer, Body, Ended};
use mcp_client::catalog::{Catalog, Hints, Tool};
use mcp_client::command::Command;
use mcp_client::config::{Config, Given, ThemeName};
use mcp_client::event::Event;
use mcp_client::link::{Hub, LinkEvent};
use mcp_client::tap::{Progress, ProgressKind};
use mcp_client::ui::View;
use mcp_client::ui::rich::Stream;
use mcp_client::ui::theme::Theme;
use mcp_client::wire::WireLog;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const ANSWER: &str = include_str!("../tests/support/answer.md");

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

fn app(url: &str) -> App {
    let mut app = App::new(
        &Config::load(
            &Given {
                url: Some(url.into()),
                ..Given::default()
            },
            &|_| None,
        )
        .unwrap(),
    );
    let tool = Tool {
        name: "ollama-chat".into(),
        title: None,
        description: String::new(),
        schema: serde_json::Map::new(),
        hints: Hints::default(),
        scope: None,
    };
    app.update(Event::Link(
        0,
        LinkEvent::Ready(
            Box::new(Catalog {
                tools: vec![tool],
                ..Catalog::default()
            }),
            Vec::new(),
        ),
    ));
    app
}

/// A chat of `messages` messages and about `bytes` bytes.
fn history(messages: usize, bytes: usize) -> App {
    let mut app = app("http://127.0.0.1:1/mcp");
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
        "Esc to usable input (p95 of 200)",
        "<= 50 ms",
        &format!("{worst:.3} ms"),
        worst <= 50.0,
    );
}

/// The whole way over real HTTP on loopback: the server's first piece to its frame, and Esc to the
/// moment when the server's call is cancelled.
async fn over_http() {
    let server = support::Server::start(None).await;
    let config = Config::load(
        &Given {
            url: Some(server.url.clone()),
            ..Given::default()
        },
        &|_| None,
    )
    .unwrap();
    let hub = Hub::new(&config, &WireLog::default());
    let (sender, mut links) = mpsc::channel(16);
    let stop = CancellationToken::new();
    hub.start(&sender, &stop).detach_all();
    let mut app = App::new(&config);
    while app.chat_server().is_none() {
        let (place, event) = links.recv().await.unwrap();
        app.update(Event::Link(place, event));
    }
    let (mut terminal, mut view) = (screen(), View::new(theme()));
    let mut added = Vec::new();
    let mut cancelled = Vec::new();
    for n in 0..120 {
        let endless = n >= 100;
        app.update(Event::Paste(
            if endless { "endless" } else { "hello" }.into(),
        ));
        let commands = app.update(Event::Key(KeyCode::Enter.into()));
        let Some(Command::Start { chat, turn, ask }) = commands.into_iter().next() else {
            panic!("no turn")
        };
        let (events, mut received) = mpsc::channel(64);
        let (_decisions, decided) = mpsc::channel(8);
        let cancel = CancellationToken::new();
        let (hub, token) = (hub.clone(), cancel.clone());
        let task =
            tokio::spawn(async move { agent::run(&hub, *ask, &events, decided, &token).await });
        let mut first = true;
        while let Some(event) = received.recv().await {
            let content = matches!(event, AgentEvent::Progress(_));
            app.update(Event::Agent { chat, turn, event });
            if content && first {
                terminal.draw(|f| view.draw(f, &app)).unwrap();
                first = false;
                if endless {
                    app.update(Event::Key(KeyCode::Esc.into()));
                    let began = Instant::now();
                    cancel.cancel();
                    server.seen.cancelled.notified().await;
                    cancelled.push(began.elapsed());
                } else if let Some(sent) = *server.seen.first_piece.lock().unwrap() {
                    added.push(sent.elapsed());
                }
            }
        }
        let _ = task.await;
    }
    let (p50, p95) = (percentile(&mut added, 50), percentile(&mut added, 95));
    report(
        "first piece: server's send to frame, over HTTP (p50)",
        "<= 15 ms",
        &format!("{p50:.3} ms"),
        p50 <= 15.0,
    );
    report(
        "first piece: server's send to frame, over HTTP (p95)",
        "<= 40 ms",
        &format!("{p95:.3} ms"),
        p95 <= 40.0,
    );
    let worst = percentile(&mut cancelled, 100);
    report(
        "Esc to the server's call cancelled (worst of 20)",
        "<= 250 ms",
        &format!("{worst:.3} ms"),
        worst <= 250.0,
    );
    // The real program in a terminal of its own.
    start_and_idle(&server.url);
    stop.cancel();
}

/// Starts the program below `script`, which gives it a terminal, and listens to what it writes.
fn start_and_idle(url: &str) {
    use std::io::Read as _;
    let exe = std::env::current_exe().unwrap();
    let program = exe
        .parent()
        .and_then(|p| p.parent())
        .map(|p| p.join("mcp-client"))
        .filter(|p| p.exists());
    let Some(program) = program else {
        println!(
            "skip start and idle: build the program first (cargo build --release -p mcp-client)"
        );
        return;
    };
    let state = tempfile::tempdir().unwrap();
    // Without a terminal of its own, `script` makes one of no size.
    let below = format!("stty rows 40 cols 120; exec {}", program.display());
    let began = Instant::now();
    let child = Process::new("script")
        .args(["-qfc", &below, "/dev/null"])
        .env("MCP_SERVER_URL", url)
        .env("XDG_STATE_HOME", state.path())
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("skip start and idle: there is no `script` on this machine");
        return;
    };
    let mut out = child.stdout.take().unwrap();
    let (sender, receiver) = std::sync::mpsc::sync_channel::<(Instant, Vec<u8>)>(1024);
    std::thread::spawn(move || {
        let mut buffer = [0u8; 65536];
        while let Ok(n @ 1..) = out.read(&mut buffer) {
            if sender.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                break;
            }
        }
    });
    let mut seen = Vec::new();
    let mut first = None;
    let until = Instant::now() + Duration::from_secs(2);
    while let Ok((at, bytes)) =
        receiver.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        seen.extend(bytes);
        if first.is_none() && String::from_utf8_lossy(&seen).contains("reaches") {
            first = Some(at - began);
        }
    }
    let idle = Instant::now() + Duration::from_secs(3);
    let mut bytes = 0;
    while let Ok((_, more)) = receiver.recv_timeout(idle.saturating_duration_since(Instant::now()))
    {
        bytes += more.len();
    }
    let _ = child.kill();
    let _ = child.wait();
    // Silence of a program that never started would prove nothing.
    let alive = first.is_some();
    let first = first.map_or(f64::NAN, |d| d.as_secs_f64() * 1e3);
    report(
        "start to first frame, with `script` around it",
        "<= 100 ms",
        &format!("{first:.1} ms"),
        first <= 100.0,
    );
    report(
        "bytes drawn in 3 idle seconds",
        "0",
        &bytes.to_string(),
        alive && bytes == 0,
    );
}

/// The peak of a process of its own that holds and draws 1 MB of history.
fn memory() {
    let exe = std::env::current_exe().unwrap();
    let output = Process::new(exe).arg("--memory").output().unwrap();
    let kb: f64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap_or(f64::NAN);
    report(
        "memory with 1 MB of history, all of it scrolled through",
        "<= 60 MB",
        &format!("{:.1} MB", kb / 1024.0),
        kb / 1024.0 <= 60.0,
    );
}

fn memory_child() {
    let app = history(4000, 1_000_000);
    let (mut terminal, mut view) = (screen(), View::new(theme()));
    for _ in 0..900 {
        view.scroll(app.chat().id, mcp_client::command::Scroll::Pages(-1));
        terminal.draw(|f| view.draw(f, &app)).unwrap();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .and_then(|l| l.split_whitespace().next().map(str::to_owned));
    println!("{}", peak.unwrap_or_default());
}

fn main() {
    if std::env::args().any(|a| a == "--memory") {
        memory_child();
        return;
    }
    if cfg!(debug_assertions) {
        println!("this is a debug build: the figures say little; use --release");
    }
    keys_while_streaming();
    frames();
    markdown();
    escape();
    memory();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(over_http());
}
