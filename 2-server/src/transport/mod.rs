//! ① How bytes arrive, and the one door: [`serve`]. A transport begins an
//! [`Exchange`](crate::interceptor::Exchange) for each message, and hands it to rmcp. It decides on
//! nothing else.

// How a guard is served, and how that ends.
mod follow;
pub(crate) mod settings;
pub mod stop;
// One caller, on standard input and output: how a host launches the server.
mod lines;
mod recorded;
pub mod stdio;
// Many callers, over HTTP: connections, encrypted or not, and what answers to which path.
pub mod http;
// What is common to all paths: is the request meant for us, who sends it, can it be read?
mod body;
mod credentials;
mod edge;
mod headers;
mod held;
pub(crate) mod origin;
mod proxies;
// `/mcp` with its fast path, and `/sse` for old hosts, over what lasting conversations share.
mod conversation;
mod mcp;
#[cfg(test)]
mod pipe;
mod sse;

use std::io;

use rmcp::{ServerHandler, service::ServerInitializeError};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

pub use recorded::RecordedTransport;
pub use settings::{HttpSettings, Settings, StdioSettings};

use crate::interceptor::Guard;

/// Why a guard can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The caller on standard input isn't let in.
    #[error("MCP_CLIENT_KEY: {0}")]
    SignIn(String),
    /// The host doesn't begin an MCP conversation.
    #[error("the host didn't begin an MCP conversation: {0}")]
    Handshake(Box<ServerInitializeError>),
    /// The conversation on standard input broke off.
    #[error("the connection was lost: {0}")]
    Lost(JoinError),
    /// The address can't be listened on.
    #[error("{why}")]
    Listen {
        /// What is wrong, and what to do.
        why: String,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate can't be served.
    #[error(transparent)]
    Tls(#[from] http::tls::TlsError),
}

/// Serves a guard until its one caller leaves (stdio), or the process is asked to stop. It follows
/// the keys file, and whatever else its ways to sign in follow. The last records are written when
/// the guard and its pipeline are dropped.
///
/// # Errors
/// [`ServeError`] when it can't be served.
pub async fn serve<H: ServerHandler>(
    guard: Guard<H>,
    settings: Settings,
) -> Result<(), ServeError> {
    let shutdown = CancellationToken::new();
    let stopping = tokio::spawn(stop::on_signal(shutdown.clone()));
    let served = match settings {
        Settings::Stdio(settings) => {
            let streams = rmcp::transport::io::stdio_pipes();
            stdio::serve(guard, &settings, streams, shutdown).await
        }
        Settings::Http(settings) => {
            let server = http::Server::bind(&guard, settings, shutdown).await?;
            tracing::info!("listening on {}", server.url());
            server.run().await
        }
    };
    stopping.abort();
    served
}
