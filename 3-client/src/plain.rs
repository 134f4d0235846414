//! The chat line by line, for screen readers and for terminals that can't be drawn on: no alternate
//! screen, no redraw, no spinner. What is printed once stays as it is.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::agent::{AgentEvent, Target, Wanted};
use crate::app::conversation::{Body, target_name};
use crate::app::{App, Connection};
use crate::config::Config;
use crate::event::Event;
use crate::hands::Hands;
use crate::link::{Hub, LinkEvent};
use crate::store::{self, Store};
use crate::tap::ProgressKind;
use crate::untrusted::{clean, clean_line};
use crate::wire::WireLog;

/// The longest line that is read.
const MAX_LINE: u64 = 256 * 1024;
const HELP: &str = "Write a message and press Enter. /stop stops an answer, /new starts a new chat, /tools lists the tools, /quit leaves.";

/// Prints whole lines; a terminal is never shown what it would act on.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let shown = if out.is_terminal() {
        clean(text)
    } else {
        text.into()
    };
    let _ = writeln!(out, "{shown}");
    let _ = out.flush();
}

/// Text that comes in pieces is held until its line is complete: a screen reader reads lines.
#[derive(Default)]
struct Lines {
    held: String,
    any: bool,
}

impl Lines {
    fn piece(&mut self, text: &str) {
        self.held.push_str(text);
        while let Some(end) = self.held.find('\n') {
            say(&self.held[..end]);
            self.held.drain(..=end);
            self.any = true;
        }
    }

    fn end(&mut self) {
        if !self.held.is_empty() {
            say(&std::mem::take(&mut self.held));
        }
        self.any = false;
    }
}

/// Runs the chat until the input ends.
///
/// # Errors
/// When a signal handler can't be installed.
pub async fn run(config: &Config, wire: WireLog) -> io::Result<()> {
    let began = Instant::now();
    let mut app = App::new(config);
    app.set_run(&store::run_name());
    let store = Store::find(&|name| std::env::var(name).ok());
    if let Some(Ok(pins)) = store.as_ref().map(Store::pins) {
        app.pins = pins;
    }
    let (events, mut inbox) = mpsc::channel(256);
    let (link_events, mut links) = mpsc::channel(32);
    let stop = CancellationToken::new();
    let hub = Hub::new(config, &wire);
    let mut link_tasks = hub.start(&link_events, &stop);
    let mut hands = Hands::new(hub, wire, store.clone(), events);
    let mut typed = read_lines();
    let mut lines = Lines::default();
    // Messages that were given before the server was there, as from a pipe.
    let mut early: Vec<String> = Vec::new();
    let mut input_open = true;
    let mut skipped = Duration::ZERO;
    say(HELP);
    loop {
        let idle = app.chat().running.is_none() && early.is_empty();
        if !input_open && idle {
            break;
        }
        let event = tokio::select! {
            _ = tokio::signal::ctrl_c() => {
                if idle { break }
                Event::Key(KeyCode::Esc.into())
            }
            Some((place, event)) = links.recv() => {
                tell_link(&app, place, &event);
                let failed = matches!(event, LinkEvent::Down(_, None));
                app.now = began.elapsed() + skipped;
                app.update(Event::Link(place, event));
                if app.chat_server().is_none() {
                    if failed { early.clear() }
                    continue;
                }
                match early.pop() { Some(text) => Event::Paste(text), None => continue }
            }
            Some(event) = inbox.recv() => event,
            line = typed.recv(), if input_open && (app.chat().running.is_none() || app.chat().pending.is_some()) && early.is_empty() => match line {
                None => { input_open = false; continue }
                Some(line) => match command(&mut app, line.trim()) {
                    Typed::Leave => break,
                    Typed::Done => continue,
                    Typed::Event(Event::Paste(text)) if app.chat_server().is_none() && app.servers.iter().any(|s| s.connection == Connection::Connecting) => {
                        early.push(text);
                        continue;
                    }
                    Typed::Event(event) => event,
                },
            },
        };
        if app.chat().pending.is_some() && matches!(event, Event::Key(_)) {
            // A question is answered by a whole line here, so nothing can be typed into it by
            // accident, and the guard against that needn't wait.
            skipped += Duration::from_secs(1);
        }
        app.now = began.elapsed() + skipped;
        let send = matches!(event, Event::Paste(_));
        if let Event::Agent { event, .. } = &event {
            tell_agent(event, &mut lines);
        }
        let before = app.chat().entries.len();
        let asked = matches!(
            &event,
            Event::Agent {
                event: AgentEvent::Wanted(_),
                ..
            }
        );
        let mut commands = app.update(event);
        if send {
            commands.extend(app.update(Event::Key(KeyCode::Enter.into())));
        }
        for entry in app.chat().entries.iter().skip(before) {
            match &entry.body {
                Body::Trouble(trouble) => {
                    lines.end();
                    say(&format!("Problem: {}", trouble.headline));
                    if let Some(advice) = &trouble.advice {
                        say(advice);
                    }
                }
                Body::Note(text) => say(text),
                Body::User { .. } | Body::Answer(_) | Body::Call(_) => {}
            }
        }
        if let Some(pending) = app.chat().pending.as_ref().filter(|_| asked) {
            ask(&app, &pending.wanted);
        }
        for command in commands {
            hands.carry_out(command, &app);
        }
    }
    hands.let_go();
    stop.cancel();
    drop(links);
    if let (Some(store), true) = (&store, app.pins_unsaved) {
        let _ = store.save_pins(&app.pins);
    }
    for chat in app.chats.iter().filter_map(store::ChatImage::of) {
        if let Some(store) = &store {
            let _ = store.save(&chat);
        }
    }
    let _ = tokio::time::timeout(Duration::from_secs(3), async {
        while link_tasks.join_next().await.is_some() {}
    })
    .await;
    Ok(())
}

