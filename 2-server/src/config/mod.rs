//! What an operator may set: a TOML file, then `MCP_SECTION__KEY` from the environment on top.
//!
//! Whatever is unknown, unreadable or contradictory stops the start, with the file, the line and
//! the nearest known name. A server with a broken configuration must not run with defaults.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    interceptor::{
        LimitSettings, Rate,
        audit::{FileSettings, JournalSettings},
        keys::{GrantSpec, Role, Roles, network, resolve},
    },
    transport::HttpSettings,
};

mod environment;
mod problem;

pub use problem::ConfigError;

/// Everything that can be set. The README's table names each of them, and a test compares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where and how it listens.
    pub server: Server,
    /// Who may call.
    pub auth: Auth,
    /// Named sets of scopes.
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

impl Default for Config {
    fn default() -> Self {
        let role = |scopes: &[&str]| Role {
            scopes: scopes
                .iter()
                .map(|scope| GrantSpec::Scope((*scope).to_owned()))
                .collect(),
            includes: Vec::new(),
        };
        Self {
            server: Server::default(),
            auth: Auth::default(),
            roles: Roles::from([
                ("admin".to_owned(), role(&["*"])),
                (
                    "user".to_owned(),
                    role(&["tools:*", "resources:*", "prompts:*"]),
                ),
                (
                    "viewer".to_owned(),
                    role(&["tools:util:echo", "resources:docs:read"]),
                ),
            ]),
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
    /// Reads the file, puts the environment on top, and refuses what can't work.
    ///
    /// Without a file, the defaults are what the environment goes on top of.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file and line, or the variable.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = match file {
            Some(path) => fs::read_to_string(path).map_err(|source| ConfigError::Read {
                path: path.into(),
                source,
            })?,
            None => String::new(),
        };
        let path = file.unwrap_or_else(|| Path::new("(no file)"));
        // Once as it is, so that a mistake is found at its line; then with the environment.
        let _: Self =
            toml::from_str(&text).map_err(|error| problem::locate(path, &text, &error))?;
        let table = text
            .parse()
            .map_err(|error: toml::de::Error| problem::locate(path, &text, &error))?;
        let config = environment::overlay(table, environment)?;
        config.check()?;
        Ok(config)
    }

    /// Whether a caller without a key may come in.
    pub fn anonymous(&self) -> bool {
        self.auth
            .anonymous
            .unwrap_or(self.server.mode != Mode::Prod)
    }

