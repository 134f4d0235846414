//! A server as a child process.

use std::collections::{BTreeMap, VecDeque};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::transport::TokioChildProcess;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::failure::Failure;
use crate::untrusted::label;

/// What a child process gets from this one's environment. Everything else, keys before all, stays here.
const HARMLESS: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "TZ",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
];
/// Lines of a child's stderr that are kept to explain its end.
const KEPT_LINES: usize = 20;

/// How long a child's last words are waited for, once it is known to be gone.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The last lines that a child wrote to stderr.
pub(super) struct Stderr {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: Option<tokio::task::JoinHandle<()>>,
}

impl Stderr {
    /// Adds the child's last words to a failure to start.
    pub(super) async fn explain(&mut self, failure: Failure) -> Failure {
        // Its stdout may have ended a moment before its last words were read.
        if let Some(reader) = self.reader.take() {
            let _ = tokio::time::timeout(LAST_WORDS, reader).await;
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match (failure, lines.back()) {
            (Failure::Away(what) | Failure::Protocol(what), Some(last)) => {
                Failure::NotStarted(format!("{what}; its last words: {last}"))
            }
            (Failure::Lost, Some(last)) => {
                Failure::NotStarted(format!("the program ended; its last words: {last}"))
            }
            (Failure::Away(what), None) => Failure::NotStarted(what),
            (failure, _) => failure,
        }
    }
}

/// Starts the program, without a shell.
pub(super) fn spawn(
    program: &str,
    args: &[String],
    env: &BTreeMap<String, String>,
) -> Result<(TokioChildProcess, Stderr), Failure> {
    let mut command = Command::new(program);
    command.args(args).env_clear();
    for name in HARMLESS {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(env).kill_on_drop(true);
    // Its own group, so that Ctrl-C in this terminal reaches only this client, which then says goodbye.
    #[cfg(unix)]
    command.process_group(0);
    let (child, stderr) = TokioChildProcess::builder(command)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| Failure::NotStarted(format!("can't start {}: {e}", label(program, 80))))?;
    let lines = Arc::new(Mutex::new(VecDeque::new()));
    let reader = stderr.map(|stderr| {
        let kept = lines.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            loop {
                line.clear();
                // A line without an end is cut at 4 KiB instead of growing.
                match (&mut reader).take(4096).read_until(b'\n', &mut line).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {
                        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                        if kept.len() == KEPT_LINES {
                            kept.pop_front();
                        }
                        kept.push_back(label(String::from_utf8_lossy(&line).trim_end(), 200));
                    }
                }
            }
        })
    });
    Ok((child, Stderr { lines, reader }))
}
