//! Joins the parts: events from the terminal, the links and the turns go into the app; its commands
//! are carried out; a frame is drawn when something changed, at most sixty times a second.

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{Event as TermEvent, EventStream};
use crossterm::execute;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Overlay, pins::Pins};
use crate::command::Command;
use crate::config::Config;
use crate::event::Event;
use crate::frames::Frames;
use crate::hands::{self, Hands};
use crate::link::Hub;
use crate::signals::{self, Asked, Signals};
use crate::store::{self, ChatImage, Store};
use crate::terminal;
use crate::ui::View;
use crate::ui::theme::Theme;
use crate::wire::WireLog;

/// How often time is shown anew while something runs.
const TICK: Duration = Duration::from_millis(500);
/// A crash loses at most this much.
const SAVE: Duration = Duration::from_secs(1);

/// Runs the chat until the person leaves.
///
/// # Errors
/// When the terminal can't be taken over or drawn on.
pub async fn run(config: &Config, wire: WireLog) -> io::Result<()> {
    let began = Instant::now();
    let mut app = App::new(config);
    app.set_run(&store::run_name());
    let store = Store::find(&|name| std::env::var(name).ok());
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let mut view = View::new(Theme::named(config.theme, no_color));
    let (mut terminal, guard) = terminal::take(config.mouse)?;
    // The first frame before anything slow: a person sees at once that the program is there.
    draw(&mut terminal, &mut view, &app)?;

    let (events, mut inbox) = mpsc::channel::<Event>(256);
    if let Some(store) = &store {
        load(&mut app, store);
    }
    let (link_events, mut links) = mpsc::channel(32);
    let stop = CancellationToken::new();
    let (asker, mut asked) = mpsc::channel(4);
    let hub = Hub::asking(config, &wire, Some(&asker));
    let mut link_tasks = hub.start(&link_events, &stop);
    let mut hands = Hands::new(hub, wire.clone(), store.clone(), events, link_events);
    let mut keys = EventStream::new();
    let mut signals = Signals::new()?;
    let mut saving = tokio::task::JoinSet::new();

    let mut frames = Frames::new(Instant::now());
    let mut tick = tokio::time::interval(TICK);
    let mut save = tokio::time::interval(SAVE);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    save.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    'main: loop {
        if frames.wait(Instant::now()) == Some(Duration::ZERO) {
            app.now = began.elapsed();
            if matches!(app.overlay, Overlay::Wire) {
                app.update(Event::Wire(wire.since(app.wire.newest())));
            }
            draw(&mut terminal, &mut view, &app)?;
            frames.drawn(Instant::now());
        }
        let next_frame = frames.wait(Instant::now());
        let event = tokio::select! {
            biased;
            key = keys.next() => match key {
                Some(Ok(TermEvent::Key(key))) => Event::Key(key),
                Some(Ok(TermEvent::Paste(text))) => Event::Paste(text),
                Some(Ok(TermEvent::Mouse(mouse))) => Event::Mouse(mouse),
                Some(Ok(TermEvent::Resize(..))) => Event::Resize,
                Some(Ok(_)) => continue,
                // The terminal is gone: nobody is left to talk to.
                Some(Err(_)) | None => break,
            },
            asked = signals.recv() => match asked {
                Asked::End => break,
                Asked::GoOn => {
                    keys = retake(&guard, &mut terminal, keys, || ())?.0;
                    frames.want(true);
                    continue;
                }
            },
            () = tokio::time::sleep(next_frame.unwrap_or_default()), if next_frame.is_some() => continue,
            Some((place, event)) = links.recv() => Event::Link(place, event),
            Some(event) = inbox.recv() => event,
            Some(asked) = asked.recv() => {
                hands.ask(asked);
                continue;
            }
            () = wire.grown(), if matches!(app.overlay, Overlay::Wire) => Event::Tick,
            _ = tick.tick(), if app.is_busy() => Event::Tick,
            _ = save.tick(), if app.has_unsaved() => {
                save_in_background(&mut app, store.as_ref(), &mut saving);
                continue;
            }
        };
        app.now = began.elapsed();
        let is_a_persons = matches!(
            event,
            Event::Key(_) | Event::Paste(_) | Event::Mouse(_) | Event::Resize
        );
        let stage = app.stage();
        let commands = app.update(event);
        // A person looks for the first word, too, and for a question.
        frames.want(is_a_persons || app.stage() != stage);
        for command in commands {
            match hands.carry_out(command, &app) {
                Some(Command::Scroll(scroll)) => view.scroll(app.chat().id, scroll),
                Some(Command::Find { needle, step }) => view.find(app.chat().id, needle, step),
                Some(Command::Editor(text)) => {
                    let written;
                    (keys, written) = retake(&guard, &mut terminal, keys, || hands::edit(&text))?;
                    match written {
                        Ok(text) => app.update(Event::Edited(text)),
                        Err(error) => {
                            app.update(Event::Note(format!("the editor didn't work: {error}")))
                        }
                    };
                }
                Some(Command::Suspend) => {
                    keys = retake(&guard, &mut terminal, keys, signals::stop)?.0;
                }
                Some(Command::Quit) => break 'main,
                Some(_) | None => {}
            }
        }
        hands.watch(app.watched());
    }
    drop(guard);
    hands.let_go();
    stop.cancel();
    drop(links);
    while saving.join_next().await.is_some() {}
    save_in_background(&mut app, store.as_ref(), &mut saving);
    // Connections are closed within a bound, so that the servers know.
    let goodbye = async {
        while saving.join_next().await.is_some() {}
        while link_tasks.join_next().await.is_some() {}
        hands.gone().await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), goodbye).await;
    Ok(())
}

