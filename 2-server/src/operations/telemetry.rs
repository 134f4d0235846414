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
    let filter = filter(log, mode)?;
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

/// What is heard: in `dev`, more, unless a level was chosen.
fn filter(log: &Log, mode: Mode) -> Result<EnvFilter, ParseError> {
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
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_says_more_and_a_chosen_level_stays() {
        let heard = |level: &str, mode| {
            let log = Log {
                level: level.to_owned(),
                ..Log::default()
            };
            filter(&log, mode).unwrap().to_string()
        };
        let says = |level, mode, wanted: &str| {
            let heard = heard(level, mode);
            assert!(heard.split(',').any(|it| it == wanted), "{heard}");
        };
        says("info", Mode::Local, "info");
        says("info", Mode::Dev, "debug");
        says("info", Mode::Prod, "info");
        says("warn", Mode::Dev, "warn");
        says("debug", Mode::Dev, "rmcp=error");
        says("info,rmcp=debug", Mode::Local, "rmcp=debug");
    }
}
