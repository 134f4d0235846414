//! stdio: the host launches the server and speaks to it over standard input and output, one JSON
//! message a line (2026-07-28, transports, "stdio"). The key comes from the environment.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use rmcp::{ServerHandler, ServiceExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use crate::interceptor::{Guard, Peer, Witness};

/// Serves one caller until the input ends or `shutdown` fires.
///
/// # Errors
/// When the caller can't be signed in, or the connection fails.
pub async fn serve<H: ServerHandler>(
    guard: Guard<H>,
    key: Option<&str>,
    streams: (
        impl AsyncRead + Unpin + Send + 'static,
        impl AsyncWrite + Unpin + Send + 'static,
    ),
    max_line: usize,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let principal = guard
        .authenticator()
        .sign_in(key, Peer::Parent)
        .map_err(|denial| anyhow::anyhow!("MCP_CLIENT_KEY: {}", denial.reason))?;
    tracing::info!(identity = %principal.label(), "serving MCP on standard input and output");
    let journal = Arc::clone(guard.journal());
    let label = Arc::clone(principal.label());
    let lines = Lines::new(streams.0, streams.1, max_line, Arc::clone(&journal), label);
    let transport = Witness::new(lines, "stdio", principal, None, journal);
    let running = match guard.serve_with_ct(transport, shutdown).await {
        Ok(running) => running,
        // Input that ends before the first message is a host that changed its mind.
        Err(
            rmcp::service::ServerInitializeError::ConnectionClosed(_)
            | rmcp::service::ServerInitializeError::Cancelled,
        ) => return Ok(()),
        Err(error) => return Err(error).context("the host didn't begin an MCP conversation"),
    };
    running
        .waiting()
        .await
        .context("the conversation broke off")?;
    // What rmcp's own tasks still hold is let go before the process ends.
    tokio::time::sleep(Duration::ZERO).await;
    Ok(())
}
