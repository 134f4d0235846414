//! Joins the parts: events from the terminal, the links and the turns go into the app; its commands
//! are carried out; a frame is drawn when something changed, at most sixty times a second.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{Event as TermEvent, EventStream};
use crossterm::{
    execute,
    terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::agent::{self, AgentEvent, Decision};
use crate::app::App;
use crate::command::Command;
use crate::config::Config;
use crate::event::Event;
use crate::link::Hub;
use crate::terminal;
use crate::ui::View;
use crate::ui::theme::Theme;
use crate::wire::WireLog;

/// At most sixty frames a second.
const FRAME: Duration = Duration::from_micros(16_667);
/// How often time is shown anew while something runs.
const TICK: Duration = Duration::from_millis(500);

struct TurnHandle {
    decisions: mpsc::Sender<(u32, Decision)>,
    cancel: CancellationToken,
}

/// What carries commands out.
struct Hands {
    hub: Hub,
    events: mpsc::Sender<Event>,
    turns: HashMap<u64, TurnHandle>,
}

impl Hands {
    fn start(&mut self, chat: u64, turn: u64, ask: agent::Turn) {
        // Turns that ended have dropped their receiver.
        self.turns.retain(|_, handle| !handle.decisions.is_closed());
        let (decisions, receiver) = mpsc::channel(8);
        let cancel = CancellationToken::new();
        self.turns.insert(
            turn,
            TurnHandle {
                decisions,
                cancel: cancel.clone(),
            },
        );
        let (hub, out) = (self.hub.clone(), self.events.clone());
        tokio::spawn(async move {
            let (events, mut received) = mpsc::channel::<AgentEvent>(64);
            let forward = async {
                while let Some(event) = received.recv().await {
                    if out.send(Event::Agent { chat, turn, event }).await.is_err() {
                        break;
                    }
                }
            };
            let run = async {
                let events = events;
                agent::run(&hub, ask, &events, receiver, &cancel).await;
            };
            tokio::join!(run, forward);
        });
    }

    fn decide(&self, turn: u64, number: u32, decision: Decision) {
        if let Some(handle) = self.turns.get(&turn) {
            // Full only if a turn asked eight questions without reading an answer; then it is broken.
            let _ = handle.decisions.try_send((number, decision));
        }
    }

    fn stop(&mut self, turn: u64) {
        if let Some(handle) = self.turns.remove(&turn) {
            handle.cancel.cancel();
        }
    }
}

/// Runs the chat until the person leaves.
///
/// # Errors
/// When the terminal can't be taken over or drawn on.
pub async fn run(config: &Config, wire: WireLog) -> io::Result<()> {
    let began = Instant::now();
    let mut app = App::new(config);
    let mut view = View::new(Theme::named(
        config.theme,
        std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
    ));
    let (mut terminal, guard) = terminal::take(config.mouse)?;
    let (events, mut inbox) = mpsc::channel::<Event>(256);
    let (link_events, mut links) = mpsc::channel(32);
    let stop = CancellationToken::new();
    let hub = Hub::new(config, &wire);
    let mut link_tasks = hub.start(&link_events, &stop);
    let mut hands = Hands {
        hub,
        events,
        turns: HashMap::new(),
    };
    let mut keys = EventStream::new();
    let mut signals = Signals::new()?;

    let mut dirty = true;
    let mut last_frame: Option<Instant> = None;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let outcome = loop {
        if dirty && last_frame.is_none_or(|at| at.elapsed() >= FRAME) {
            app.now = began.elapsed();
            draw(&mut terminal, &mut view, &app)?;
            last_frame = Some(Instant::now());
            dirty = false;
        }
        let next_frame = last_frame.map_or(Duration::ZERO, |at| FRAME.saturating_sub(at.elapsed()));
        let event = tokio::select! {
            biased;
            key = keys.next() => match key {
                Some(Ok(TermEvent::Key(key))) => Event::Key(key),
                Some(Ok(TermEvent::Paste(text))) => Event::Paste(text),
                Some(Ok(TermEvent::Mouse(mouse))) => Event::Mouse(mouse),
                Some(Ok(TermEvent::Resize(..))) => Event::Resize,
                Some(Ok(_)) => continue,
                // The terminal is gone: nobody is left to talk to.
                Some(Err(_)) | None => break Ok(()),
            },
            () = signals.recv() => break Ok(()),
            () = tokio::time::sleep(next_frame), if dirty => continue,
            Some((place, event)) = links.recv() => Event::Link(place, event),
            Some(event) = inbox.recv() => event,
            _ = tick.tick(), if app.is_busy() => Event::Tick,
        };
        app.now = began.elapsed();
        dirty = true;
        for command in app.update(event) {
            match command {
                Command::Start { chat, turn, ask } => hands.start(chat, turn, *ask),
                Command::Decide {
                    turn,
                    number,
                    decision,
                } => hands.decide(turn, number, decision),
                Command::Stop { turn } => hands.stop(turn),
                Command::Reconnect => {
                    for place in 0..app.servers.len() {
                        if let Ok(link) = hands.hub.link(place) {
                            link.reconnect();
                        }
                    }
                }
                Command::Scroll(scroll) => view.scroll(app.chat().id, scroll),
                Command::Quit => {}
            }
        }
        if app.quitting {
            break Ok(());
        }
    };
    drop(guard);
    // Running turns are cancelled and connections closed, within a bound, so that the server knows.
    for (_, handle) in hands.turns.drain() {
        handle.cancel.cancel();
    }
    stop.cancel();
    drop(links);
    let _ = tokio::time::timeout(Duration::from_secs(3), async {
        while link_tasks.join_next().await.is_some() {}
    })
    .await;
    outcome
}

fn draw(terminal: &mut terminal::Terminal, view: &mut View, app: &App) -> io::Result<()> {
    // A terminal that knows synchronized updates shows a frame whole; others ignore the marks.
    execute!(terminal.backend_mut(), BeginSynchronizedUpdate)?;
    terminal.draw(|frame| view.draw(frame, app))?;
    execute!(terminal.backend_mut(), EndSynchronizedUpdate)
}

/// The signals that end a program: the terminal is given back for these too.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    #[cfg(unix)]
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "the same shape as on Unix")]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn recv(&mut self) {
        std::future::pending::<()>().await;
    }
}
