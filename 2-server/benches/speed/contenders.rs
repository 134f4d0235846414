//! Who is measured, and with which settings.

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::Context as _;
use mcp_server::interceptor::keys::fingerprint;

use super::process::Process;

/// The product's own binary; cargo builds it for this benchmark.
pub const PRODUCT: &str = env!("CARGO_BIN_EXE_mcp-server");
/// How many keys the product knows, when nothing else is said.
pub const KEYS: usize = 10_000;

/// How many there are at least.
pub const FEWEST_KEYS: usize = 100;

/// The settings of the product: everything on, limits that count but don't bite.
pub struct Settings {
    folder: tempfile::TempDir,
    pub file: PathBuf,
}

/// A key: the holder's name is the key, here.
pub fn key(number: usize) -> String {
    format!("holder-{number:07}")
}

/// A key that may call nothing.
pub const POOR: &str = "poor";
/// A key whose only call is soon used up.
pub const HASTY: &str = "hasty";

impl Settings {
    pub fn new(keys: usize) -> anyhow::Result<Self> {
        Self::with(keys, "")
    }

    /// `more` is added to the configuration.
    pub fn with(keys: usize, more: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let keys_file = folder.path().join("keys.toml");
        let mut text = String::new();
        let mut add = |name: &str, more: &str| {
            let digest = fingerprint(name);
            writeln!(
                text,
                "[[key]]\nname = \"{name}\"\nsha256 = \"{digest}\"\n{more}"
            )
        };
        add(POOR, "scopes = [\"resources:config:read\"]")?;
        add(HASTY, "roles = [\"user\"]\nper_minute = 1\nburst = 1")?;
        for number in 0..keys {
            add(&key(number), "roles = [\"user\"]")?;
        }
        fs::write(&keys_file, text)?;
        let file = folder.path().join("server.toml");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let limits = "per_minute = 4000000000\nburst = 1000000000";
        fs::write(
            &file,
            format!(
                "[server]\nmode = \"prod\"\nport = 0\nmax_connections = 20000\nmax_sessions = 20000\nmax_sessions_per_identity = 20000\nsession_idle_ms = 60000\n\
                 [auth]\nkeys_file = \"{}\"\nfailures_per_minute = 4000000000\n\
                 [limits]\n{limits}\nconcurrent = 100000\nmax_identities = 2000000\n[limits.tools.echo]\n{limits}\n\
                 [audit]\nstderr = false\nfile = \"{}\"\n\
                 {more}\n",
                keys_file.display(),
                path("audit.jsonl"),
            ),
        )?;
        Ok(Self { folder, file })
    }

    pub fn audit_file(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    pub fn keys_file(&self) -> PathBuf {
        self.folder.path().join("keys.toml")
    }

    /// Starts the product over HTTP.
    pub fn product(&self) -> anyhow::Result<Process> {
        let config = self.file.to_str().context("a path")?;
        Process::start(PRODUCT, &["--config", config, "--transport", "sse"])
    }

    /// Starts the interceptor around the bare handler, with so many tools.
    pub fn guarded(&self, tools: usize) -> anyhow::Result<Process> {
        peer(&[
            "guarded",
            self.file.to_str().context("a path")?,
            &tools.to_string(),
        ])
    }
}

/// Starts one of [`super::peers`].
pub fn peer(arguments: &[&str]) -> anyhow::Result<Process> {
    let own = std::env::current_exe()?;
    let arguments: Vec<&str> = ["serve"].iter().chain(arguments).copied().collect();
    Process::start(own.to_str().context("a path")?, &arguments)
}
