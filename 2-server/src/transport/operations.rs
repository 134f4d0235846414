//! For whoever runs the server: is it alive, is it ready, how is it doing. `/healthz` and `/readyz`
//! stand beside `/mcp`; `/metrics` has a listener of its own, so that nobody who may call tools can
//! read it by that.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, header, uri::Authority};
use serde_json::json;

use crate::{interceptor::Journal, metrics::Metrics, readiness::Readiness};

/// How many sessions are open.
pub type Sessions = Arc<dyn Fn() -> usize + Send + Sync>;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the server can do its work: 200 or 503, and what doesn't hold.
pub fn readiness(ready: Arc<Readiness>) -> Router {
    let look = move || {
        let ready = Arc::clone(&ready);
        async move {
            let report = ready.look().await;
            let (status, word) = if report.is_ready() {
                (StatusCode::OK, "ready")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready")
            };
            (status, Json(json!({ "status": word, "checks": report })))
        }
    };
    Router::new().route("/readyz", get(look))
}

/// The listener for numbers.
pub fn metrics(metrics: Arc<Metrics>, journal: Arc<Journal>, sessions: Sessions) -> Router {
    let scrape = move || {
        let text = metrics.render(sessions(), journal.is_healthy());
        async move {
            match text {
                Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
                Err(error) => {
                    tracing::error!(%error, "the metrics can't be written down");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            }
        }
    };
    Router::new()
        .route("/metrics", get(scrape))
        .layer(middleware::from_fn(no_rebinding))
}

/// A web page that rebinds its own name to this machine sends that name as `Host`. An address, or
/// `localhost`, can't be rebound.
async fn no_rebinding(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let good = host.is_some_and(|host| {
        let name = host.host().trim_matches(['[', ']']);
        name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
    });
    if good {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "ask by address, not by name\n").into_response()
    }
}