/// Gives the terminal away for a while, and takes it and its keys again.
fn retake<T>(
    guard: &terminal::Guard,
    terminal: &mut terminal::Terminal,
    keys: EventStream,
    work: impl FnOnce() -> T,
) -> io::Result<(EventStream, T)> {
    // The reader of keys must be gone, or it takes the other program's.
    drop(keys);
    let done = guard.lend(work)?;
    // Nothing of what was drawn before is there any more. `Terminal::clear` would ask the terminal where
    // its cursor is, and wait for an answer that may go elsewhere.
    *terminal = terminal::blank()?;
    Ok((EventStream::new(), done))
}

fn load(app: &mut App, store: &Store) {
    app.saved = store.list();
    match store.pins() {
        Ok(pins) => app.pins = pins,
        Err(error) => {
            app.pins = Pins::lost();
            let text = format!(
                "what you looked at before can't be read ({error}), so everything is held back: /changes shows it"
            );
            app.update(Event::Note(text));
        }
    }
}

fn save_in_background(app: &mut App, store: Option<&Store>, saving: &mut tokio::task::JoinSet<()>) {
    while saving.try_join_next().is_some() {}
    // One at a time: two writers of one chat could finish in the wrong order.
    let (Some(store), true) = (store.cloned(), saving.is_empty()) else {
        return;
    };
    let behind = app
        .chats
        .iter_mut()
        .filter_map(|c| std::mem::take(&mut c.unsaved).then_some(&*c));
    let chats: Vec<ChatImage> = behind.filter_map(ChatImage::of).collect();
    let pins = std::mem::take(&mut app.pins_unsaved).then(|| app.pins.clone());
    saving.spawn_blocking(move || {
        // A full disk must not end the chat; the next change tries again.
        for chat in &chats {
            let _ = store.save(chat);
        }
        if let Some(pins) = &pins {
            let _ = store.save_pins(pins);
        }
    });
}

fn draw(terminal: &mut terminal::Terminal, view: &mut View, app: &App) -> io::Result<()> {
    // A terminal that knows synchronized updates shows a frame whole; others ignore the marks.
    execute!(terminal.backend_mut(), BeginSynchronizedUpdate)?;
    terminal.draw(|frame| view.draw(frame, app))?;
    execute!(terminal.backend_mut(), EndSynchronizedUpdate)
}