enum Typed {
    Leave,
    Done,
    Event(Event),
}

fn command(app: &mut App, line: &str) -> Typed {
    if app.chat().pending.is_some() {
        return match line.to_ascii_lowercase().as_str() {
            "y" | "yes" => Typed::Event(Event::Key(KeyCode::Char('y').into())),
            "a" | "always" => Typed::Event(Event::Key(KeyCode::Char('a').into())),
            "n" | "no" => Typed::Event(Event::Key(KeyCode::Char('n').into())),
            "/stop" => Typed::Event(Event::Key(KeyCode::Esc.into())),
            _ => {
                say("Answer y, a or n. Nothing is called before you do.");
                Typed::Done
            }
        };
    }
    match line {
        "" => Typed::Done,
        "/quit" => Typed::Leave,
        "/help" => {
            say(HELP);
            Typed::Done
        }
        "/stop" => Typed::Event(Event::Key(KeyCode::Esc.into())),
        "/new" => {
            app.update(Event::Key(crossterm::event::KeyEvent::new(
                KeyCode::Char('n'),
                crossterm::event::KeyModifiers::CONTROL,
            )));
            say("A new chat.");
            Typed::Done
        }
        "/tools" => {
            for server in &app.servers {
                for tool in &server.catalog.tools {
                    say(&format!(
                        "{}: {}",
                        clean_line(&tool.name),
                        clean_line(&tool.description)
                    ));
                }
            }
            Typed::Done
        }
        text => Typed::Event(Event::Paste(text.to_owned())),
    }
}

fn tell_link(app: &App, place: usize, event: &LinkEvent) {
    let name = app.servers.get(place).map_or("", |s| s.name.as_str());
    match event {
        LinkEvent::Connecting => {}
        LinkEvent::Ready(catalog, _) => {
            let who = match catalog.models.provider.as_str() {
                "tutor" => ", answered by the tutor, which is no language model".to_owned(),
                "" => String::new(),
                provider => format!(", answered by {provider}"),
            };
            say(&format!(
                "Connected to {name}{}: {} tools.",
                clean_line(&who),
                catalog.tools.len()
            ));
        }
        LinkEvent::Declined(told) => say(&format!("{name}: {told}")),
        LinkEvent::Down(failure, wait) => {
            // Told once, not at each attempt.
            if matches!(
                app.servers.get(place).map(|s| &s.connection),
                Some(Connection::Connecting)
            ) && wait.is_none_or(|w| w < Duration::from_millis(300))
            {
                say(&format!(
                    "{name}: {failure}. {}",
                    failure.advice().unwrap_or_default()
                ));
            }
        }
    }
}

fn tell_agent(event: &AgentEvent, lines: &mut Lines) {
    match event {
        AgentEvent::Progress(piece) => match piece.kind {
            ProgressKind::Content => lines.piece(&piece.text),
            ProgressKind::Loading => say("The model is being loaded."),
            ProgressKind::Queued => say(&format!(
                "Waiting in the server's queue: {}",
                clean_line(&piece.text)
            )),
            ProgressKind::Tool => say(&format!(
                "The server itself calls {}.",
                clean_line(&piece.text)
            )),
            ProgressKind::Thinking | ProgressKind::Other => {}
        },
        AgentEvent::Answered(reply) => {
            if lines.held.is_empty() && !lines.any {
                lines.piece(&reply.message.content);
            }
            lines.end();
        }
        AgentEvent::Called(_, Ok(result)) => {
            say(if result.is_error {
                "The tool failed:"
            } else {
                "The tool said:"
            });
            say(&result.text);
        }
        AgentEvent::Called(_, Err(failure)) => say(&format!("The call failed: {failure}")),
        AgentEvent::Failed(_) => {
            if !lines.held.is_empty() || lines.any {
                lines.end();
                say("The answer is cut here.");
            }
        }
        AgentEvent::Wanted(_) | AgentEvent::Asking | AgentEvent::Calling(..) | AgentEvent::Done => {
        }
    }
}

fn ask(app: &App, wanted: &Wanted) {
    let server = match &wanted.target {
        Target::Tool { server, .. } => app.servers.get(*server).map(|s| s.name.as_str()),
        Target::Resource | Target::Unknown => None,
    };
    let name = clean_line(&target_name(&wanted.target, &wanted.call, server));
    say(&format!(
        "The model asks to call {name} with these arguments:"
    ));
    say(&serde_json::to_string_pretty(&wanted.call.arguments).unwrap_or_default());
    say("y calls it once, a always in this chat, n refuses.");
}

/// Lines of standard input, read where waiting hurts nobody.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut reader = BufReader::new(tokio::io::stdin());
        loop {
            let mut line = Vec::new();
            match (&mut reader)
                .take(MAX_LINE)
                .read_until(b'\n', &mut line)
                .await
            {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    if sender
                        .send(String::from_utf8_lossy(&line).into_owned())
                        .await
                        .is_err()
                    {
                        break;
                    }
                }
            }
        }
    });
    receiver
}
