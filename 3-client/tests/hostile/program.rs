//! The program as a person or a script starts it, with a configuration of its own and a home that lasts
//! over several runs.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::server::Hostile;

/// How a run ended, and what it said.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A home directory with a configuration.
pub(crate) struct Home(TempDir);

impl Home {
    /// One that knows these servers; `more` stands above them.
    pub(crate) fn with(more: &str, servers: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let sections = servers
            .iter()
            .map(|(name, url)| format!("[servers.{name}]\nurl = \"{url}\"\n"));
        let text = format!("{more}\n{}", sections.collect::<String>());
        std::fs::write(home.path().join("client.toml"), text).unwrap();
        Self(home)
    }

    /// One that knows a single server.
    pub(crate) fn of(server: &Hostile) -> Self {
        Self::with("", &[("local", &server.url)])
    }

    pub(crate) fn pins(&self) -> PathBuf {
        self.0.path().join("learn-mcp/pins.json")
    }

    /// Runs the program with these arguments, and lines for it to read.
    pub(crate) async fn run(&self, args: &[&str], input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-client"))
            .args(args)
            .env_clear()
            .env("MCP_CLIENT_CONFIG", self.0.path().join("client.toml"))
            .env("MCP_CLIENT_KEY", "s3cret-key")
            .env("XDG_STATE_HOME", self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Gone already, when it doesn't start at all.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(Duration::from_secs(40), child.wait_with_output())
            .await
            .expect("it ends")
            .unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asks something, with every call allowed.
    pub(crate) async fn ask(&self, question: &str) -> Ran {
        self.run(&["ask", "--approve", "all", question], "").await
    }
}
