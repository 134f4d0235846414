//! The program itself, serving over HTTP on free ports, as an operator runs it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server in a process of its own; it ends when this is dropped.
pub struct Process {
    child: Child,
    // Read by a thread of its own, so that a silent server fails a test instead of holding it up.
    lines: Receiver<String>,
}

impl Process {
    /// Starts `mcp-server --transport sse` in a folder, with these variables.
    pub fn start(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let server = Command::new(env!("CARGO_BIN_EXE_mcp-server"));
        Self::spawn(server, folder, environment)
    }

    /// The same from a shell that has done this first, such as `ulimit -n 64`.
    #[cfg(unix)]
    pub fn start_after(first: &str, folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut shell = Command::new("/bin/sh");
        let server = env!("CARGO_BIN_EXE_mcp-server");
        let line = format!("{first} && exec \"$0\" \"$@\"");
        shell.args(["-c", &line, server]);
        Self::spawn(shell, folder, environment)
    }

    fn spawn(mut command: Command, folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = command
            .env_clear()
            .env("MCP_LLM__PROVIDER", "tutor")
            .env("MCP_SERVER__PORT", "0")
            .envs(environment.iter().copied())
            .args(["--transport", "sse"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server");
        let stderr = BufReader::new(child.stderr.take().expect("its standard error"));
        let (sender, lines) = sync_channel(10_000);
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// Its process id.
    #[cfg(unix)]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the line that says this, and gives the URL in it, without its path.
    pub fn url_after(&self, said: &str) -> String {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .expect("a line that says it");
            if let Some((_, rest)) = line.split_once(said) {
                let url =
                    url::Url::parse(rest.split_whitespace().next().expect("a URL")).expect("a URL");
                return url.origin().ascii_serialization();
            }
        }
    }

    /// Waits for a line that says this.
    pub fn wait_for(&self, said: &str) {
        while !self
            .lines
            .recv_timeout(PATIENCE)
            .expect("a line that says it")
            .contains(said)
        {}
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
