//! `mcp-server`: serves until it is told to stop.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    config::Config,
    operations::{endpoints, telemetry},
    transport::{
        self, ServeError, StdioSettings,
        http::{
            Server, Sessions, listen,
            listener::{self, Bounds},
        },
        stop,
    },
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
    let stopping = tokio::spawn(stop::on_signal(shutdown.clone()));
    let journal = Arc::clone(app.pipeline.journal());
    #[cfg(feature = "otlp")]
    let traces = app.traces.clone();
    let served = if stdio {
        over_stdio(app, shutdown).await
    } else {
        over_http(app, shutdown).await
    };
    stopping.abort();
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
    let key = std::env::var("MCP_CLIENT_KEY").ok();
    let settings = StdioSettings {
        key: key.filter(|key| !key.is_empty()),
        max_line: app.config.server.max_body_bytes,
    };
    let streams = rmcp::transport::io::stdio_pipes();
    Ok(transport::stdio::serve(app.guard, &settings, streams, shutdown).await?)
}

async fn over_http(app: App, shutdown: CancellationToken) -> anyhow::Result<()> {
    let server = Server::bind(&app.guard, app.config.http_settings(), shutdown.clone())
        .await
        .map_err(|error| name_setting(error, "MCP_SERVER__PORT"))?;
    let hosts = &app.config.server.allowed_hosts;
    let server = server.also(endpoints::readiness(Arc::clone(&app.readiness), hosts));
    let metrics = serve_metrics(&app, server.sessions(), shutdown).await?;
    announce(&app.config, &server);
    server.run().await;
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    tracing::info!("stopped");
    Ok(())
}

/// Numbers have a listener of their own.
async fn serve_metrics(
    app: &App,
    sessions: Sessions,
    shutdown: CancellationToken,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let (Some(port), Some(metrics)) = (app.config.metrics.port, &app.metrics) else {
        return Ok(None);
    };
    let listener = listen(app.config.metrics.host, port)
        .await
        .map_err(|error| name_setting(error, "MCP_METRICS__PORT"))?;
    tracing::info!("metrics on http://{}/metrics", listener.local_addr()?);
    let journal = Arc::clone(app.pipeline.journal());
    let router = endpoints::metrics(Arc::clone(metrics), journal, sessions);
    let bounds = Bounds {
        connections: MOST_SCRAPERS,
        grace: Duration::ZERO,
    };
    Ok(Some(tokio::spawn(listener::serve(
        None, listener, router, bounds, shutdown,
    ))))
}

/// A port that can't be had, with the setting that chooses another.
fn name_setting(error: ServeError, setting: &str) -> anyhow::Error {
    match error {
        ServeError::Listen { why, .. } => anyhow::anyhow!("{why}, with {setting}"),
        other => other.into(),
    }
}

/// One line that people and scripts wait for.
fn announce(config: &Config, server: &Server) {
    let who = if config.anonymous() {
        "anonymous callers may come in"
    } else {
        "every caller needs a key"
    };
    tracing::info!(
        "listening on {} (mode {}, {who})",
        server.url(),
        config.server.mode
    );
}
