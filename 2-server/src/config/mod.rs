//! What an operator may set: a TOML file, then `MCP_SECTION__KEY` from the environment on top.
//!
//! Whatever is unknown, unreadable or contradictory stops the start, with the file, the line and
//! the nearest known name. A server with a broken configuration must not run with defaults.
//!
//! | file | the question it answers |
//! |---|---|
//! | `mod.rs` | What can be set, and what holds when nothing is? |
//! | `load.rs` | Which value comes from where? |
//! | `environment.rs` | What does a variable mean? |
//! | `check.rs`, `reach.rs`, `rights.rs`, `log_level.rs` | Which settings can't work, alone or together? |
//! | `problem.rs` | How is a mistake told? |

use std::{collections::BTreeMap, fmt, net::IpAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    interceptor::{
        LimitSettings, Rate,
        audit::{FileSettings, JournalSettings},
        keys::{GrantSpec, Role, Roles, network},
    },
    transport::HttpSettings,
};

mod check;
mod environment;
mod load;
mod log_level;
mod problem;
mod reach;
mod rights;

pub use load::{Loaded, Origin};
pub use problem::ConfigError;

pub(crate) use log_level::directives;
pub(crate) use problem::nearest;
pub(crate) use rights::misplaced;

/// Everything that can be set. The README's table names each of them, and a test compares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where and how it listens.
    pub server: Server,
    /// Who may call.
    pub auth: Auth,
    /// Named sets of scopes: the built-in ones, and what the file names in addition or instead.
    #[serde(deserialize_with = "besides_the_built_in")]
    pub roles: Roles,
    /// How much a caller may ask.
    pub limits: Limits,
    /// What is written down.
    pub audit: Audit,
    /// What speaks behind `ollama-chat`.
    pub llm: mcp_llm::Settings,
    /// Where the weather comes from.
    pub weather: Weather,
    /// What the server says of itself while it runs.
    pub log: Log,
    /// Numbers for Prometheus.
    pub metrics: Metrics,
    /// `[traces]`
    pub traces: Traces,
}

/// How strict the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// On this machine, for its user: loopback only, no key needed.
    #[default]
    Local,
    /// As `local`, and it says more.
    Dev,
    /// For others: every caller needs a key, and nothing that protects can be switched off.
    Prod,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Dev => "dev",
            Self::Prod => "prod",
        })
    }
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// `local`, `dev` or `prod`.
    pub mode: Mode,
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 takes a free one and prints it.
    pub port: u16,
    /// A certificate chain, PEM: with it, HTTP is served over TLS. Followed while the server runs.
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// `Host` headers that are good, besides loopback names; needed when `host` isn't loopback.
    pub allowed_hosts: Vec<String>,
    /// Origins that a browser may call from, such as `https://app.example.com`. None by default.
    pub allowed_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` counts: addresses or networks.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// The largest request body, and the longest line over stdio, in bytes.
    pub max_body_bytes: usize,
    /// Connections that may be open at once; more wait in the system's queue.
    pub max_connections: usize,
    /// Sessions that may be open at once (clients before 2026-07-28 open one each).
    pub max_sessions: usize,
    /// Sessions that one identity may have open at once.
    pub max_sessions_per_identity: usize,
    /// Serve HTTP+SSE (`/sse`, `/messages`) for hosts that speak only 2024-11-05. Without a word:
    /// yes, but not in `prod`.
    pub sse: Option<bool>,
    /// HTTP+SSE streams that may be open at once.
    pub max_sse_streams: usize,
    /// HTTP+SSE streams that one identity may have open at once.
    pub max_sse_streams_per_identity: usize,
    /// How long a session, or an HTTP+SSE stream, may be idle.
    pub session_idle_ms: u64,
    /// How long a call may take. Longer than anything inside it.
    pub request_timeout_ms: u64,
    /// How long calls that run may go on after the server was told to stop.
    pub shutdown_timeout_ms: u64,
}

/// `[auth]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The keys file; `mcp-server keys` writes it.
    pub keys_file: Option<PathBuf>,
    /// Whether a caller without a key may come in; never in `prod`.
    pub anonymous: Option<bool>,
    /// What a caller without a key may do.
    pub anonymous_scopes: Vec<GrantSpec>,
    /// Failed sign-ins that one address may have per minute.
    pub failures_per_minute: u32,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls per minute and identity, once the burst is used up.
    pub per_minute: u32,
    /// Calls at once and identity.
    pub burst: u32,
    /// Calls of one identity that may run at the same time.
    pub concurrent: u32,
    /// How many identities are remembered at once; beyond it a newcomer waits.
    pub max_identities: usize,
    /// The largest context, in tokens, that a caller may ask the language model for.
    pub max_num_ctx: u32,
    /// Tighter rates for single tools, on top: `[limits.tools.NAME]`.
    pub tools: BTreeMap<String, Rate>,
}

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// Write the record to standard error.
    pub stderr: bool,
    /// Write the record to this file too.
    pub file: Option<PathBuf>,
    /// Bytes after which a new file begins.
    pub max_bytes: u64,
    /// How many older files are kept.
    pub keep: u32,
}

