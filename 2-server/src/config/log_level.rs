//! What may stand in `log.level` and after `--log-level`.
//!
//! tracing takes any word for the name of a part of the program that should say everything, and
//! then says nothing else: `warning` would silence the server. So a word alone must be a level.

use tracing_subscriber::filter::{Directive, LevelFilter};

use super::problem::nearest;

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// What is to be heard.
///
/// # Errors
/// The part that can't be understood, and what was probably meant.
pub(crate) fn directives(text: &str) -> Result<Vec<Directive>, String> {
    parts(text).map(directive).collect()
}

fn directive(part: &str) -> Result<Directive, String> {
    let wrong = |level: &str| {
        let meant = match nearest(level, LEVELS) {
            Some(meant) => format!("did you mean {meant}?"),
            None => {
                "write error, warn, info, debug, trace or off, or finer: info,rmcp=debug".into()
            }
        };
        Err(format!("\"{level}\" is no level: {meant}"))
    };
    let level = match part.rsplit_once('=') {
        Some((_, level)) if !level.contains('}') => level,
        // A span alone, such as [call]: all of it.
        _ if part.contains('[') => "trace",
        _ => part,
    };
    if level.is_empty() || level.parse::<LevelFilter>().is_err() {
        return wrong(level);
    }
    part.parse()
        .map_err(|error| format!("\"{part}\" can't be understood: {error}"))
}

/// The parts between commas, of which those inside of a span's braces don't count.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |c| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_alone_must_be_a_level() {
        for good in [
            "info",
            "WARN",
            "off",
            "info,rmcp=debug",
            "warn, hyper=error",
            "info,[call{method=a,b=c}]=debug",
            "[call]",
        ] {
            assert!(directives(good).is_ok(), "{good}: {:?}", directives(good));
        }
        for (wrong, said) in [
            ("warning", "did you mean warn?"),
            ("loud", "write error, warn"),
            ("verbose", "write error, warn"),
            ("inof", "did you mean info?"),
            ("", "\"\" is no level"),
            ("info,", "\"\" is no level"),
            ("info,rmcp", "\"rmcp\" is no level"),
            ("rmcp=loud", "\"loud\" is no level"),
            ("rmcp=", "\"\" is no level"),
        ] {
            let error = directives(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
