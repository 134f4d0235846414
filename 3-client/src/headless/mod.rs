//! The same client without a screen: for scripts, and for looking at one thing at a time.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::link::{Hub, LinkEvent};
use crate::untrusted::{clean, clean_line, name};
use crate::wire::WireLog;

mod ask;
mod call;
mod look;

pub use ask::ask;
pub use call::call;
pub use look::{prompt, prompts, read, resources, tools, trace};

/// Something failed that has no code of its own.
pub const FAILED: u8 = 1;
/// The command line or the configuration is wrong.
pub const USAGE: u8 = 2;
/// The tool ran and reported a failure.
pub const TOOL_FAILED: u8 = 3;
/// The key is missing or wrong.
pub const SIGNED_OUT: u8 = 4;
/// The key has no right to this.
pub const FORBIDDEN: u8 = 5;
/// Too many calls, or the server is busy.
pub const THROTTLED: u8 = 6;
/// Nobody answers.
pub const AWAY: u8 = 7;
/// A server or a tool isn't what was looked at, and is held back.
pub const HELD: u8 = 8;
/// The model asked for a call that `--approve` doesn't allow, and answered without it.
pub const REFUSED: u8 = 9;
/// Stopped with Ctrl-C.
pub const STOPPED: u8 = 130;

/// What to do about something that is held back.
const LOOK: &str = "Look at what is different, and accept it if it is right: /changes in `mcp-client` or `mcp-client --plain`.";

/// For `--help`.
pub const EXIT_CODES: &str = "Exit codes: 0 done · 1 failed · 2 wrong usage or configuration · 3 the tool reported a failure · 4 key missing or refused · 5 not allowed · 6 throttled or busy · 7 server not reachable · 8 held back: a server, its list or a tool changed and nobody has looked · 9 a call was refused · 130 stopped\nThe key comes from MCP_CLIENT_KEY, or from key_env, key_file or key_command in the configuration; never from the command line.";

/// Says on stderr what is wrong, and gives the code to leave with.
pub fn complain(message: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "mcp-client: {}", clean(message));
    ExitCode::from(code)
}

fn complain_failure(failure: &Failure) -> ExitCode {
    let code = match failure.kind() {
        Kind::SignedOut => SIGNED_OUT,
        Kind::Forbidden => FORBIDDEN,
        Kind::Throttled | Kind::Overloaded => THROTTLED,
        Kind::Away => AWAY,
        Kind::Cancelled => STOPPED,
        Kind::Held => HELD,
        Kind::Broken => FAILED,
    };
    let advice = match failure {
        // There is no chat here in which to look.
        Failure::Held(_) => Some(LOOK.to_owned()),
        failure => failure.advice(),
    };
    match advice {
        Some(advice) => complain(&format!("{failure}\n{advice}"), code),
        None => complain(&failure.to_string(), code),
    }
}

