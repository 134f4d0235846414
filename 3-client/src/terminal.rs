//! Takes the terminal over, and gives it back whatever happens: at the end, on a signal, after a panic.

use std::io::{self, Stdout, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;

/// The terminal that the chat draws on.
pub type Terminal = ratatui::Terminal<CrosstermBackend<Stdout>>;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back when it is dropped.
pub struct Guard {
    mouse: bool,
}

/// Takes the terminal over.
///
/// # Errors
/// When it isn't a terminal, or won't change its mode.
pub fn take(mouse: bool) -> io::Result<(Terminal, Guard)> {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // First the terminal, so that the message can be read.
        restore();
        before(info);
    }));
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let guard = Guard { mouse };
    guard.enter()?;
    let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
    Ok((terminal, guard))
}

/// An empty screen to draw on.
///
/// # Errors
/// When the terminal can't be written to.
pub fn blank() -> io::Result<Terminal> {
    execute!(io::stdout(), Clear(ClearType::All))?;
    Terminal::new(CrosstermBackend::new(io::stdout()))
}

impl Guard {
    fn enter(&self) -> io::Result<()> {
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        if self.mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        Ok(())
    }

    /// Gives the terminal to another program for a while, such as `$EDITOR`.
    pub fn lend<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        restore();
        let result = work();
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        self.enter()?;
        Ok(result)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. Safe to call at any time, any number of times.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Each on its own: one that fails must not keep the others from happening.
    let mut out = io::stdout();
    let _ = execute!(out, DisableMouseCapture);
    let _ = execute!(out, DisableBracketedPaste);
    let _ = execute!(out, LeaveAlternateScreen, Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}
