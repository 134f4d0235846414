//! A server with everything that MCP's official conformance suite asks for, behind the same
//! [`Guard`] as the product. It shows two things: that the pipeline costs a server none of its
//! conformance, and how to put a handler of one's own behind it.
//!
//! Run with `cargo run -p mcp-server --example conformance`; the suite itself with
//! `tests/conformance/run.sh`.
//!
//! | variable | meaning |
//! |---|---|
//! | `PORT` | the port on 127.0.0.1; without it, a free one |
//! | `CONFORMANCE_KEY` | the key that may do everything; without it a new one, which is printed |
#![allow(
    clippy::expect_used,
    reason = "fixtures are constants: one that can't be made must stop the start"
)]

// What the fixtures share.
mod common;
// What answers at once.
mod content;
mod prompts;
mod resources;
// What talks with the client while it runs: before 2026-07-28, and since.
mod conversation;
mod input_required;
// What goes on after its answer.
mod tasks;
// All of it, as one rmcp handler.
mod handler;

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use axum::Router;
use mcp_server::{
    interceptor::{
        Guard, JournalSettings, LimitSettings, Pipeline, Rate,
        keys::{Roles, fingerprint},
    },
    transport::{
        HttpSettings,
        http::{
            self,
            listener::{self, Bounds},
        },
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port = match std::env::var("PORT") {
        Ok(text) => text
            .parse()
            .context("PORT is no port: leave it out for a free one")?,
        Err(_unset) => 0,
    };
    let given = std::env::var("CONFORMANCE_KEY").ok();
    let key = given.clone().map_or_else(new_key, Ok)?;
    let folder = tempfile::tempdir().context("there is no folder for the keys file")?;
    let keys = folder.path().join("keys.toml");
    write_keys(
        &keys,
        &[("suite", &key, &["tools:*", "resources:*", "prompts:*"])],
    )?;

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let settings = settings(&format!("http://{address}"));
    let shutdown = CancellationToken::new();
    let router = router(&keys, &settings, shutdown.clone())?;
    println!("listening on http://{address}/mcp");
    if given.is_none() {
        println!("key {key}");
    }
    let interrupted = shutdown.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    let bounds = Bounds {
        connections: settings.max_connections,
        grace: Duration::from_secs(1),
    };
    listener::serve(None, listener, router, bounds, shutdown).await;
    Ok(())
}

/// The usual settings, with what the suite needs: it opens a session for each scenario, from one
/// identity, and closes few of them; and it plays a page of the server's own origin.
fn settings(origin: &str) -> HttpSettings {
    HttpSettings {
        max_sessions_per_identity: 1024,
        allowed_origins: vec![origin.to_owned()],
        ..HttpSettings::default()
    }
}

/// The fixtures behind the pipeline, and both behind HTTP. **This is all that it takes**: build the
/// pipeline, wrap the handler, hand the guard to a transport.
fn router(
    keys: &Path,
    settings: &HttpSettings,
    shutdown: CancellationToken,
) -> anyhow::Result<Router> {
    let rate = |per_minute, burst| Rate::new(per_minute, burst).context("a rate of nothing");
    let pipeline = Pipeline::builder()
        // No anonymous caller: every one needs a key. Every scope follows from its name:
        // `test_simple_text` requires `tools:util:test_simple_text`, `test://static-text` requires
        // `resources:test:read`.
        .keys_file(keys, Roles::new())?
        .journal(JournalSettings {
            stderr: true,
            file: None,
            strict: false,
        })
        // In force, and above the hundred calls a second that the suite makes.
        .limits(LimitSettings {
            identity: rate(12_000, 2_000)?,
            tools: [].into(),
            concurrent: 64.try_into()?,
            capacity: 1000,
        })
        .build()?;
    let guard = Guard::new(handler::Fixtures::new()?, &pipeline);
    Ok(http::router(&guard, settings, shutdown).0)
}

/// Writes a keys file, as `mcp-server keys` would: it holds digests, never keys.
fn write_keys(path: &Path, keys: &[(&str, &str, &[&str])]) -> anyhow::Result<()> {
    let entries = keys.iter().map(|(name, key, scopes)| {
        let digest = fingerprint(key);
        format!("[[key]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nscopes = {scopes:?}\n")
    });
    std::fs::write(path, entries.collect::<String>()).context("the keys file can't be written")
}

fn new_key() -> anyhow::Result<String> {
    random::<32>().map(hex::encode)
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes)
}

#[cfg(test)]
mod scope_challenge;
