//! What the person typed and wrote, and what the program makes of it.
//!
//! Two stages: the file and the environment as they are (`File`), then [`Config`] with every
//! question answered. An unknown field or an unreadable file stops the start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::secret::Secret;

mod key;

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
}

/// Waits and sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Seconds for connecting and for lists.
    pub request_secs: u64,
    /// Seconds without any sign of life in an answer. Loading a model takes minutes.
    pub silence_secs: u64,
    /// Model calls in one turn, before the loop is stopped.
    pub rounds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_secs: 30,
            silence_secs: 330,
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

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    chat: ChatSection,
    ui: UiSection,
    limits: Limits,
    servers: BTreeMap<String, ServerSection>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ChatSection {
    server: Option<String>,
    model: Option<String>,
    tool: Option<String>,
    system: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UiSection {
    theme: ThemeName,
    mouse: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ServerSection {
    url: Option<String>,
    sse_url: Option<String>,
    command: Option<String>,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    key_env: Option<String>,
    key_file: Option<PathBuf>,
    key_command: Vec<String>,
    protocol: Protocol,
    approve: Approve,
}

/// Claude Desktop's format, as far as it concerns a client.
#[derive(Debug, Deserialize)]
struct DesktopFile {
    #[serde(rename = "mcpServers")]
    servers: BTreeMap<String, DesktopServer>,
}

#[derive(Debug, Deserialize)]
struct DesktopServer {
    command: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    url: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
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

fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
    let fail = |message: String| ConfigError::Parse {
        path: path.to_owned(),
        message,
    };
    if path.extension().is_some_and(|e| e == "json") {
        let desktop: DesktopFile = serde_json::from_str(text).map_err(|e| fail(e.to_string()))?;
        let servers = desktop.servers.into_iter().map(|(name, s)| {
            let (url, sse_url) = if s.kind.as_deref() == Some("sse") {
                (None, s.url)
            } else {
                (s.url, None)
            };
            (
                name,
                ServerSection {
                    url,
                    sse_url,
                    command: s.command,
                    args: s.args,
                    env: s.env,
                    ..ServerSection::default()
                },
            )
        });
        return Ok(File {
            servers: servers.collect(),
            ..File::default()
        });
    }
    toml::from_str(text).map_err(|e| fail(e.to_string().trim_end().to_owned()))
}

impl File {
    fn resolve(
        self,
        given: &Given,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let mut servers = Vec::new();
        for (name, section) in self.servers {
            servers.push(section.resolve(name, env)?);
        }
        if let Some(url) = &given.url {
            // An address on the command line is the server to talk to; the file's stay beside it
            // only when they aren't the same place.
            servers.retain(|s| s.endpoint != Endpoint::Http(url.clone()));
            servers.insert(0, direct(url));
        } else if servers.is_empty() {
            servers.push(direct(DEFAULT_URL));
        }
        if let Some(wanted) = &self.chat.server {
            let Some(index) = servers.iter().position(|s| &s.name == wanted) else {
                return Err(ConfigError::Value(format!(
                    "chat.server = {wanted:?} names no server; there are: {}",
                    names(&servers)
                )));
            };
            servers[..=index].rotate_right(1);
        }
        if servers.len() > MAX_SERVERS {
            return Err(ConfigError::Value(format!(
                "at most {MAX_SERVERS} servers at once"
            )));
        }
        if let Some(first) = servers.first_mut() {
            // The environment's key belongs to the server that is chatted with, and to no other.
            if first.key.is_none() && !matches!(first.endpoint, Endpoint::Stdio { .. }) {
                first.key.clone_from(&given.key);
            }
            if let Some(protocol) = &given.protocol {
                first.protocol =
                    Protocol::try_from(protocol.clone()).map_err(ConfigError::Value)?;
            }
        }
        let Limits {
            request_secs,
            silence_secs,
            rounds,
        } = self.limits;
        if request_secs == 0 || silence_secs == 0 || rounds == 0 {
            return Err(ConfigError::Value("limits must be above 0".into()));
        }
        Ok(Config {
            servers,
            model: self.chat.model,
            chat_tool: self.chat.tool.unwrap_or_else(|| "ollama-chat".into()),
            system: self.chat.system,
            limits: self.limits,
            theme: self.ui.theme,
            mouse: self.ui.mouse,
        })
    }
}

fn direct(url: &str) -> ServerConfig {
    let endpoint = if url.trim_end_matches('/').ends_with("/sse") {
        Endpoint::Sse(url.to_owned())
    } else {
        Endpoint::Http(url.to_owned())
    };
    ServerConfig {
        name: "local".into(),
        endpoint,
        key: None,
        protocol: Protocol::Auto,
        approve: Approve::None,
    }
}

fn names(servers: &[ServerConfig]) -> String {
    servers
        .iter()
        .map(|s| s.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

impl ServerSection {
    fn resolve(
        self,
        name: String,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<ServerConfig, ConfigError> {
        let fail = |what: &str| ConfigError::Value(format!("servers.{name}: {what}"));
        // The name becomes part of a function name that a model types.
        if name.is_empty()
            || name.len() > 24
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return Err(fail("a server's name has 1 to 24 letters, digits or -"));
        }
        let endpoint = match (self.url, self.sse_url, self.command) {
            (Some(url), None, None) => Endpoint::Http(url),
            (None, Some(url), None) => Endpoint::Sse(url),
            (None, None, Some(command)) => Endpoint::Stdio {
                command,
                args: self.args,
                env: self.env,
            },
            _ => return Err(fail("give exactly one of url, sse_url and command")),
        };
        let key =
            match (&self.key_env, &self.key_file, &self.key_command[..]) {
                (None, None, []) => None,
                (Some(variable), None, []) => {
                    let found = env(variable).as_deref().and_then(Secret::new);
                    Some(found.ok_or_else(|| {
                        fail(&format!("key_env names {variable}, which isn't set"))
                    })?)
                }
                (None, Some(path), []) => Some(key::read(path).map_err(|what| fail(&what))?),
                (None, None, command) => Some(key::ask(command).map_err(|what| fail(&what))?),
                _ => return Err(fail("give one of key_env, key_file and key_command")),
            };
        Ok(ServerConfig {
            name,
            endpoint,
            key,
            protocol: self.protocol,
            approve: self.approve,
        })
    }
}

#[cfg(test)]
mod tests {
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
        let config = resolve("[chat]\nserver='b'\n[servers.a]\nurl='http://a/mcp'\n[servers.b]\nurl='http://b/mcp'\n", &given).unwrap();
        assert_eq!(config.servers[0].name, "b");
        assert!(config.servers[0].key.is_some() && config.servers[1].key.is_none());
    }

    #[test]
    fn a_key_that_is_named_but_missing_stops_the_start() {
        assert!(
            resolve(
                "[servers.a]\nurl='http://a/mcp'\nkey_env='WORK_KEY'\n",
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
            .resolve(&Given::default(), &|_| None)
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
        let text = include_str!("../../config/client.toml");
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
