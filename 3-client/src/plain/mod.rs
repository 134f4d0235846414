//! The chat line by line, for screen readers and for terminals that can't be drawn on: no alternate
//! screen, no redraw, no spinner. What is printed once stays as it is.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    agent::{AgentEvent, Target, Wanted},
    app::{
        App, Consent,
        conversation::{Body, purpose},
        pins::Pins,
    },
    config::Config,
    event::Event,
    hands::Hands,
    link::{Hub, LinkEvent},
    store::{self, Store},
    tap::ProgressKind,
    ui::fold::Folded,
    untrusted::{clean, clean_line, name, scripts},
    wire::WireLog,
};

mod looked_at;

use looked_at::LookedAt;

/// The longest line that is read.
const MAX_LINE: u64 = 256 * 1024;
/// Columns in which arguments are folded.
const WIDTH: u16 = 100;
const HELP: &str = "Write a message and press Enter. /stop stops an answer, /new starts a new chat, /servers says how each server stands, /tools lists the tools, /compact has the model sum the chat up, /changes shows what is new at a server and held back, /quit leaves. Lines that begin with | are the model's, a tool's or a server's; all others are this program's.";

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

/// Prints what comes from outside. Its lines begin with a bar, so that none can be taken for one of this
/// program's: a model may write "y calls it once", too.
fn quote(text: &str) {
    let lines: Vec<String> = text.lines().map(|line| format!("| {line}")).collect();
    if !lines.is_empty() {
        say(&lines.join("\n"));
    }
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
            say(&format!("| {}", &self.held[..end]));
            self.held.drain(..=end);
            self.any = true;
        }
    }

    fn end(&mut self) {
        if !self.held.is_empty() {
            quote(&std::mem::take(&mut self.held));
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
    match store.as_ref().map(Store::pins) {
        Some(Ok(pins)) => app.pins = pins,
        Some(Err(error)) => {
            say(&format!(
                "What you looked at before can't be read: {error}. Everything is held back; /changes shows it."
            ));
            app.pins = Pins::lost();
        }
        None => {}
    }
    let (events, mut inbox) = mpsc::channel(256);
    let (link_events, mut links) = mpsc::channel(32);
    let stop = CancellationToken::new();
    let hub = Hub::new(config, &wire);
    let mut link_tasks = hub.start(&link_events, &stop);
    let mut hands = Hands::new(hub, wire, store.clone(), events, link_events);
    let mut typed = read_lines();
    let mut lines = Lines::default();
    let mut looked_at = LookedAt::default();
    // What comes from a pipe is there before any server is: it is read once each has said yes or no.
    let mut settled = vec![false; config.servers.len()];
    let mut input_open = true;
    say(HELP);
    loop {
        let idle = app.chat().running.is_none() && app.chat().queue.is_empty();
        if !input_open && idle {
            break;
        }
        if !input_open && app.chat().pending.is_some() {
            say("Nobody is left to answer, so it is refused.");
            app.now = began.elapsed();
            for command in app.update(Event::Decide(Consent::No)) {
                hands.carry_out(command, &app);
            }
            continue;
        }
        let may_type = app.chat().running.is_none() || app.chat().pending.is_some();
        let reads = input_open && may_type && !settled.contains(&false);
        let event = tokio::select! {
            _ = tokio::signal::ctrl_c() => {
                if idle { break }
                Event::Key(KeyCode::Esc.into())
            }
            Some((place, event)) = links.recv() => {
                tell_link(&app, place, &event);
                if matches!(event, LinkEvent::Ready(..) | LinkEvent::Down(..)) {
                    settled[place] = true;
                }
                app.now = began.elapsed();
                let before = app.chat().entries.len();
                let commands = app.update(Event::Link(place, event));
                tell_entries(&app, before, &mut lines);
                for command in commands {
                    hands.carry_out(command, &app);
                }
                save_pins(&mut app, store.as_ref());
                continue;
            }
            Some(event) = inbox.recv() => event,
            line = typed.recv(), if reads => match line {
                None => { input_open = false; continue }
                Some(line) => match command(&mut app, line.trim(), &mut looked_at) {
                    Typed::Leave => break,
                    Typed::Done => {
                        save_pins(&mut app, store.as_ref());
                        continue;
                    }
                    Typed::Event(event) => event,
                },
            },
        };
        app.now = began.elapsed();
        let send = matches!(event, Event::Paste(_));
        // A summary is no answer, and is shown as what it is.
        let sums_up = app.chat().running.as_ref().is_some_and(|r| r.sums_up);
        if let Event::Agent { event, .. } = &event
            && !sums_up
        {
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
        tell_entries(&app, before, &mut lines);
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
    save_pins(&mut app, store.as_ref());
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

/// Says what joined the transcript by itself.
fn tell_entries(app: &App, before: usize, lines: &mut Lines) {
    for entry in app.chat().entries.iter().skip(before) {
        match &entry.body {
            Body::Trouble(trouble) => {
                lines.end();
                say(&format!("Problem: {}", clean_line(&trouble.headline)));
                if let Some(advice) = &trouble.advice {
                    say(advice);
                }
            }
            Body::Note(text) => say(&clean_line(text)),
            Body::Summary(text) => {
                say("Summed up. From here on, the model is sent this:");
                quote(text);
            }
            Body::User { .. } | Body::Answer(_) | Body::Call(_) => {}
        }
    }
}

/// What was looked at is kept at once.
fn save_pins(app: &mut App, store: Option<&Store>) {
    if let Some(store) = store.filter(|_| std::mem::take(&mut app.pins_unsaved))
        && let Err(error) = store.save_pins(&app.pins)
    {
        say(&format!("What you looked at can't be remembered: {error}"));
    }
}

fn command(app: &mut App, line: &str, looked_at: &mut LookedAt) -> Typed {
    if app.chat().pending.is_some() {
        return match line.to_ascii_lowercase().as_str() {
            "y" | "yes" => Typed::Event(Event::Decide(Consent::Once)),
            "a" | "always" => Typed::Event(Event::Decide(Consent::Always)),
            "n" | "no" => Typed::Event(Event::Decide(Consent::No)),
            "/stop" => Typed::Event(Event::Key(KeyCode::Esc.into())),
            _ => {
                say("Answer y, a or n. Nothing is called before you do.");
                Typed::Done
            }
        };
    }
    if let Some(which) = line.strip_prefix("/accept") {
        looked_at.accept(app, which);
        return Typed::Done;
    }
    match line {
        "" => Typed::Done,
        "/quit" => Typed::Leave,
        "/help" => {
            say(HELP);
            Typed::Done
        }
        "/compact" => Typed::Event(Event::Compact),
        "/servers" => {
            for server in &app.servers {
                let standing = server.standing(app.now);
                say(&format!(
                    "{}: {standing}, at {}",
                    server.name,
                    clean_line(&server.address)
                ));
            }
            Typed::Done
        }
        "/changes" => {
            looked_at.tell(app);
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
                    let held = if server.held.covers(&tool.name) {
                        " (held back, see /changes)"
                    } else {
                        ""
                    };
                    say(&format!("{}/{}{held}:", server.name, name(&tool.name)));
                    quote(&clean_line(&tool.description));
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
        // The transcript says why, once.
        LinkEvent::Down(..) => {}
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
            quote(&result.text);
        }
        AgentEvent::Called(_, Err(failure)) => say(&format!("The call failed: {failure}")),
        AgentEvent::Failed(_) => {
            if !lines.held.is_empty() || lines.any {
                lines.end();
                say("The answer is cut here.");
            }
        }
        AgentEvent::Wanted(_)
        | AgentEvent::Asking { .. }
        | AgentEvent::Calling(..)
        | AgentEvent::Done => {}
    }
}

fn ask(app: &App, wanted: &Wanted) {
    let server = wanted.target.server().and_then(|at| app.servers.get(at));
    let what = purpose(
        &wanted.target,
        &wanted.call,
        server.map(|s| s.name.as_str()),
    );
    say(&format!("The model asks to {what} with these arguments:"));
    if let Target::Tool { tool, .. } = &wanted.target
        && let Some(other) = Some(scripts(tool)).filter(|found| !found.is_empty())
    {
        say(&format!(
            "Its name has letters of another script: {}.",
            other.join(", ")
        ));
    }
    let folded = Folded::arguments(&wanted.call.arguments, WIDTH);
    for row in (0..folded.height()).filter_map(|at| folded.row(at)) {
        say(&format!("|{row}"));
    }
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