    /// Refuses what contradicts itself. Everything here would otherwise leave a door open.
    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |field: &str, why: String| {
            Err(ConfigError::Refused {
                field: field.to_owned(),
                why,
            })
        };
        let Server { mode, host, .. } = self.server;
        if !host.is_loopback() {
            if mode != Mode::Prod {
                return refuse(
                    "server.host",
                    format!(
                        "{host} can be reached from outside, and mode is {mode}: use 127.0.0.1, or mode = \"prod\" with keys"
                    ),
                );
            }
            if self.server.trusted_proxies.is_empty() && self.server.tls_cert.is_none() {
                return refuse(
                    "server.host",
                    format!(
                        "{host} can be reached from outside without encryption: set server.tls_cert and server.tls_key, or name the TLS proxy in front of it in server.trusted_proxies"
                    ),
                );
            }
            if self.server.allowed_hosts.is_empty() {
                return refuse(
                    "server.allowed_hosts",
                    "name the host names that clients use, or every request is refused".to_owned(),
                );
            }
        }
        if let Some(all) = self
            .server
            .trusted_proxies
            .iter()
            .find(|net| net.prefix_len() == 0)
        {
            return refuse(
                "server.trusted_proxies",
                format!(
                    "{all} is every address, and whoever is trusted can say any address for its own: name the proxies alone"
                ),
            );
        }
        for (field, listed) in [
            ("server.allowed_hosts", &self.server.allowed_hosts),
            ("server.allowed_origins", &self.server.allowed_origins),
        ] {
            if let Some(wide) = listed.iter().find(|it| it.contains('*') || *it == "null") {
                return refuse(
                    field,
                    format!(
                        "\"{wide}\" would be anybody, and nothing is matched by a pattern: name each one"
                    ),
                );
            }
        }
        if self.server.tls_cert.is_some() != self.server.tls_key.is_some() {
            return refuse(
                "server.tls_cert",
                "TLS takes both server.tls_cert and server.tls_key".to_owned(),
            );
        }
        if !self.metrics.host.is_loopback() && mode != Mode::Prod {
            let why = format!(
                "{} can be reached from outside, and mode is {mode}: use 127.0.0.1",
                self.metrics.host
            );
            return refuse("metrics.host", why);
        }
        if self.traces.endpoint.is_some() && !cfg!(feature = "otlp") {
            let why = "this build can't report traces: build it with `cargo build --release --package mcp-server --features otlp`, or leave it out";
            return refuse("traces.endpoint", why.to_owned());
        }
        if mode == Mode::Prod {
            if self.auth.anonymous == Some(true) {
                return refuse(
                    "auth.anonymous",
                    "in prod every caller needs a key".to_owned(),
                );
            }
            if !self.audit.stderr && self.audit.file.is_none() {
                return refuse(
                    "audit",
                    "in prod the record can't be switched off: set audit.stderr or audit.file"
                        .to_owned(),
                );
            }
        }
        if !self.anonymous() && self.auth.keys_file.is_none() {
            return refuse("auth.keys_file", "every caller needs a key, and there is no keys file: make one with `mcp-server keys add NAME --file config/keys.toml`".to_owned());
        }
        self.check_numbers()?;
        self.check_time_outs()?;
        resolve(
            &self.roles,
            &self.roles.keys().cloned().collect::<Vec<_>>(),
            &self.auth.anonymous_scopes,
        )
        .map_err(|error| ConfigError::Refused {
            field: "roles".to_owned(),
            why: error.to_string(),
        })?;
        self.llm.validate().map_err(|error| ConfigError::Refused {
            field: format!("llm.{}", error.field),
            why: error.problem,
        })
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        let positive = [
            ("server.max_body_bytes", self.server.max_body_bytes as u64),
            ("server.max_connections", self.server.max_connections as u64),
            ("server.max_sessions", self.server.max_sessions as u64),
            (
                "server.max_sessions_per_identity",
                self.server.max_sessions_per_identity as u64,
            ),
            ("server.max_sse_streams", self.server.max_sse_streams as u64),
            (
                "server.max_sse_streams_per_identity",
                self.server.max_sse_streams_per_identity as u64,
            ),
            ("server.session_idle_ms", self.server.session_idle_ms),
            (
                "auth.failures_per_minute",
                self.auth.failures_per_minute.into(),
            ),
            ("limits.per_minute", self.limits.per_minute.into()),
            ("limits.burst", self.limits.burst.into()),
            ("limits.concurrent", self.limits.concurrent.into()),
            ("limits.max_identities", self.limits.max_identities as u64),
            ("audit.keep", self.audit.keep.into()),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(ConfigError::Refused {
                    field: field.to_owned(),
                    why: "must be at least 1".to_owned(),
                });
            }
        }
        if self.audit.max_bytes < 4096 {
            return Err(ConfigError::Refused {
                field: "audit.max_bytes".to_owned(),
                why: "must be at least 4096".to_owned(),
            });
        }
        Ok(())
    }

    /// connect < first byte < request, and a tool < request: an inner wait must end before the one
    /// around it, or its own words never reach the caller.
    fn check_time_outs(&self) -> Result<(), ConfigError> {
        let request = self.server.request_timeout_ms;
        for (field, inner) in [
            ("llm.first_byte_timeout_ms", self.llm.first_byte_timeout_ms),
            ("llm.idle_timeout_ms", self.llm.idle_timeout_ms),
            ("llm.queue_timeout_ms", self.llm.queue_timeout_ms),
            ("weather.timeout_ms", self.weather.timeout_ms),
        ] {
            if inner >= request {
                let why = format!(
                    "is {inner}, and server.request_timeout_ms is {request}: the request must last longer"
                );
                return Err(ConfigError::Refused {
                    field: field.to_owned(),
                    why,
                });
            }
        }
        Ok(())
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