/// `[weather]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weather {
    /// Open-Meteo's geocoding, or one like it.
    pub geocoding_url: url::Url,
    /// Open-Meteo's forecast, or one like it.
    pub forecast_url: url::Url,
    /// How long both together may take.
    pub timeout_ms: u64,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; finer with tracing's own syntax.
    pub level: String,
    /// `human` or `json`.
    pub format: LogFormat,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// The address to listen on for `/metrics`, which asks for no key.
    pub host: IpAddr,
    /// The port; 0 takes a free one and prints it. Without it there are no numbers.
    pub port: Option<u16>,
}

/// `[traces]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Where an OpenTelemetry collector takes spans: `http://127.0.0.1:4318/v1/traces`. Without it
    /// none are reported. It takes a build with the feature `otlp`.
    pub endpoint: Option<url::Url>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person at a terminal.
    #[default]
    Human,
    /// For a collector.
    Json,
}

/// The roles that are there without a word.
fn built_in_roles() -> Roles {
    let role = |scopes: &[&str]| Role {
        scopes: scopes
            .iter()
            .map(|scope| GrantSpec::Scope((*scope).to_owned()))
            .collect(),
        includes: Vec::new(),
    };
    Roles::from([
        ("admin".to_owned(), role(&["*"])),
        (
            "user".to_owned(),
            role(&["tools:*", "resources:*", "prompts:*"]),
        ),
        (
            "viewer".to_owned(),
            role(&["tools:util:echo", "resources:docs:read"]),
        ),
    ])
}

/// A file that names one role keeps the others: a deleted line changes nothing, and a key that has
/// a built-in role doesn't lose it because somebody wrote another one down.
fn besides_the_built_in<'de, D: Deserializer<'de>>(named: D) -> Result<Roles, D::Error> {
    let mut roles = built_in_roles();
    roles.extend(Roles::deserialize(named)?);
    Ok(roles)
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            auth: Auth::default(),
            roles: built_in_roles(),
            limits: Limits::default(),
            audit: Audit::default(),
            llm: mcp_llm::Settings::default(),
            weather: Weather::default(),
            log: Log::default(),
            metrics: Metrics::default(),
            traces: Traces::default(),
        }
    }
}

/// Networks, each of which may be an address alone.
fn networks<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<ipnet::IpNet>, D::Error> {
    let one = |text: String| {
        network(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "\"{text}\" is neither an address nor a network: write 10.0.0.5 or 10.0.0.0/8"
            ))
        })
    };
    Vec::<String>::deserialize(list)?
        .into_iter()
        .map(one)
        .collect()
}

impl Default for Server {
    fn default() -> Self {
        Self {
            mode: Mode::Local,
            host: IpAddr::from([127, 0, 0, 1]),
            port: 8080,
            tls_cert: None,
            tls_key: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            max_body_bytes: 4 << 20,
            max_connections: 4096,
            max_sessions: 1024,
            max_sessions_per_identity: 64,
            sse: None,
            max_sse_streams: 256,
            max_sse_streams_per_identity: 16,
            session_idle_ms: 300_000,
            request_timeout_ms: 600_000,
            shutdown_timeout_ms: 10_000,
        }
    }
}

