//! stdio: the host launches the server and speaks to it over standard input and output, one JSON
//! message a line (2026-07-28, transports, "stdio"). The key comes from the environment.

use std::sync::Arc;

use rmcp::{ServerHandler, ServiceExt as _, service::ServerInitializeError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::{
    ServeError, follow, lines::Lines, recorded::RecordedTransport, settings::StdioSettings,
};
use crate::interceptor::{Credential, Guard, Peer};

/// Serves one caller over these streams until the input ends or `shutdown` fires.
///
/// # Errors
/// When the caller can't be signed in, or the connection fails.
pub async fn serve<H: ServerHandler>(
    guard: Guard<H>,
    settings: &StdioSettings,
    streams: (
        impl AsyncRead + Unpin + Send + 'static,
        impl AsyncWrite + Unpin + Send + 'static,
    ),
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let authenticator = Arc::clone(guard.authenticator());
    let serving = Box::pin(serve_one(guard, settings, streams, shutdown));
    follow::while_serving(&authenticator, serving).await
}

async fn serve_one<H: ServerHandler>(
    guard: Guard<H>,
    settings: &StdioSettings,
    (read, write): (
        impl AsyncRead + Unpin + Send + 'static,
        impl AsyncWrite + Unpin + Send + 'static,
    ),
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let key = settings.key.as_deref();
    let credential = key.map_or_else(Credential::none, Credential::secret);
    let signed_in = guard.sign_in(&credential, Peer::Parent).await;
    let principal = signed_in.map_err(|denial| {
        // The host sees only that the connection was closed; the operator must find out why.
        let reason = denial.reason.clone();
        guard.begin("stdio", Peer::Parent).deny(denial);
        ServeError::SignIn(reason)
    })?;
    tracing::info!(identity = %principal.label(), "serving MCP on standard input and output");
    let begin = {
        let (guard, principal) = (guard.clone(), principal.clone());
        move || {
            let exchange = guard.begin("stdio", Peer::Parent);
            exchange.signed_in(principal.clone());
            exchange
        }
    };
    let lines = Lines::new(read, write, settings.max_line, begin);
    let journal = Arc::clone(guard.journal());
    let transport = RecordedTransport::new(lines, guard.clone(), "stdio", principal, Peer::Parent);
    let running = match guard.serve_with_ct(transport, shutdown).await {
        Ok(running) => running,
        // Input that ends before the first message is a host that changed its mind.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
            return Ok(());
        }
        Err(error) => return Err(ServeError::Handshake(Box::new(error))),
    };
    running.waiting().await.map_err(ServeError::Lost)?;
    // What rmcp's own tasks still hold leaves its record before the process ends.
    journal.settled().await;
    Ok(())
}
