//! `mcp-server`: serves until it is told to stop.

use std::{net::IpAddr, path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    config::Config,
    operations::{endpoints, telemetry},
    transport::{self, http::tls::Tls},
};

/// Connections to the metrics at once.
const MOST_SCRAPERS: usize = 16;

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
    #[cfg(feature = "otlp")]
    let traces = app.traces.clone();
    let served = if stdio {
        over_stdio(app, shutdown).await
    } else {
        over_http(app, shutdown).await
    };
    told.abort();
    followed.abort();
    // The last records must be on disk before the process ends.
    tokio::task::spawn_blocking(move || {
        journal.shut_down();
        #[cfg(feature = "otlp")]
        if let Some(traces) = traces {
            traces.shut_down();
        }
    })
    .await?;
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
    let tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => Some(Arc::new(Tls::open(cert, key)?)),
        _ => None,
    };
    let listener = bind(settings.host, settings.port, "MCP_SERVER__PORT").await?;
    let address = listener.local_addr()?;
    let (router, sessions) =
        transport::http::router_and_sessions(&app.guard, &app.pipeline, settings, shutdown.clone());
    let router = router.merge(endpoints::readiness(Arc::clone(&app.readiness), settings));
    let metrics = serve_metrics(&app, sessions, shutdown.clone()).await?;
    announce(&app.config, address, tls.is_some());
    let followed = tls
        .clone()
        .map(|tls| tokio::spawn(async move { tls.follow().await }));
    let grace = Duration::from_millis(settings.shutdown_timeout_ms);
    let most = settings.max_connections;
    transport::http::serve_over(tls, listener, router, most, shutdown, grace).await?;
    for task in metrics.into_iter().chain(followed) {
        task.abort();
    }
    tracing::info!("stopped");
    Ok(())
}

/// Numbers have a listener of their own.
async fn serve_metrics(
    app: &App,
    sessions: transport::http::Sessions,
    shutdown: CancellationToken,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let (Some(port), Some(metrics)) = (app.config.metrics.port, &app.metrics) else {
        return Ok(None);
    };
    let listener = bind(app.config.metrics.host, port, "MCP_METRICS__PORT").await?;
    tracing::info!("metrics on http://{}/metrics", listener.local_addr()?);
    let journal = Arc::clone(&app.pipeline.journal);
    let router = endpoints::metrics(Arc::clone(metrics), journal, sessions);
    Ok(Some(tokio::spawn(async move {
        let served =
            transport::http::serve(listener, router, MOST_SCRAPERS, shutdown, Duration::ZERO);
        if let Err(error) = served.await {
            tracing::error!(%error, "the metrics are no longer served");
        }
    })))
}

async fn bind(host: IpAddr, port: u16, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind((host, port)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!("port {port} is in use: stop what listens there, or choose another with {setting}={}", port.saturating_add(1)),
        std::io::ErrorKind::PermissionDenied => anyhow::anyhow!("port {port} needs more rights than this process has: choose one above 1023 with {setting}"),
        _ => anyhow::Error::new(error).context(format!("can't listen on {host}:{port}")),
    })
}

/// One line that people and scripts wait for.
fn announce(config: &Config, address: std::net::SocketAddr, tls: bool) {
    let who = if config.anonymous() {
        "anonymous callers may come in"
    } else {
        "every caller needs a key"
    };
    let scheme = if tls { "https" } else { "http" };
    tracing::info!(
        "listening on {scheme}://{address}/mcp (mode {}, {who})",
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