impl Server {
    /// Whether HTTP+SSE is served: what the setting says, else everywhere but in `prod`, because
    /// the specification has deprecated it.
    pub fn serves_sse(&self) -> bool {
        self.sse.unwrap_or(self.mode != Mode::Prod)
    }
}

impl Default for Auth {
    fn default() -> Self {
        let scopes = ["tools:*", "resources:*", "prompts:*"];
        Self {
            keys_file: None,
            anonymous: None,
            anonymous_scopes: scopes
                .map(|scope| GrantSpec::Scope(scope.to_owned()))
                .to_vec(),
            failures_per_minute: 10,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_minute: 600,
            burst: 120,
            concurrent: 32,
            max_identities: 100_000,
            max_num_ctx: 32_768,
            tools: BTreeMap::new(),
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            stderr: true,
            file: None,
            max_bytes: 64 << 20,
            keep: 8,
        }
    }
}

impl Default for Weather {
    #[expect(clippy::expect_used, reason = "two constants; a test parses them")]
    fn default() -> Self {
        let url = |text: &str| text.parse().expect("a constant URL");
        Self {
            geocoding_url: url("https://geocoding-api.open-meteo.com/v1/search"),
            forecast_url: url("https://api.open-meteo.com/v1/forecast"),
            timeout_ms: 10_000,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Human,
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            host: IpAddr::from([127, 0, 0, 1]),
            port: None,
        }
    }
}

impl Config {
    /// Whether a caller without a key may come in.
    pub fn anonymous(&self) -> bool {
        self.auth
            .anonymous
            .unwrap_or(self.server.mode != Mode::Prod)
    }

    /// The limits, as the interceptor takes them.
    pub fn limit_settings(&self) -> Option<LimitSettings> {
        Some(LimitSettings {
            identity: Rate::new(self.limits.per_minute, self.limits.burst)?,
            tools: self.limits.tools.clone().into_iter().collect(),
            concurrent: self.limits.concurrent.try_into().ok()?,
            capacity: self.limits.max_identities,
        })
    }

    /// The largest context that a caller may ask for; the configured one is always within it.
    pub fn most_context(&self) -> u32 {
        let configured = self.llm.num_ctx.unwrap_or_default();
        self.limits.max_num_ctx.max(configured)
    }

    /// The record's settings, as the interceptor takes them.
    pub fn journal_settings(&self) -> JournalSettings {
        let Audit {
            stderr,
            file,
            max_bytes,
            keep,
        } = self.audit.clone();
        JournalSettings {
            stderr,
            file: file.map(|path| FileSettings {
                path,
                max_bytes,
                keep,
            }),
            strict: self.server.mode == Mode::Prod,
        }
    }

    /// How HTTP is served.
    pub fn http_settings(&self) -> HttpSettings {
        let server = self.server.clone();
        HttpSettings {
            host: server.host,
            port: server.port,
            tls: server.tls_cert.clone().zip(server.tls_key.clone()),
            sse: server.serves_sse(),
            allowed_hosts: server.allowed_hosts,
            allowed_origins: server.allowed_origins,
            trusted_proxies: server.trusted_proxies,
            max_body_bytes: server.max_body_bytes,
            max_connections: server.max_connections,
            max_sessions: server.max_sessions,
            max_sessions_per_identity: server.max_sessions_per_identity,
            max_sse_streams: server.max_sse_streams,
            max_sse_streams_per_identity: server.max_sse_streams_per_identity,
            session_idle: Duration::from_millis(server.session_idle_ms),
            shutdown_timeout: Duration::from_millis(server.shutdown_timeout_ms),
        }
    }

    /// How long a call may take.
    pub fn request_time_out(&self) -> Duration {
        Duration::from_millis(self.server.request_timeout_ms)
    }
}
