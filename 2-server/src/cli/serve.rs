//! `mcp-server`: serves until it is told to stop.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{app::App, config::Config, telemetry, transport};

pub(super) async fn run(
    stdio: bool,
    file: Option<&Path>,
    log_level: Option<String>,
) -> anyhow::Result<ExitCode> {
    let mut config = super::load(file)?;
    if let Some(level) = log_level {
        config.log.level = level;
    }
    telemetry::start(&config.log, config.server.mode).map_err(|error| {
        super::Misuse(format!(
            "--log-level: {error}: use error, warn, info, debug or trace"
        ))
    })?;

    let app = App::build(config, &|name| std::env::var(name).ok())?;
    let shutdown = CancellationToken::new();
    let told = tokio::spawn(stop_when_told(shutdown.clone()));
    let keys = Arc::clone(app.pipeline.authenticator.keys());
    let followed = tokio::spawn(async move { keys.follow().await });

    let journal = Arc::clone(&app.pipeline.journal);
    let served = if stdio {
        over_stdio(app, shutdown).await
    } else {
        over_http(app, shutdown).await
    };
    told.abort();
    followed.abort();
    // The last records must be on disk before the process ends.
    tokio::task::spawn_blocking(move || journal.shut_down()).await?;
    served.map(|()| ExitCode::SUCCESS)
}

async fn over_stdio(app: App, shutdown: CancellationToken) -> anyhow::Result<()> {
    let key = std::env::var("MCP_CLIENT_KEY")
        .ok()
        .filter(|key| !key.is_empty());
    let streams = rmcp::transport::io::stdio_pipes();
    transport::stdio::serve(
        app.guard,
        key.as_deref(),
        streams,
        app.config.server.max_body_bytes,
        shutdown,
    )
    .await
}

async fn over_http(app: App, shutdown: CancellationToken) -> anyhow::Result<()> {
    let settings = &app.config.server;
    let listener = bind(settings).await?;
    let address = listener.local_addr()?;
    let router = transport::http::router(&app.guard, &app.pipeline, settings, shutdown.clone());
    announce(&app.config, address);
    let grace = Duration::from_millis(settings.shutdown_timeout_ms);
    transport::http::serve(listener, router, settings.max_connections, shutdown, grace).await?;
    tracing::info!("stopped");
    Ok(())
}

async fn bind(settings: &crate::config::Server) -> anyhow::Result<TcpListener> {
    let (host, port) = (settings.host, settings.port);
    TcpListener::bind((host, port)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!("port {port} is in use: stop what listens there, or choose another with MCP_SERVER__PORT={}", port.saturating_add(1)),
        std::io::ErrorKind::PermissionDenied => anyhow::anyhow!("port {port} needs more rights than this process has: choose one above 1023 with MCP_SERVER__PORT"),
        _ => anyhow::Error::new(error).context(format!("can't listen on {host}:{port}")),
    })
}

/// One line that people and scripts wait for.
fn announce(config: &Config, address: std::net::SocketAddr) {
    let who = if config.anonymous() {
        "anonymous callers may come in"
    } else {
        "every caller needs a key"
    };
    tracing::info!(
        "listening on http://{address}/mcp (mode {}, {who})",
        config.server.mode
    );
}

async fn stop_when_told(shutdown: CancellationToken) {
    if let Err(error) = told_to_stop().await {
        tracing::error!(%error, "signals can't be heard: stop the server with kill -9");
        return;
    }
    tracing::info!("told to stop: running calls may end, new ones are refused");
    shutdown.cancel();
}

#[cfg(unix)]
async fn told_to_stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut hang_up = signal(SignalKind::hangup()).context("SIGHUP")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("SIGINT"),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn told_to_stop() -> anyhow::Result<()> {
    tokio::signal::ctrl_c().await.context("Ctrl-C")
}
