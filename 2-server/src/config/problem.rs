//! What is wrong with a configuration, said so that it can be mended: where, what, and the name
//! that was probably meant.

use std::{
    io,
    path::{Path, PathBuf},
};

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
        /// The setting, such as `server.host`.
        field: String,
        /// Why it can't be, and what to do.
        why: String,
    },
}

/// Finds the line of an error.
pub(super) fn locate(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error
        .span()
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    ConfigError::Syntax {
        path: path.into(),
        line: before.matches('\n').count() + 1,
        message: explain(error.message()),
    }
}

/// Turns serde's list of every field into the one that was probably meant.
pub(super) fn explain(message: &str) -> String {
    let Some((unknown, known)) = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once("`, expected "))
    else {
        return message.trim_end().to_owned();
    };
    let names = known.split('`').skip(1).step_by(2);
    let nearest = names
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .min();
    match nearest {
        Some((distance, name)) if distance <= name.len().max(3) / 2 => {
            format!("unknown setting `{unknown}`: did you mean `{name}`?")
        }
        _ => format!("unknown setting `{unknown}`, expected {}", known.trim_end()),
    }
}
