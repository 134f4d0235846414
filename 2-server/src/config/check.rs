//! Which settings can't work, alone or together. Everything here would otherwise leave a door open,
//! or close one that was meant to be open.

use std::{fs, path::Path};

use super::{Config, Mode, log_level, problem::Refusal, rights};
use crate::interceptor::keys::{GrantSpec, resolve};

/// What was found so far.
pub(super) struct Refusals(Vec<Refusal>);

impl Refusals {
    pub(super) fn add(&mut self, field: impl Into<String>, why: impl Into<String>) {
        self.0.push(Refusal {
            field: field.into(),
            why: why.into(),
        });
    }

    /// Adds it if it is so.
    pub(super) fn when(&mut self, so: bool, field: &str, why: &str) {
        if so {
            self.add(field, why);
        }
    }
}

impl Config {
    /// Everything that can't work; nothing when all of it can.
    pub(super) fn refusals(&self) -> Vec<Refusal> {
        let mut found = Refusals(Vec::new());
        self.check_reach(&mut found);
        self.check_mode(&mut found);
        self.check_files(&mut found);
        self.check_rights(&mut found);
        self.check_numbers(&mut found);
        self.check_time_outs(&mut found);
        if let Err(error) = self.llm.validate() {
            found.add(format!("llm.{}", error.field), error.problem);
        }
        if let Err(why) = log_level::directives(&self.log.level) {
            found.add("log.level", why);
        }
        found.when(
            self.traces.endpoint.is_some() && !cfg!(feature = "otlp"),
            "traces.endpoint",
            "this build can't report traces: build it with `cargo build --release --package mcp-server --features otlp`, or leave it out",
        );
        found.0
    }

    fn check_mode(&self, found: &mut Refusals) {
        if self.server.mode == Mode::Prod {
            found.when(
                self.auth.anonymous == Some(true),
                "auth.anonymous",
                "in prod every caller needs a key",
            );
            found.when(
                !self.audit.stderr && self.audit.file.is_none(),
                "audit",
                "in prod the record can't be switched off: set audit.stderr or audit.file",
            );
        }
        found.when(
            !self.anonymous() && self.auth.keys_file.is_none(),
            "auth.keys_file",
            "every caller needs a key, and there is no keys file: make one with `mcp-server keys add NAME --file config/keys.toml`",
        );
    }

    fn check_files(&self, found: &mut Refusals) {
        found.when(
            self.server.tls_cert.is_some() != self.server.tls_key.is_some(),
            "server.tls_cert",
            "TLS takes both server.tls_cert and server.tls_key",
        );
        // What isn't there yet is made; what is there and no file would swallow the record.
        if let Some(path) = self.audit.file.as_deref()
            && is_no_file(path)
        {
            found.add(
                "audit.file",
                format!(
                    "{} isn't a regular file, so nothing would be kept there: name a file, or leave it out and keep audit.stderr",
                    path.display()
                ),
            );
        }
    }

    fn check_rights(&self, found: &mut Refusals) {
        let all: Vec<String> = self.roles.keys().cloned().collect();
        if let Err(error) = resolve(&self.roles, &all, &self.auth.anonymous_scopes) {
            found.add("roles", error.to_string());
            return;
        }
        let anonymous = (
            "auth.anonymous_scopes".to_owned(),
            &self.auth.anonymous_scopes,
        );
        let roles = self
            .roles
            .iter()
            .map(|(name, role)| (format!("roles.{name}.scopes"), &role.scopes));
        for (field, scopes) in std::iter::once(anonymous).chain(roles) {
            let scopes: &Vec<GrantSpec> = scopes;
            for why in scopes.iter().filter_map(rights::misplaced) {
                found.add(field.clone(), why);
            }
        }
    }

    fn check_numbers(&self, found: &mut Refusals) {
        let Self {
            server,
            limits,
            audit,
            ..
        } = self;
        for (field, value) in [
            ("server.max_body_bytes", server.max_body_bytes as u64),
            ("server.max_connections", server.max_connections as u64),
            ("server.max_sessions", server.max_sessions as u64),
            (
                "server.max_sessions_per_identity",
                server.max_sessions_per_identity as u64,
            ),
            ("server.max_sse_streams", server.max_sse_streams as u64),
            (
                "server.max_sse_streams_per_identity",
                server.max_sse_streams_per_identity as u64,
            ),
            ("server.session_idle_ms", server.session_idle_ms),
            (
                "auth.failures_per_minute",
                self.auth.failures_per_minute.into(),
            ),
            ("limits.per_minute", limits.per_minute.into()),
            ("limits.burst", limits.burst.into()),
            ("limits.concurrent", limits.concurrent.into()),
            ("limits.max_identities", limits.max_identities as u64),
            ("limits.max_num_ctx", limits.max_num_ctx.into()),
            ("audit.keep", audit.keep.into()),
        ] {
            found.when(value == 0, field, "must be at least 1");
        }
        found.when(
            audit.max_bytes < 4096,
            "audit.max_bytes",
            "must be at least 4096",
        );
    }

    /// connect < first byte < request, and a tool < request: an inner wait must end before the one
    /// around it, or its own words never reach the caller.
    fn check_time_outs(&self, found: &mut Refusals) {
        let request = self.server.request_timeout_ms;
        for (field, inner) in [
            ("llm.first_byte_timeout_ms", self.llm.first_byte_timeout_ms),
            ("llm.idle_timeout_ms", self.llm.idle_timeout_ms),
            ("llm.queue_timeout_ms", self.llm.queue_timeout_ms),
            ("weather.timeout_ms", self.weather.timeout_ms),
        ] {
            if inner >= request {
                found.add(field, format!(
                    "is {inner}, and server.request_timeout_ms is {request}: the request must last longer"
                ));
            }
        }
    }
}

fn is_no_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file())
}
