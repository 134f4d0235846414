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
mod tests {
    use std::path::Path;

    use super::*;

    fn resolve(text: &str, given: &Given) -> Result<Config, ConfigError> {
        parse(Path::new("client.toml"), text)?
            .resolve(given, &|name| (name == "WORK_KEY").then(|| "k".into()))
    }

    #[test]
    fn with_nothing_given_there_is_one_server_at_the_default_address() {
        let config = resolve("", &Given::default()).unwrap();
        assert_eq!(config.servers.len(), 1);
        assert_eq!(
            config.servers[0].endpoint,
            Endpoint::Http(DEFAULT_URL.into())
        );
    }

    #[test]
    fn an_unknown_field_is_named_with_its_line() {
        let error = resolve("[limits]\nrequest_sec = 3\n", &Given::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 2") && error.contains("request_sec"),
            "{error}"
        );
    }

    #[test]
    fn the_environments_key_goes_to_the_chat_server_only() {
        let given = Given {
            key: Secret::new("k"),
            ..Given::default()
        };
        let config = resolve("[chat]\nserver='b'\n[servers.a]\nurl='http://a/mcp'\n[servers.b]\nurl='https://b/mcp'\n", &given).unwrap();
        assert_eq!(config.servers[0].name, "b");
        assert!(config.servers[0].key.is_some() && config.servers[1].key.is_none());
    }

    const TWO: &str = "[servers.aaa]\nurl='http://127.0.0.1:1/mcp'\n[servers.local]\nurl='http://127.0.0.1:2/mcp'\n";

    fn with_key() -> Given {
        Given {
            key: Secret::new("k"),
            ..Given::default()
        }
    }

    #[test]
    fn with_several_servers_and_none_named_to_chat_with_nothing_starts_and_the_cure_is_named() {
        let error = resolve(TWO, &with_key()).unwrap_err().to_string();
        for part in [
            "aaa, local",
            "server = \"aaa\" under [chat]",
            "--chat-server aaa",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let chosen = Given {
            chat_server: Some("local".into()),
            ..with_key()
        };
        let config = resolve(TWO, &chosen).unwrap();
        assert_eq!(config.servers[0].name, "local");
        assert!(config.servers[0].key.is_some() && config.servers[1].key.is_none());
    }

    #[test]
    fn an_address_on_the_command_line_is_the_server_to_chat_with_and_keeps_its_settings() {
        let given = |url: &str| Given {
            url: Some(url.into()),
            ..with_key()
        };
        let config = resolve(TWO, &given("http://127.0.0.1:2/mcp")).unwrap();
        assert_eq!(
            (config.servers.len(), &*config.servers[0].name),
            (2, "local")
        );
        // Another address gets a name of its own, and the key of the environment with it.
        let config = resolve(TWO, &given("http://127.0.0.1:3/mcp")).unwrap();
        let names: Vec<&str> = config.servers.iter().map(|s| &*s.name).collect();
        assert_eq!(names, ["given", "aaa", "local"]);
        assert!(config.servers[1..].iter().all(|s| s.key.is_none()));
        // The file names one server to chat with, and the command line another.
        let file = format!("[chat]\nserver='aaa'\n{TWO}");
        let error = resolve(&file, &given("http://127.0.0.1:3/mcp")).unwrap_err();
        assert!(error.to_string().contains("--chat-server"), "{error}");
    }

    #[test]
    fn a_key_crosses_a_network_in_the_clear_only_when_the_file_says_so() {
        let file = |more: &str| format!("[servers.far]\nurl='http://192.0.2.1/mcp'\n{more}");
        let error = resolve(&file(""), &with_key()).unwrap_err().to_string();
        assert!(
            error.contains("allow_http = true under [servers.far]") && error.contains("https://"),
            "{error}"
        );
        assert!(resolve(&file("allow_http=true\n"), &with_key()).is_ok());
        assert!(
            resolve(&file(""), &Given::default()).is_ok(),
            "no key, no secret"
        );
        for near in [
            "http://127.0.0.1/mcp",
            "http://localhost:8080/mcp",
            "https://far/mcp",
        ] {
            let text = format!("[servers.a]\nurl='{near}'\n");
            assert!(resolve(&text, &with_key()).is_ok(), "{near}");
        }
        let sse = "[servers.far]\nsse_url='http://far/sse'\n";
        assert!(resolve(sse, &with_key()).is_err(), "each transport");
    }

    #[test]
    fn a_key_that_is_named_but_missing_stops_the_start() {
        assert!(
            resolve(
                "[servers.a]\nurl='https://a/mcp'\nkey_env='WORK_KEY'\n",
                &Given::default()
            )
            .is_ok()
        );
        let error = resolve(
            "[servers.a]\nurl='http://a/mcp'\nkey_env='NOPE'\n",
            &Given::default(),
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("NOPE"), "{error}");
    }

    #[test]
    fn claude_desktops_format_is_read() {
        let text = r#"{"mcpServers": {"fs": {"command": "npx", "args": ["-y", "x"]}, "web": {"type": "sse", "url": "http://h/sse"}}}"#;
        let config = parse(Path::new("claude.json"), text)
            .unwrap()
            .resolve(
                &Given {
                    chat_server: Some("fs".into()),
                    ..Given::default()
                },
                &|_| None,
            )
            .unwrap();
        assert_eq!(config.servers.len(), 2);
        assert!(
            matches!(&config.servers[0].endpoint, Endpoint::Stdio { command, .. } if command == "npx")
        );
        assert_eq!(
            config.servers[1].endpoint,
            Endpoint::Sse("http://h/sse".into())
        );
    }

    #[test]
    fn debug_of_the_whole_configuration_shows_no_key() {
        let given = Given {
            key: Secret::new("s3cret"),
            ..Given::default()
        };
        assert!(!format!("{:?} {given:?}", resolve("", &given).unwrap()).contains("s3cret"));
    }

    #[test]
    fn the_shipped_file_holds_exactly_the_defaults() {
        let text = include_str!("../../../config/client.toml");
        let shipped = resolve(text, &Given::default()).unwrap();
        let default = resolve("", &Given::default()).unwrap();
        assert_eq!(format!("{shipped:?}"), format!("{default:?}"));
        // The servers in its comments are real, too.
        let (_, servers) = text.split_once("no other.").unwrap();
        let uncommented: String = servers
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .map(|line| format!("{line}\n"))
            .collect();
        let error = toml::from_str::<File>(&uncommented)
            .err()
            .map(|e| e.to_string());
        assert_eq!(error, None, "{uncommented}");
    }
}
