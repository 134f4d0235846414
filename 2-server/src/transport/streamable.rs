//! `/mcp`: Streamable HTTP (2026-07-28, transports, "Streamable HTTP"). rmcp speaks it, for clients
//! of every version; this file only sets it up.

use std::{sync::Arc, time::Duration};

use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::SessionConfig,
    },
};
use tokio_util::sync::CancellationToken;

use super::{sessions::OwnedSessions, site::Site};
use crate::{config, interceptor::Guard};

/// The service behind `/mcp`, and the sessions that it keeps.
pub(super) fn service<H: ServerHandler>(
    guard: &Guard<H>,
    settings: &config::Server,
    site: &Site,
    shutdown: CancellationToken,
) -> (
    StreamableHttpService<Guard<H>, OwnedSessions>,
    Arc<OwnedSessions>,
) {
    let mut sessions = SessionConfig::default();
    sessions.keep_alive = Some(Duration::from_millis(settings.session_idle_ms));
    let sessions = Arc::new(OwnedSessions::new(
        sessions,
        settings.max_sessions,
        settings.max_sessions_per_identity,
    ));
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(site.allowed_hosts())
        .with_allowed_origins(site.allowed_origins())
        .enforce_origin_validation()
        // One answer is one JSON body; what streams becomes SSE by itself.
        .with_json_response(true)
        .with_max_request_body_bytes(settings.max_body_bytes)
        .with_cancellation_token(shutdown);
    // The guard is built once; a request costs a clone of a few pointers.
    let guard = guard.clone();
    (
        StreamableHttpService::new(move || Ok(guard.clone()), Arc::clone(&sessions), config),
        sessions,
    )
}
