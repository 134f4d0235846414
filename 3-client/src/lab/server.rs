//! The server that a lab starts: mcp-server, from the folder that this program stands in.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::Trouble;

/// How many lines of its log are kept.
const MAX_LINES: usize = 200;
const START: Duration = Duration::from_secs(15);

/// A server that ends with this value.
pub(super) struct Started {
    pub(super) url: String,
    log: Arc<Mutex<VecDeque<String>>>,
    _child: Child,
}

/// The command that starts it, with settings that a lab can count on: whatever this shell has set
/// for a server of its own stays out.
pub(super) fn command() -> Result<Command, Trouble> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|me| {
            Some(
                me.parent()?
                    .join("mcp-server")
                    .with_extension(std::env::consts::EXE_EXTENSION),
            )
        })
        .filter(|path| path.is_file());
    let path: PathBuf = beside.ok_or(
        "mcp-server isn't beside mcp-client: build it with `cargo build`, or name a running server with --url",
    )?;
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MCP_") {
            command.env_remove(name);
        }
    }
    command
        .env("MCP_SERVER__MODE", "local")
        .env("MCP_SERVER__PORT", "0")
        .env("MCP_LLM__PROVIDER", "tutor")
        .env("NO_COLOR", "1")
        .kill_on_drop(true);
    Ok(command)
}

impl Started {
    /// Starts it on a free port.
    pub(super) async fn over_http() -> Result<Self, Trouble> {
        let mut child = command()?
            .args(["--transport", "sse"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("mcp-server can't be started: {error}"))?;
        let stderr = child
            .stderr
            .take()
            .ok_or("mcp-server has no standard error")?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let (found, url) = tokio::sync::oneshot::channel();
        tokio::spawn(follow(stderr, Arc::clone(&log), found));
        let url = tokio::time::timeout(START, url).await;
        let Ok(Ok(url)) = url else {
            let last = lock(&log).back().cloned().unwrap_or_default();
            return Err(format!("mcp-server didn't start: {last}"));
        };
        Ok(Self {
            url,
            log,
            _child: child,
        })
    }

    /// A line of the server's record that holds all of these, as soon as it is there.
    pub(super) async fn record(&self, words: &[&str]) -> Option<String> {
        for _ in 0..40 {
            let found = lock(&self.log)
                .iter()
                .rev()
                .find(|line| words.iter().all(|word| line.contains(word)))
                .cloned();
            if found.is_some() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }
}

fn lock(log: &Mutex<VecDeque<String>>) -> std::sync::MutexGuard<'_, VecDeque<String>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads on for as long as the server lives: a full pipe would stop it.
async fn follow(
    stderr: impl AsyncRead + Unpin,
    log: Arc<Mutex<VecDeque<String>>>,
    found: tokio::sync::oneshot::Sender<String>,
) {
    let mut found = Some(found);
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let url = line
            .split_once("listening on ")
            .map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default());
        if let Some(url) = url
            && let Some(found) = found.take()
        {
            // Nobody waits any more when the start took too long.
            let _ = found.send(url.to_owned());
        }
        let mut log = lock(&log);
        if log.len() == MAX_LINES {
            log.pop_front();
        }
        log.push_back(line);
    }
}
