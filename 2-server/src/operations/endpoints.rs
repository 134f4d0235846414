//! For whoever runs the server: is it alive, is it ready, how is it doing. `/healthz` and `/readyz`
//! stand beside `/mcp`; `/metrics` has a listener of its own, so that nobody who may call tools can
//! read it by that.

use std::sync::Arc;

use axum::{Json, Router, middleware, response::IntoResponse as _, routing::get};
use http::{StatusCode, header};
use serde_json::json;

use super::{metrics::Metrics, readiness::Readiness};
use crate::{
    interceptor::Journal,
    transport::{
        http::Sessions,
        origin::{self, Site},
    },
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the server can do its work: 200 or 503, and what doesn't hold.
pub fn readiness(ready: Arc<Readiness>, allowed_hosts: &[String]) -> Router {
    let site = Arc::new(Site::new(allowed_hosts, &[]));
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
    Router::new()
        .route("/readyz", get(look))
        .layer(middleware::from_fn_with_state(
            site,
            origin::reject_browsers,
        ))
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
    let nobody = Arc::new(Site::default());
    Router::new()
        .route("/metrics", get(scrape))
        .layer(middleware::from_fn_with_state(
            nobody,
            origin::reject_browsers,
        ))
}
