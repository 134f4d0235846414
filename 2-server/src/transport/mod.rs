//! ① How bytes arrive, and the one door: [`serve`]. A transport begins an
//! [`Exchange`](crate::interceptor::Exchange) for each message, and hands it to rmcp. It decides on
//! nothing else.

// How a guard is served, and how that ends.
pub(crate) mod settings;
pub mod stop;
// What runs beside every transport.
mod follow;
// One caller, on standard input and output: how a host launches the server.
pub mod stdio;
// One message a line,
mod lines;
// each of which leaves a record.
mod recorded;
// Many callers, over HTTP: connections, encrypted or not, and what answers to which path.
pub mod http;
// What is common to all paths.
mod edge;
// Is the request meant for us?
pub(crate) mod origin;
// Where does it come from,
mod proxies;
// and who sends it?
mod credentials;
mod headers;
// Can it be read, within its bounds,
mod body;
mod room;
mod shape;
// and is its answer out?
mod held;
// `/mcp` with its fast path.
mod mcp;
// What lasting conversations share,
mod conversation;
// and `/sse`, for old hosts.
mod sse;
// A third transport over that, which proves the seam.
#[cfg(test)]
mod pipe;

use std::io;

use rmcp::{ServerHandler, service::ServerInitializeError};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

pub use recorded::RecordedTransport;
pub use settings::{HttpSettings, Settings, StdioSettings};

use crate::interceptor::{Guard, text::cut};

/// Why a guard can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The caller on standard input isn't let in.
    #[error("MCP_CLIENT_KEY: {0}")]
    SignIn(String),
    /// The host doesn't begin an MCP conversation.
    #[error("the host didn't begin an MCP conversation: {}", in_short(.0))]
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

/// What rmcp says of a beginning that failed, without all of what the other side sent.
pub(crate) fn in_short(error: &ServerInitializeError) -> String {
    const MOST: usize = 200;
    cut(&error.to_string(), MOST).escape_debug().to_string()
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
            server.run().await;
            Ok(())
        }
    };
    stopping.abort();
    served
}
