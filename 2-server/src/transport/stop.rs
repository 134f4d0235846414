//! How a server is asked to stop.

use std::io;

use tokio_util::sync::CancellationToken;

/// Fires `shutdown` at Ctrl-C, or at what a service manager sends.
pub async fn on_signal(shutdown: CancellationToken) {
    if let Err(error) = signalled().await {
        tracing::error!(%error, "can't install signal handlers; stop it with kill -9");
        return;
    }
    tracing::info!("asked to stop: running calls may end, new ones are refused");
    shutdown.cancel();
}

#[cfg(unix)]
async fn signalled() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signalled() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
