//! The signals that end the chat, and the one that comes when it goes on after it was stopped.

use std::io;
#[cfg(unix)]
use std::time::Duration;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To leave.
    End,
    /// To take the terminal again: a shell has had it meanwhile.
    GoOn,
}

/// The signals that are listened to. The terminal is given back for those that end a program, too.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    hang_up: Signal,
    #[cfg(unix)]
    go_on: Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            go_on: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
        })
    }

    pub(crate) async fn recv(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.hang_up.recv() => Asked::End,
            _ = self.go_on.recv() => Asked::GoOn,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "the same shape as on Unix")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    pub(crate) async fn recv(&mut self) -> Asked {
        std::future::pending().await
    }
}

/// Stops this program and whatever started it, such as `make`, until the shell says `fg`. Where no shell
/// could say so, the system lets the signal fall, and this returns at once.
#[cfg_attr(
    unix,
    expect(
        clippy::disallowed_methods,
        reason = "nothing may run on until the signal has stopped this program, least of all what takes the terminal"
    )
)]
pub(crate) fn stop() {
    #[cfg(unix)]
    {
        use rustix::process::{Signal, kill_current_process_group};
        // Sent, it stops all threads, this one perhaps a moment later than the next line.
        if kill_current_process_group(Signal::TSTP).is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
