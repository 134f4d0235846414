//! The real program in a terminal of its own: what is typed goes in, what it draws is read back.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// The mark before each frame that is drawn.
const FRAME: &[u8] = b"\x1b[?2026h";

/// A binary beside this one.
pub(crate) fn built(name: &str) -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    let path = exe.parent()?.parent()?.join(name);
    path.exists().then_some(path)
}

/// The running program.
pub(crate) struct Program {
    child: Child,
    stdin: ChildStdin,
    drawn: Receiver<(Instant, Vec<u8>)>,
    screen: vt100::Parser,
    /// Bytes that it drew so far.
    pub(crate) bytes: usize,
    /// Frames that it drew so far.
    pub(crate) frames: usize,
    began: Instant,
    pid: PathBuf,
}

impl Program {
    /// Starts it below `script`, which gives it a terminal.
    pub(crate) fn start(program: &Path, url: &str, state: &Path) -> std::io::Result<Self> {
        let pid = state.join("pid");
        // Without a terminal of its own, `script` makes one of no size.
        let below = format!(
            "stty rows 40 cols 120; echo $$ > {}; exec {}",
            pid.display(),
            program.display()
        );
        let began = Instant::now();
        let mut child = Command::new("script")
            .args(["-qfc", &below, "/dev/null"])
            .env("MCP_SERVER_URL", url)
            .env("XDG_STATE_HOME", state)
            .env("TERM", "xterm-256color")
            .env_remove("MCP_CLIENT_KEY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().unwrap();
        let mut out = child.stdout.take().unwrap();
        let (sender, drawn) = sync_channel(4096);
        std::thread::spawn(move || {
            let mut buffer = [0u8; 65536];
            while let Ok(n @ 1..) = out.read(&mut buffer) {
                if sender.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            drawn,
            screen: vt100::Parser::new(40.try_into().unwrap(), 120.try_into().unwrap(), 0),
            bytes: 0,
            frames: 0,
            began,
            pid,
        })
    }

    /// Types.
    pub(crate) fn keys(&mut self, keys: &[u8]) -> Instant {
        let at = Instant::now();
        self.stdin.write_all(keys).unwrap();
        self.stdin.flush().unwrap();
        at
    }

    /// Reads what is drawn until the screen has a text, and tells when that was.
    pub(crate) fn shows(&mut self, text: &str) -> Instant {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let wait = until.saturating_duration_since(Instant::now());
            let Ok((at, bytes)) = self.drawn.recv_timeout(wait) else {
                panic!("{text:?} didn't come:\n{}", self.screen.screen().contents())
            };
            self.take(&bytes);
            if self.screen.screen().contents().contains(text) {
                return at;
            }
        }
    }

    /// Whether the screen has a text now.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.screen.screen().contents().contains(text)
    }

    /// Reads for a while.
    pub(crate) fn listen(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Ok((_, bytes)) = self
            .drawn
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.take(&bytes);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.screen.process(bytes);
        self.bytes += bytes.len();
        self.frames += bytes.windows(FRAME.len()).filter(|w| *w == FRAME).count();
    }

    /// Since the start.
    pub(crate) fn since_start(&self, at: Instant) -> Duration {
        at - self.began
    }

    /// The most memory that it ever held, in megabytes.
    pub(crate) fn peak(&self) -> Option<f64> {
        let pid = std::fs::read_to_string(&self.pid).ok()?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
        let kb: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kb / 1024.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
