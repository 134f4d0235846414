//! What the server says of itself, on standard error: standard output belongs to the protocol.
//!
//! Nobody waits for whoever reads it. A terminal that was stopped with Ctrl-S, or a log driver that
//! hangs, would otherwise stop the server at its next line, and then keep it from ending.

use std::{
    io::{self, IsTerminal as _, Write},
    panic,
    sync::{
        Arc, Condvar, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::config::{self, Log, LogFormat, Mode};

/// What may wait to be read, in bytes. More is dropped, and counted.
const MOST_WAITING: usize = 1 << 20;
/// A longer line is cut: with `rmcp=debug` one may hold a whole message.
const LONGEST_LINE: usize = 64 << 10;
/// How long the last lines are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

static LINES: OnceLock<Lines> = OnceLock::new();

/// Starts logging.
///
/// rmcp tells of each message at `info`, which costs a fifth of a call, and of each refusal at
/// `warn`, which the audit record does better. So it is heard only when it is asked for by name
/// (`--log-level info,rmcp=debug`).
///
/// # Errors
/// When the level can't be understood.
pub fn start(log: &Log, mode: Mode) -> Result<(), String> {
    // The configuration was checked; what is left to be wrong is what was typed, and who reads this
    // adds what to type.
    let wrong = |why: String| why.split(": ").next().unwrap_or_default().to_owned();
    let filter = filter(log, mode).map_err(wrong)?;
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = LINES.get_or_init(|| Lines::to(io::stderr(), log.format));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines.clone())
        .with_ansi(colour);
    // A second start in one process (as in tests) keeps the first subscriber.
    let _ = match log.format {
        LogFormat::Human => builder.with_target(false).compact().try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // A tool that panics fails alone; what it says must not wait for a reader either.
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

/// A line beside the log; where none was started, at once.
pub fn say(line: &str) {
    match LINES.get() {
        Some(lines) => lines.push(format!("{line}\n").as_bytes()),
        // Nobody reads a closed standard error.
        None => drop(writeln!(io::stderr(), "{line}")),
    }
}

/// Waits until the last line is out, but no longer than a second: whoever doesn't read it by then
/// must not keep the server from ending.
pub fn finish() {
    if let Some(lines) = LINES.get() {
        lines.wait(LAST_WORDS);
    }
}

/// What is heard: in `dev`, more, unless a level was chosen.
fn filter(log: &Log, mode: Mode) -> Result<EnvFilter, String> {
    let level = if mode == Mode::Dev && log.level == "info" {
        "debug"
    } else {
        &log.level
    };
    let mut filter = EnvFilter::default();
    for directive in config::directives(level)? {
        filter = filter.add_directive(directive);
    }
    for quiet in ["rmcp", "hyper", "hyper_util", "reqwest", "rustls"] {
        if !level.contains(quiet) {
            let directive = format!("{quiet}=error").parse();
            filter = filter.add_directive(directive.map_err(|error| format!("{quiet}: {error}"))?);
        }
    }
    Ok(filter)
}

/// Lines on their way to a writer that may be slow or stuck. Bounded by bytes; what doesn't fit is
/// dropped, counted, and told when there is room again.
#[derive(Clone)]
struct Lines(Arc<Shared>);

struct Shared {
    queue: Sender<Vec<u8>>,
    waiting: AtomicUsize,
    dropped: AtomicU64,
    /// Rung, with the door held, when nothing waits any more.
    empty: Condvar,
    door: Mutex<()>,
    format: LogFormat,
}

impl Shared {
    /// What is to be told of lines that were dropped since it was last told.
    fn gap(&self) -> Option<String> {
        let dropped = self.dropped.swap(0, Ordering::AcqRel);
        let said =
            format!("{dropped} lines of the log were dropped here: nobody read standard error");
        (dropped > 0).then(|| match self.format {
            LogFormat::Human => format!("{said}\n"),
            LogFormat::Json => {
                let line = serde_json::json!({ "level": "WARN", "fields": { "message": said } });
                format!("{line}\n")
            }
        })
    }
}

impl Lines {
    /// Lines to this writer, by a thread of its own: the only one that ever waits for it.
    fn to(writer: impl Write + Send + 'static, format: LogFormat) -> Self {
        let (queue, lines) = channel();
        let shared = Arc::new(Shared {
            queue,
            waiting: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            empty: Condvar::new(),
            door: Mutex::new(()),
            format,
        });
        let writing = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("log".to_owned());
        // Without a thread there is no log; its lines are counted as dropped.
        let _ = thread.spawn(move || write(&lines, &writing, writer));
        Self(shared)
    }

    fn push(&self, line: &[u8]) {
        let Self(shared) = self;
        let mut line = line.to_vec();
        if line.len() > LONGEST_LINE {
            line.truncate(LONGEST_LINE);
            line.extend_from_slice("… (cut)\n".as_bytes());
        }
        let bytes = line.len();
        let before = shared.waiting.fetch_add(bytes, Ordering::AcqRel);
        if before + bytes > MOST_WAITING {
            shared.waiting.fetch_sub(bytes, Ordering::AcqRel);
            shared.dropped.fetch_add(1, Ordering::AcqRel);
            return;
        }
        // Where the gap is, not where it is found.
        if let Some(gap) = shared.gap() {
            shared.waiting.fetch_add(gap.len(), Ordering::AcqRel);
            let _ = shared.queue.send(gap.into_bytes());
        }
        if shared.queue.send(line).is_err() {
            shared.waiting.fetch_sub(bytes, Ordering::AcqRel);
        }
    }

    /// Waits until everything is written, or for so long.
    fn wait(&self, patience: Duration) {
        let Self(shared) = self;
        let door = shared.door.lock().unwrap_or_else(PoisonError::into_inner);
        let is_busy = |(): &mut ()| shared.waiting.load(Ordering::Acquire) > 0;
        drop(shared.empty.wait_timeout_while(door, patience, is_busy));
    }
}

fn write(lines: &Receiver<Vec<u8>>, shared: &Shared, mut writer: impl Write) {
    for line in lines {
        // Nobody reads a closed standard error.
        let _ = writer.write_all(&line);
        let waiting = shared.waiting.fetch_sub(line.len(), Ordering::AcqRel);
        if waiting > line.len() {
            continue;
        }
        // The last line that fitted, and no next one to tell of the gap.
        if let Some(gap) = shared.gap() {
            let _ = writer.write_all(gap.as_bytes());
        }
        let _door = shared.door.lock().unwrap_or_else(PoisonError::into_inner);
        shared.empty.notify_all();
    }
}

/// A line that is being written; it goes on its way whole.
struct Line<'a> {
    to: &'a Lines,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            to: self,
            text: Vec::new(),
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.to.push(&self.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn dev_says_more_and_a_chosen_level_stays() {
        let heard = |level: &str, mode| {
            let log = Log {
                level: level.to_owned(),
                ..Log::default()
            };
            filter(&log, mode).unwrap().to_string()
        };
        let says = |level, mode, wanted: &str| {
            let heard = heard(level, mode);
            assert!(heard.split(',').any(|it| it == wanted), "{heard}");
        };
        says("info", Mode::Local, "info");
        says("info", Mode::Dev, "debug");
        says("info", Mode::Prod, "info");
        says("warn", Mode::Dev, "warn");
        says("debug", Mode::Dev, "rmcp=error");
        says("info,rmcp=debug", Mode::Local, "rmcp=debug");
    }

    /// A writer that is stuck while its lock is held.
    #[derive(Clone, Default)]
    struct Stuck(Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            text.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_stuck_writer_and_what_is_dropped_is_told() {
        let stuck = Stuck::default();
        let held = stuck.0.lock().unwrap();
        let lines = Lines::to(stuck.clone(), LogFormat::Human);
        let began = Instant::now();
        let line = [b'x'; 999];
        for number in 0..5_000 {
            lines.push(format!("{number} {}\n", String::from_utf8_lossy(&line)).as_bytes());
        }
        lines.wait(Duration::from_millis(50));
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(lines.0.waiting.load(Ordering::Relaxed) <= MOST_WAITING);
        drop(held);
        lines.wait(Duration::from_secs(20));
        lines.push(b"the last\n");
        lines.wait(Duration::from_secs(20));
        let text = stuck.0.lock().unwrap();
        let text = String::from_utf8_lossy(&text);
        let whole = text.lines().filter(|line| line.ends_with('x')).count();
        let told = text
            .lines()
            .filter_map(|line| line.split_once(" lines of the log were dropped here"));
        let dropped: usize = told
            .map(|(dropped, _)| dropped.parse::<usize>().unwrap())
            .sum();
        assert_eq!(whole + dropped, 5_000, "nothing is lost uncounted");
        assert!(dropped > 3_000 && text.contains("the last\n"), "{dropped}");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        let out = Stuck::default();
        let lines = Lines::to(out.clone(), LogFormat::Human);
        lines.push(&vec![b'x'; LONGEST_LINE * 3]);
        lines.wait(Duration::from_secs(20));
        assert!(out.0.lock().unwrap().len() < LONGEST_LINE + 20);
    }
}
