//! A reply that isn't 2xx, read for the most telling reason in it.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_client::{StreamableHttpError, StreamableHttpPostResponse};

use super::HttpError;
use crate::failure::{Failure, Refusal};

pub(super) fn refused(failure: Failure) -> StreamableHttpError<HttpError> {
    StreamableHttpError::Client(HttpError::Refused(failure))
}

pub(super) fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 408 | 413 | 429 | 503)
}

pub(super) fn from_status(code: i64, message: &str, headers: &HeaderMap) -> Failure {
    with_retry_after(Failure::from_rpc(code, message, None), headers)
}

pub(super) fn with_retry_after(failure: Failure, headers: &HeaderMap) -> Failure {
    let Failure::Refused(
        refusal @ Refusal {
            retry_after: None, ..
        },
    ) = failure
    else {
        return failure;
    };
    let wait = headers
        .get(RETRY_AFTER)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.trim().parse::<u64>().ok());
    Failure::Refused(Refusal {
        retry_after: wait.map(|s| Duration::from_secs(s.min(86_400))),
        ..refusal
    })
}

/// An older server answers `server/discover` with a 4xx that names no request. Handed on as that
/// request's own error, it makes rmcp go on with `initialize`. A refusal of the key is no such case.
pub(super) fn discover_fallback(
    message: Option<&ClientJsonRpcMessage>,
    status: StatusCode,
    error: Option<&ErrorData>,
) -> Option<StreamableHttpPostResponse> {
    let Some(JsonRpcMessage::Request(request)) = message else {
        return None;
    };
    let discover = matches!(request.request, ClientRequest::DiscoverRequest(_));
    if !discover || !status.is_client_error() || matches!(status.as_u16(), 401 | 403 | 429) {
        return None;
    }
    let error = error.cloned().unwrap_or_else(|| {
        ErrorData::invalid_request(
            format!("server/discover was answered with HTTP {status}"),
            None,
        )
    });
    Some(json_error(error, request.id.clone()))
}

pub(super) fn json_error(error: ErrorData, id: RequestId) -> StreamableHttpPostResponse {
    StreamableHttpPostResponse::Json(ServerJsonRpcMessage::error(error, Some(id)), None)
}
