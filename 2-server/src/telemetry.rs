//! What the server says of itself, on standard error: standard output belongs to the protocol.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::config::{Log, LogFormat, Mode};

/// Starts logging.
///
/// rmcp tells of each message at `info`, which costs a fifth of a call, and of each refusal at
/// `warn`, which the audit record does better. So it is heard only when it is asked for by name
/// (`--log-level info,rmcp=debug`).
///
/// # Errors
/// When the level can't be understood.
pub fn start(log: &Log, mode: Mode) -> Result<(), ParseError> {
    let level = if mode == Mode::Dev && log.level == "info" {
        "debug"
    } else {
        &log.level
    };
    let mut filter = EnvFilter::builder().parse(level)?;
    for quiet in ["rmcp", "hyper", "hyper_util", "reqwest", "rustls"] {
        if !level.contains(quiet) {
            filter = filter.add_directive(format!("{quiet}=error").parse()?);
        }
    }
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    // A second start in one process (as in tests) keeps the first subscriber.
    let _ = match log.format {
        LogFormat::Human => builder.with_target(false).compact().try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
