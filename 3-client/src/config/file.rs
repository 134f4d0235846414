//! The file as it is written, and how each question that it leaves open is answered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    Approve, Config, ConfigError, DEFAULT_URL, Endpoint, Given, Limits, MAX_SERVERS, Protocol,
    ServerConfig, ThemeName, check_name, key,
};
use crate::secret::Secret;

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
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
    allow_http: bool,
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

pub(super) fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
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
    pub(super) fn resolve(
        self,
        given: &Given,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let mut servers = Vec::new();
        for (name, section) in self.servers {
            servers.push(section.resolve(name, env)?);
        }
        let addressed = given.url.as_deref().map(|url| place_of(url, &mut servers));
        if servers.is_empty() {
            servers.push(direct(DEFAULT_URL, &[]));
        }
        if servers.len() > MAX_SERVERS {
            return Err(ConfigError::Value(format!(
                "at most {MAX_SERVERS} servers at once"
            )));
        }
        let chat = chat_place(given, self.chat.server.as_deref(), addressed, &servers)?;
        servers[..=chat].rotate_right(1);
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
        for server in &servers {
            server.check_key().map_err(ConfigError::Value)?;
        }
        let Limits {
            request_secs,
            silence_secs,
            answer_secs,
            turn_secs,
            rounds,
        } = self.limits;
        if [request_secs, silence_secs, answer_secs, turn_secs].contains(&0) || rounds == 0 {
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

/// The place of the server at this address; it is added when the file doesn't have it.
fn place_of(url: &str, servers: &mut Vec<ServerConfig>) -> usize {
    let new = direct(url, servers);
    let known = servers.iter().position(|s| s.endpoint == new.endpoint);
    known.unwrap_or_else(|| {
        servers.push(new);
        servers.len() - 1
    })
}

/// Whom to chat with. It gets the conversation and the key, so it is never a guess: the one that was
/// named, or the only one.
fn chat_place(
    given: &Given,
    file: Option<&str>,
    addressed: Option<usize>,
    servers: &[ServerConfig],
) -> Result<usize, ConfigError> {
    let refuse = |message: String| Err(ConfigError::Value(message));
    let find = |setting: &str, name: &str| {
        servers.iter().position(|s| s.name == name).ok_or_else(|| {
            ConfigError::Value(format!(
                "{setting} = {name:?} names no server; there are: {}",
                names(servers)
            ))
        })
    };
    if let Some(name) = &given.chat_server {
        return find("--chat-server", name);
    }
    match (addressed, file) {
        (None, Some(name)) => find("chat.server", name),
        (Some(place), None) => Ok(place),
        (Some(place), Some(name)) if servers[place].name == name => Ok(place),
        (Some(_), Some(name)) => refuse(format!(
            "--server (or MCP_SERVER_URL) names another server than chat.server = {name:?}. Leave one of them out, or say which with --chat-server; there are: {}",
            names(servers)
        )),
        (None, None) if servers.len() == 1 => Ok(0),
        (None, None) => refuse(format!(
            "there are several servers ({}), and nothing says which one to chat with; that one alone gets the conversation and MCP_CLIENT_KEY. Write server = {:?} under [chat], or start with --chat-server {1}, or name another of them",
            names(servers),
            servers[0].name
        )),
    }
}

fn direct(url: &str, others: &[ServerConfig]) -> ServerConfig {
    // A name stands for one server only: approvals and dialogs go by it.
    let free = |name: &&str| !others.iter().any(|s| s.name == *name);
    let name = ["local", "given", "command-line"].into_iter().find(free);
    ServerConfig {
        name: name.unwrap_or("from-the-command-line").into(),
        endpoint: Endpoint::of_url(url),
        key: None,
        protocol: Protocol::Auto,
        approve: Approve::None,
        allow_http: false,
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
        check_name(&name).map_err(|what| fail(&what))?;
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
            allow_http: self.allow_http,
        })
    }
}
