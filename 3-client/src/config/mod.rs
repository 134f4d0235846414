//! What the person typed and wrote, and what the program makes of it.
//!
//! Two stages: the file and the environment as they are (`File`), then [`Config`] with every
//! question answered. An unknown field or an unreadable file stops the start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::http::crosses_in_the_clear;
use crate::secret::Secret;

mod file;
mod key;

use file::{File, parse};

/// Where a server is looked for when nobody says otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080/mcp";
/// More than this many servers at once is a mistake in the file.
pub const MAX_SERVERS: usize = 16;

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file isn't what it should be.
    #[error("{}: {message}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// The parser's words, with line and column.
        message: String,
    },
    /// A value makes no sense.
    #[error("{0}")]
    Value(String),
}

/// Which lifecycle to use with a server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum Protocol {
    /// `server/discover` first, `initialize` when the server is older.
    #[default]
    Auto,
    /// Exactly this version.
    Version(String),
}

/// The versions that this client speaks, newest first.
pub const VERSIONS: [&str; 5] = [
    "2026-07-28",
    "2025-11-25",
    "2025-06-18",
    "2025-03-26",
    "2024-11-05",
];

impl TryFrom<String> for Protocol {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            version if VERSIONS.contains(&version) => Ok(Self::Version(text)),
            _ => Err(format!(
                "protocol must be \"auto\" or one of {}",
                VERSIONS.join(", ")
            )),
        }
    }
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Streamable HTTP.
    Http(String),
    /// HTTP+SSE of 2024-11-05: the address of the event stream.
    Sse(String),
    /// A child process that speaks on its stdin and stdout.
    Stdio {
        /// The program, found on PATH.
        command: String,
        /// Its arguments. No shell ever sees them.
        args: Vec<String>,
        /// Variables that it gets besides the harmless ones.
        env: BTreeMap<String, String>,
    },
}

/// Whether a server may have this name: it becomes part of a function name that a model types.
///
/// # Errors
/// What a name may be.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if (1..=24).contains(&name.len()) && name.bytes().all(is_fine) {
        Ok(())
    } else {
        Err("a server's name has 1 to 24 letters, digits or -".into())
    }
}

impl Endpoint {
    /// The transport that an address of this form is meant for.
    #[must_use]
    pub fn of_url(url: &str) -> Self {
        if url.trim_end_matches('/').ends_with("/sse") {
            Self::Sse(url.to_owned())
        } else {
            Self::Http(url.to_owned())
        }
    }

    /// Where it is, in full: two child processes of one program are two servers.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Http(url) | Self::Sse(url) => url.clone(),
            Self::Stdio { command, args, .. } if args.is_empty() => command.clone(),
            Self::Stdio { command, args, .. } => {
                let words = std::iter::once(command).chain(args);
                serde_json::Value::from_iter(words.map(String::as_str)).to_string()
            }
        }
    }
}

/// Which calls go ahead without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Approve {
    /// Ask for every call.
    #[default]
    None,
    /// Don't ask for tools that the server marks read-only. The mark is the server's own claim.
    ReadOnly,
    /// Never ask.
    All,
}

impl Approve {
    /// Whether a call goes ahead without asking.
    #[must_use]
    pub fn allows(self, is_read_only: bool) -> bool {
        self == Self::All || (self == Self::ReadOnly && is_read_only)
    }
}

/// One server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The name it has here.
    pub name: String,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// The key, if any.
    pub key: Option<Secret>,
    /// Which lifecycle.
    pub protocol: Protocol,
    /// What goes ahead without asking.
    pub approve: Approve,
    /// Whether its key may cross a network in the clear.
    pub allow_http: bool,
}

impl ServerConfig {
    /// Whether its key would cross a network that isn't encrypted.
    #[must_use]
    pub fn is_in_the_clear(&self) -> bool {
        let (Endpoint::Http(url) | Endpoint::Sse(url)) = &self.endpoint else {
            return false;
        };
        // An address that can't be read isn't opened either, and connecting says why.
        self.key.is_some() && url::Url::parse(url).is_ok_and(|url| crosses_in_the_clear(&url))
    }

    /// Refuses to send a key where others can read it, unless the configuration says that it may.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn check_key(&self) -> Result<(), String> {
        if self.allow_http || !self.is_in_the_clear() {
            return Ok(());
        }
        let name = &self.name;
        Err(format!(
            "servers.{name}: its key would cross the network unencrypted, because the address begins with http:// and isn't on this machine. Use https://, or write allow_http = true under [servers.{name}] if nobody else can read that network"
        ))
    }
}

/// Waits and sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Seconds for connecting and for lists.
    pub request_secs: u64,
    /// Seconds without any sign of life in an answer. Loading a model takes minutes.
    pub silence_secs: u64,
    /// Seconds for one answer or one call in all, whatever signs of life come.
    pub answer_secs: u64,
    /// Seconds for a turn, without the time that a person takes to decide.
    pub turn_secs: u64,
    /// Model calls in one turn, before the loop is stopped.
    pub rounds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_secs: 30,
            silence_secs: 330,
            answer_secs: 1800,
            turn_secs: 3600,
            rounds: 8,
        }
    }
}

impl Limits {
    /// For connecting and lists.
    #[must_use]
    pub fn request(&self) -> Duration {
        Duration::from_secs(self.request_secs)
    }

    /// For one answer, in all.
    #[must_use]
    pub fn answer(&self) -> Duration {
        Duration::from_secs(self.answer_secs)
    }

    /// For a turn.
    #[must_use]
    pub fn turn(&self) -> Duration {
        Duration::from_secs(self.turn_secs)
    }

    /// For answers.
    #[must_use]
    pub fn silence(&self) -> Duration {
        Duration::from_secs(self.silence_secs)
    }
}

/// How the chat looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ThemeName {
    /// The terminal's own sixteen colours.
    #[default]
    Terminal,
    /// Bold and reverse, no dim text.
    HighContrast,
    /// No colour at all.
    Mono,
}

/// Everything answered.
#[derive(Debug, Clone)]
pub struct Config {
    /// The servers, the chat's own first.
    pub servers: Vec<ServerConfig>,
    /// Model to ask for, or the server's default.
    pub model: Option<String>,
    /// The tool that answers.
    pub chat_tool: String,
    /// Words put before every conversation.
    pub system: Option<String>,
    /// Waits and sizes.
    pub limits: Limits,
    /// Colours.
    pub theme: ThemeName,
    /// Take the mouse for scrolling. Off leaves selecting text to the terminal.
    pub mouse: bool,
}

/// What the command line and the environment add. A test passes its own.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `--server` or MCP_SERVER_URL.
    pub url: Option<String>,
    /// MCP_CLIENT_KEY.
    pub key: Option<Secret>,
    /// `--chat-server` or MCP_CHAT_SERVER.
    pub chat_server: Option<String>,
    /// `--protocol`.
    pub protocol: Option<String>,
}

impl Config {
    /// Reads the file, if there is one, and answers every question.
    ///
    /// # Errors
    /// [`ConfigError`] with the file and the place in it.
    pub fn load(given: &Given, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let file = match &given.file {
            None => File::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                    path: path.clone(),
                    source,
                })?;
                parse(path, &text)?
            }
        };
        file.resolve(given, env)
    }
}

#[cfg(test)]
mod tests;
