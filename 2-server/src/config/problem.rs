//! What is wrong with a configuration, said so that it can be mended: where, what, and the name
//! that was probably meant.

use std::{io, path::PathBuf};

/// Why a configuration can't be used. The server doesn't start then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file isn't what it should be.
    #[error("{path}:{line}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there, and what was probably meant.
        message: String,
    },
    /// A variable of the environment isn't what it should be.
    #[error("{variable}: {message}")]
    Environment {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        message: String,
    },
    /// Two settings contradict each other, or one is unsafe.
    #[error("{field}: {why}")]
    Refused {
        /// The setting, such as `server.host`; where it was set comes before it.
        field: String,
        /// Why it can't be, and what to do.
        why: String,
    },
}

impl ConfigError {
    /// Whether it says that this setting can't be as it is.
    pub(crate) fn is_about(&self, setting: &str) -> bool {
        matches!(self, Self::Refused { field, .. } if field.ends_with(setting))
    }
}

/// A setting that can't be what it is.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) field: String,
    pub(super) why: String,
}

/// Says what a setting must be, in place of the type that the program keeps it in.
pub(super) fn explain(setting: &str, message: &str) -> String {
    let message = message.trim_end();
    if let Some((unknown, known)) = parts(message, "unknown field `", "`, expected ") {
        return match nearest(unknown, quoted(known)) {
            Some(name) => format!("unknown setting `{unknown}`: did you mean `{name}`?"),
            None => format!("unknown setting `{unknown}`, expected {known}"),
        };
    }
    let said = if let Some((unknown, known)) = parts(message, "unknown variant `", "`, expected ") {
        let known = known.trim_start_matches("one of ");
        match nearest(unknown, quoted(known)) {
            Some(name) => {
                format!("`{unknown}` isn't one of {known}: did you mean `{name}`?")
            }
            None => format!("`{unknown}` isn't one of {known}"),
        }
    } else if let Some((found, wanted)) = parts(message, "invalid type: ", ", expected ")
        .or_else(|| parts(message, "invalid value: ", ", expected "))
    {
        format!("{} isn't {}", value(found), kind(wanted))
    } else if let Some((name, _)) = parts(message, "missing field `", "`") {
        format!("`{name}` is missing")
    } else if message.contains("IP address syntax") {
        "this isn't an IP address: write 127.0.0.1, or another address of this machine".to_owned()
    } else if message.contains("untagged enum GrantSpec") {
        "this isn't a scope: write \"tools:weather:get\", or { scope = \"tools:weather:get\", where = { city = { one_of = [\"Oslo\"] } } }".to_owned()
    } else if message == "wanted string or table" {
        "this isn't one of the words that it can be: write one in quotes".to_owned()
    } else if message.starts_with("relative URL without a base") {
        "this isn't an address: write https://… or http://…".to_owned()
    } else {
        message.to_owned()
    };
    if setting.is_empty() {
        said
    } else {
        format!("{setting}: {said}")
    }
}

fn parts<'a>(message: &'a str, start: &str, middle: &str) -> Option<(&'a str, &'a str)> {
    message.strip_prefix(start)?.split_once(middle)
}

fn quoted(known: &str) -> impl Iterator<Item = &str> {
    known.split('`').skip(1).step_by(2)
}

/// The name that was probably meant.
pub(crate) fn nearest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let unknown = unknown.to_ascii_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&unknown, &name.to_ascii_lowercase());
    known
        .into_iter()
        .map(|name| (distance(name), name))
        .min()
        .filter(|(distance, name)| {
            // `production` is far from `prod`, and means it.
            let begins = name.len() >= 3 && unknown.starts_with(&name.to_ascii_lowercase());
            begins || *distance <= name.len().max(3) / 2
        })
        .map(|(_, name)| name)
}

/// What was written, as it was written.
fn value(found: &str) -> String {
    let kinds = ["string ", "integer ", "floating point ", "boolean "];
    let written = kinds.iter().find_map(|kind| found.strip_prefix(kind));
    match written {
        Some(written) => written.trim_matches('`').to_owned(),
        None => kind(found),
    }
}

/// A type, in words.
fn kind(wanted: &str) -> String {
    let bits = wanted.trim_start_matches("a nonzero ");
    let most = match bits {
        "u8" => Some(u64::from(u8::MAX)),
        "u16" => Some(u16::MAX.into()),
        "u32" => Some(u32::MAX.into()),
        "u64" | "usize" => Some(i64::MAX.cast_unsigned()), // TOML's largest
        _ => None,
    };
    if let Some(most) = most {
        let least = u8::from(bits != wanted);
        return format!("a whole number from {least} to {most}");
    }
    match wanted {
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "path string" => "a path in quotes",
        "a sequence" | "sequence" => "a list, such as [\"one\", \"two\"]",
        "map" => "a table",
        "struct Rate" => "a rate: write { per_minute = 20, burst = 5 }",
        "struct Role" => "a role: write { scopes = [\"tools:*\"] }",
        table if table == "a map" || table.starts_with("struct ") => "a table with settings in it",
        other => other,
    }
    .to_owned()
}
