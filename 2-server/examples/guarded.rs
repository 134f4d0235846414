//! A server of your own behind the guard, over HTTP or stdio.
//!
//! ```text
//! cargo run --package mcp-server --example guarded            # http://127.0.0.1:8080/mcp
//! cargo run --package mcp-server --example guarded -- stdio   # for a host that launches it
//! ```
//!
//! Anyone on this machine may add; nobody may divide, and the tool isn't even listed. Each call
//! leaves a line on standard error.

use std::{io::Write as _, net::Ipv4Addr, time::Duration};

use mcp_server::{
    config,
    interceptor::{Catalogue, Grant, Grants, Guard, Pipeline, Scope},
    transport::{http, stdio},
};
use rmcp::{handler::server::wrapper::Parameters, schemars, tool, tool_router};
use tokio_util::sync::CancellationToken;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Numbers {
    a: i32,
    b: i32,
}

#[derive(Debug, Clone)]
struct Calculator;

#[tool_router(server_handler)]
impl Calculator {
    #[tool(description = "Adds two numbers")]
    fn add(&self, Parameters(Numbers { a, b }): Parameters<Numbers>) -> String {
        a.saturating_add(b).to_string()
    }

    #[tool(description = "Divides one number by another")]
    fn divide(&self, Parameters(Numbers { a, b }): Parameters<Numbers>) -> String {
        a.checked_div(b).map_or_else(
            || "not a number".to_owned(),
            |quotient| quotient.to_string(),
        )
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let pipeline = Pipeline::builder()
        // For callers with keys: .keys_file(Path::new("config/keys.toml"), Roles::new())?, and after
        // `build` a task for `pipeline.authenticator.keys().follow()`, so that a key can be revoked.
        .anonymous(Grants::new(vec![Grant::parse("tools:math:add")?]))
        .catalogue(
            Catalogue::new()
                .tool("add", Scope::parse("tools:math:add")?)
                .tool("divide", Scope::parse("tools:math:divide")?),
        )
        .time_out(Duration::from_secs(10))
        .build()?;
    let guarded = Guard::new(Calculator, &pipeline);

    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        told_to_stop().await;
        told.cancel();
    });
    if std::env::args().nth(1).as_deref() == Some("stdio") {
        let streams = rmcp::transport::io::stdio_pipes();
        stdio::serve(guarded, None, streams, 1 << 20, shutdown).await
    } else {
        let settings = config::Server::default();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await?;
        writeln!(
            std::io::stderr(),
            "listening on http://{}/mcp",
            listener.local_addr()?
        )?;
        let router = http::router(&guarded, &pipeline, &settings, shutdown.clone());
        let grace = Duration::from_secs(1);
        http::serve(listener, router, settings.max_connections, shutdown, grace).await?;
        Ok(())
    }
}

/// Ctrl-C, or what a service manager sends. Whoever doesn't wait for it loses the last records.
async fn told_to_stop() {
    #[cfg(unix)]
    if let Ok(mut terminate) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return;
    }
    // Without signals the process can still be ended from outside.
    let _ = tokio::signal::ctrl_c().await;
}
