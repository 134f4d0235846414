//! The program as a person or a script starts it, with a configuration of its own and a home that lasts
//! over several runs.

use std::path::PathBuf;

use tempfile::TempDir;

use super::{
    ran::{self, Ran, program},
    server::Hostile,
};

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
        let mut command = program(args);
        command
            .env("MCP_CLIENT_CONFIG", self.0.path().join("client.toml"))
            .env("MCP_CLIENT_KEY", "s3cret-key")
            .env("XDG_STATE_HOME", self.0.path());
        ran::run(command, input).await
    }

    /// Asks something, with every call allowed.
    pub(crate) async fn ask(&self, question: &str) -> Ran {
        self.run(&["ask", "--approve", "all", question], "").await
    }
}