/// Prints for people through `clean`, for programs byte for byte: what a terminal would act on is
/// harmless in a pipe, and changing it there would falsify the result.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let shown = if out.is_terminal() {
        clean(text)
    } else {
        text.into()
    };
    let written = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
    if written.is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
        // A reader that closed the pipe has read enough.
        CLOSED.store(true, Ordering::Relaxed);
    }
}

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether nobody reads what is printed any more.
fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Prints what isn't about any server, such as completions for a shell.
pub fn print_made(make: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> ExitCode {
    let mut made = Vec::new();
    if let Err(error) = make(&mut made) {
        return complain(&error.to_string(), FAILED);
    }
    print(&String::from_utf8_lossy(&made));
    ExitCode::SUCCESS
}

/// The most that is read from standard input, or from a file that stands for it.
const MAX_READ: u64 = 1024 * 1024;

fn read_text(from: impl io::Read, what: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut bounded = from.take(MAX_READ + 1);
    let read = bounded.read_to_string(&mut text);
    read.map_err(|e| format!("{what} can't be read as text: {e}"))?;
    if text.len() as u64 > MAX_READ {
        return Err(format!("{what} is longer than {} MiB", MAX_READ >> 20));
    }
    Ok(text)
}

/// Reads standard input to its end.
fn read_in() -> Result<String, String> {
    read_text(io::stdin().lock(), "standard input")
}

/// Arguments as they are given: themselves, `-` for standard input, or `@` and a file.
fn given_arguments(given: &str) -> Result<String, String> {
    if given == "-" {
        return read_in();
    }
    match given.strip_prefix('@') {
        None => Ok(given.to_owned()),
        Some(path) => {
            let file = std::fs::File::open(path);
            let file = file.map_err(|e| format!("{path} can't be read: {e}"))?;
            read_text(file, path)
        }
    }
}

fn print_json(value: &Value) {
    print(&format!("{value}\n"));
}

/// The connections of one headless run.
struct Lines {
    hub: Hub,
    catalogs: Vec<Option<Catalog>>,
    stop: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
    told: Option<tokio::task::JoinHandle<()>>,
}

impl Lines {
    /// Connects to the first server, and to the others if they answer as well. One attempt each.
    async fn open(config: &Config, wire: &WireLog) -> Result<Self, Failure> {
        let stop = CancellationToken::new();
        let hub = Hub::new(config, wire);
        let (sender, mut events) = mpsc::channel(32);
        let tasks = hub.start(&sender, &stop);
        let mut lines = Self {
            hub,
            catalogs: vec![None; config.servers.len()],
            stop,
            tasks,
            told: None,
        };
        // The links hold it, and nobody else: when they have ended, so has what they tell.
        drop(sender);
        let mut open: Vec<bool> = vec![true; config.servers.len()];
        let deadline = tokio::time::sleep(config.limits.request());
        tokio::pin!(deadline);
        while open.contains(&true) {
            tokio::select! {
                () = &mut deadline => break,
                event = events.recv() => match event {
                    None => break,
                    Some((_, LinkEvent::Connecting)) => {}
                    Some((place, LinkEvent::Declined(told))) => declined(&config.servers[place].name, &told),
                    Some((place, LinkEvent::Ready(catalog, _))) => {
                        lines.catalogs[place] = Some(*catalog);
                        open[place] = false;
                    }
                    Some((0, LinkEvent::Down(failure, _))) => {
                        lines.close().await;
                        return Err(failure);
                    }
                    Some((place, LinkEvent::Down(failure, _))) => {
                        let _ = complain(&format!("{}: {failure}", config.servers[place].name), 0);
                        open[place] = false;
                    }
                }
            }
        }
        // Later events would fill the channel and stop the links.
        let names: Vec<String> = config.servers.iter().map(|s| s.name.clone()).collect();
        lines.told = Some(tokio::spawn(async move {
            while let Some((place, event)) = events.recv().await {
                if let LinkEvent::Declined(told) = event {
                    declined(&names[place], &told);
                }
            }
        }));
        Ok(lines)
    }

    /// The servers that are there, and what they offer.
    fn ready(&self) -> impl Iterator<Item = (usize, &Catalog)> {
        self.catalogs
            .iter()
            .enumerate()
            .filter_map(|(place, c)| Some((place, c.as_ref()?)))
    }

    async fn close(&mut self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(3), async {
            while self.tasks.join_next().await.is_some() {}
            if let Some(told) = self.told.take() {
                let _ = told.await;
            }
        })
        .await;
    }

    /// Finds a tool by its name, or by `server/tool`.
    fn find(&self, config: &Config, wanted: &str) -> Result<(usize, String), Failure> {
        let found = self.whose(config, wanted, |c, name| c.tool(name).is_some())?;
        let tools = self.ready().flat_map(|(_, c)| &c.tools);
        let known: Vec<String> = tools.map(|t| t.name.clone()).collect();
        // A server need not list what it lets one call.
        found.map_or_else(
            || no_such_tool(wanted, &known).map_or_else(|| Ok((0, wanted.to_owned())), Err),
            Ok,
        )
    }

    /// The one server that has it, by its own name or by `server/name`. What several have is never
    /// chosen for anybody.
    fn whose(
        &self,
        config: &Config,
        wanted: &str,
        has: impl Fn(&Catalog, &str) -> bool,
    ) -> Result<Option<(usize, String)>, Failure> {
        let called = |place: usize| config.servers[place].name.as_str();
        for (place, catalog) in self.ready() {
            let own = wanted.strip_prefix(called(place));
            let own = own.and_then(|rest| rest.strip_prefix('/'));
            if let Some(own) = own.filter(|own| has(catalog, own)) {
                return Ok(Some((place, own.to_owned())));
            }
        }
        let having = self.ready().filter(|(_, c)| has(c, wanted));
        let having: Vec<usize> = having.map(|(place, _)| place).collect();
        match having[..] {
            [] => Ok(None),
            [place] => Ok(Some((place, wanted.to_owned()))),
            [first, ..] => {
                let all: Vec<&str> = having.into_iter().map(called).collect();
                Err(Failure::Here(format!(
                    "several servers have {wanted:?}: {}. Write {}/{wanted}, or another of them",
                    all.join(", "),
                    called(first)
                )))
            }
        }
    }
}

/// How like a name another must be to be proposed in its place.
const NEAR: f64 = 0.8;

/// What to say of a name that isn't in the list; nothing when the list is empty.
fn no_such_tool(wanted: &str, known: &[String]) -> Option<Failure> {
    let likeness = |name: &&String| strsim::jaro_winkler(name, wanted);
    let near = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    let proposed = if likeness(&near) >= NEAR {
        format!("did you mean {}? ", name(near))
    } else {
        String::new()
    };
    Some(Failure::Here(format!(
        "there is no tool {wanted:?}; {proposed}`mcp-client tools` lists them"
    )))
}

/// Says that a server's question was answered with no in the person's place.
fn declined(server: &str, told: &str) {
    let _ = complain(&clean_line(&format!("{server}: {told}")), 0);
}

/// Cancelled when the person presses Ctrl-C.
fn on_ctrl_c() -> CancellationToken {
    let cancel = CancellationToken::new();
    let pressed = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            pressed.cancel();
        }
    });
    cancel
}

/// Runs `work` with open connections; Ctrl-C cancels it, and the server is told.
async fn with_lines<F>(config: &Config, wire: &WireLog, work: F) -> ExitCode
where
    F: AsyncFnOnce(&Lines, CancellationToken) -> Result<ExitCode, Failure>,
{
    let cancel = on_ctrl_c();
    let opened = tokio::select! {
        opened = Lines::open(config, wire) => opened,
        () = cancel.cancelled() => Err(Failure::Cancelled),
    };
    let mut lines = match opened {
        Ok(lines) => lines,
        Err(failure) => return complain_failure(&failure),
    };
    let code = work(&lines, cancel)
        .await
        .unwrap_or_else(|failure| complain_failure(&failure));
    lines.close().await;
    code
}
