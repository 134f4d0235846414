//! `/mcp`: Streamable HTTP (2026-07-28, transports, "Streamable HTTP"). rmcp speaks it, for clients
//! of every version; this file only sets it up, and asks the [fast path](fast_path) first.

mod fast_path;
pub(super) mod sessions;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request, response::IntoResponse};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::SessionConfig,
    },
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use self::{fast_path::FastPath, sessions::Sessions};
use super::{origin::Site, settings::HttpSettings};
use crate::interceptor::Guard;

/// How long rmcp keeps what it sent for a call that its caller cancelled, for a client whose stream
/// broke off and who asks again for what it missed; an answered call is let go at once. rmcp's own
/// 60 s are long: each event of a session looks through all that is kept.
const KEEP_ANSWERS: Duration = Duration::from_secs(10);

/// Whether plain calls go around rmcp. Off only where a test compares the two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortcut {
    On,
    #[cfg(test)]
    Off,
}

/// The service behind `/mcp`, and the sessions that it keeps. What still runs when `ended` fires is
/// torn off.
pub(super) fn service<H: ServerHandler>(
    guard: &Guard<H>,
    settings: &HttpSettings,
    site: &Site,
    shortcut: Shortcut,
    ended: CancellationToken,
) -> (
    impl Service<Request, Response: IntoResponse, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + use<H>,
    Arc<Sessions>,
) {
    let mut sessions = SessionConfig::default();
    sessions.keep_alive = Some(settings.session_idle);
    sessions.completed_cache_ttl = KEEP_ANSWERS;
    let sessions = Arc::new(Sessions::new(
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
        .with_cancellation_token(ended);
    let fast = FastPath::new(guard.clone(), settings.max_body_bytes);
    let fast = (shortcut == Shortcut::On).then_some(fast);
    // The guard is built once; a request costs a clone of a pointer.
    let guard = guard.clone();
    let service =
        StreamableHttpService::new(move || Ok(guard.clone()), Arc::clone(&sessions), config);
    // Shared, because a clone of rmcp's service copies its whole configuration, and axum clones
    // what it serves for every request.
    let ways = Arc::new((fast, service));
    let answer = tower::service_fn(move |mut request: Request| {
        let ways = Arc::clone(&ways);
        // Boxed here: the futures are large, and everything around them moves them.
        Box::pin(async move {
            let (fast, service) = &*ways;
            if let Some(fast) = fast {
                request = match fast.answer(request).await {
                    Ok(response) => return Ok(response),
                    Err(request) => request,
                };
            }
            Ok(Box::pin(service.handle(request)).await.map(Body::new))
        })
    });
    (answer, sessions)
}
