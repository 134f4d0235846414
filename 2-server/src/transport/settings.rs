//! How a guard is served.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

/// How HTTP is served. The default is this machine alone: port 8080 on loopback, no web page may
/// call, and no proxy is trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSettings {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// A certificate chain and its private key, both PEM: with them, HTTP is served over TLS. Both
    /// are followed while the server runs.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// `Host` headers that are good, besides loopback names.
    pub allowed_hosts: Vec<String>,
    /// Origins that a browser may call from, such as `https://app.example.com`.
    pub allowed_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Connections that may be open at once; more wait in the system's queue.
    pub max_connections: usize,
    /// Sessions that may be open at once (clients before 2026-07-28 open one each).
    pub max_sessions: usize,
    /// Sessions that one identity may have open at once.
    pub max_sessions_per_identity: usize,
    /// Whether HTTP+SSE (`/sse`, `/messages`) is served, for hosts that speak only 2024-11-05.
    pub sse: bool,
    /// HTTP+SSE streams that may be open at once.
    pub max_sse_streams: usize,
    /// HTTP+SSE streams that one identity may have open at once.
    pub max_sse_streams_per_identity: usize,
    /// How long a session, or an HTTP+SSE stream, may be idle.
    pub session_idle: Duration,
    /// How long calls that run may go on after the server was asked to stop.
    pub shutdown_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 8080,
            tls: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            max_body_bytes: 4 << 20,
            max_connections: 4096,
            max_sessions: 1024,
            max_sessions_per_identity: 64,
            sse: true,
            max_sse_streams: 256,
            max_sse_streams_per_identity: 16,
            session_idle: Duration::from_secs(300),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// How stdio is served.
#[derive(Clone, PartialEq, Eq)]
pub struct StdioSettings {
    /// The caller's key, usually from `MCP_CLIENT_KEY`; `None` is an anonymous caller.
    pub key: Option<String>,
    /// The longest line, in bytes.
    pub max_line: usize,
}

impl Default for StdioSettings {
    fn default() -> Self {
        Self {
            key: None,
            max_line: 4 << 20,
        }
    }
}

impl std::fmt::Debug for StdioSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StdioSettings")
            .field("key", &self.key.as_ref().map(|_key| "…"))
            .field("max_line", &self.max_line)
            .finish()
    }
}

/// Which transport serves a guard.
#[derive(Debug, Clone, PartialEq)]
pub enum Settings {
    /// One caller, on standard input and output: a host launches the server.
    Stdio(StdioSettings),
    /// Many callers, over HTTP.
    Http(HttpSettings),
}
