//! The HTTP side of Streamable HTTP, for rmcp's transport.
//!
//! rmcp ships a client of its own. This one exists for two reasons: a refusal (401, 403, 429) keeps its
//! JSON-RPC body, so that a person reads *why*; and every message is filed in the [`WireLog`] with its
//! status and headers. What rmcp's client promises is kept: bounded bodies and events, and no
//! redirects, so that a credential can't be led to another origin.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rmcp::model::{
    ClientJsonRpcMessage, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};

use crate::failure::Failure;
use crate::secret::Secret;
use crate::untrusted::label;
use crate::wire::{Direction, HttpPart, WireLog, safe_headers};

mod address;
mod bounds;
mod refusal;

pub(crate) use address::crosses_in_the_clear;
pub use address::{BuildError, check_url, client_for};
pub(crate) use bounds::{Cut, too_large};
use bounds::{bounded, bounded_answer};
use refusal::{discover_fallback, from_status, is_refusal, refused, with_retry_after};

/// One JSON reply, or one event of a stream. A model's answer is far below this.
pub const MAX_MESSAGE: usize = 8 * 1024 * 1024;
/// A refusal's body.
const MAX_REFUSAL: usize = 64 * 1024;
const EVENT_STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";
const SESSION_ID: &str = "mcp-session-id";
const LAST_EVENT_ID: &str = "last-event-id";

/// What this HTTP client adds to rmcp's errors.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The request didn't work: connect, TLS, or a broken body.
    #[error("{}", reason(.0))]
    Request(reqwest::Error),
    /// The server said no, and this is what it said.
    #[error("{0}")]
    Refused(Failure),
}

/// reqwest's own text names the URL, which may hold a secret, and hides the cause.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.is_timeout() {
        return "it didn't answer in time".into();
    }
    label(&cause.to_string(), 200)
}

/// What is wrong with a server's certificate, when that is why there is no connection. Nothing is away
/// then: somebody answered.
pub(crate) fn certificate_fault(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(now) = cause {
        if let Some(fault) = now.downcast_ref::<rustls::Error>() {
            return Some(label(&fault.to_string(), 200));
        }
        // An error of input or output hides what is in it from `source`.
        let inner = now.downcast_ref::<std::io::Error>();
        cause = match inner.and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => now.source(),
        };
    }
    None
}

/// Where an MCP server may be, when none answers at an address.
fn perhaps(address: &url::Url) -> Option<String> {
    let path = address.path().trim_end_matches('/');
    if path.ends_with("/mcp") || path.ends_with("/sse") {
        return None;
    }
    let mut there = address.clone();
    there.set_path(&format!("{path}/mcp"));
    there.set_query(None);
    Some(label(there.as_str(), 200))
}

/// Streamable HTTP over reqwest, with the wire log and refusals kept whole.
#[derive(Clone)]
pub struct HttpClient {
    inner: reqwest::Client,
    authorization: Option<HeaderValue>,
    server: Arc<str>,
    wire: WireLog,
    cut: Cut,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient")
            .field("server", &self.server)
            .field("key", &self.authorization.is_some())
            .finish_non_exhaustive()
    }
}

type HttpResult<T> = Result<T, StreamableHttpError<HttpError>>;

impl HttpClient {
    /// A client for one server. The key goes only into the Authorization header of its own requests.
    ///
    /// # Errors
    /// [`BuildError`] when the address, the key or TLS can't be used.
    pub fn new(
        server: Arc<str>,
        address: &str,
        key: Option<&Secret>,
        wire: WireLog,
    ) -> Result<Self, BuildError> {
        let url = check_url(address)?;
        let authorization = match key {
            None => None,
            Some(key) => {
                wire.hide(key);
                let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
                    .map_err(|_| BuildError::Key)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self {
            inner: client_for(&url)?,
            authorization,
            server,
            wire,
            cut: Cut::default(),
        })
    }

    /// Keeps there why an answer was cut.
    pub(crate) fn noting(self, cut: Cut) -> Self {
        Self { cut, ..self }
    }

    /// Sends one request and reports its headers for the log.
    async fn send(
        &self,
        method: reqwest::Method,
        uri: &str,
        session: Option<&str>,
        custom: HashMap<HeaderName, HeaderValue>,
        body: Option<&str>,
    ) -> HttpResult<reqwest::Response> {
        let mut headers: HeaderMap = custom.into_iter().collect();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        if let Some(key) = &self.authorization {
            headers.insert(AUTHORIZATION, key.clone());
        }
        if let Some(value) = session.and_then(|s| HeaderValue::from_str(s).ok()) {
            headers.insert(SESSION_ID, value);
        }
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
            self.wire.record(
                &self.server,
                Direction::Out,
                body,
                Some(HttpPart {
                    status: None,
                    headers: safe_headers(&headers),
                }),
            );
        }
        let mut request = self.inner.request(method, uri).headers(headers);
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        request
            .send()
            .await
            .map_err(|e| StreamableHttpError::Client(HttpError::Request(e)))
    }

    fn seen(&self, response: &reqwest::Response, body: &str) {
        let http = HttpPart {
            status: Some(response.status().as_u16()),
            headers: safe_headers(response.headers()),
        };
        self.wire
            .record(&self.server, Direction::In, body, Some(http));
    }

    fn seen_parts(&self, status: StatusCode, headers: &HeaderMap, body: &str) {
        let http = HttpPart {
            status: Some(status.as_u16()),
            headers: safe_headers(headers),
        };
        self.wire
            .record(&self.server, Direction::In, body, Some(http));
    }

    /// Turns a reply that isn't 2xx into the most telling error there is.
    async fn refusal(
        &self,
        response: reqwest::Response,
        message: Option<&ClientJsonRpcMessage>,
    ) -> HttpResult<StreamableHttpPostResponse> {
        let (status, headers) = (response.status(), response.headers().clone());
        let address = response.url().clone();
        // A body that is too large or breaks off still leaves the status to report.
        let body = bounded(response, MAX_REFUSAL).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        self.seen_parts(status, &headers, &text);
        if status.is_redirection() {
            let to = headers
                .get(http::header::LOCATION)
                .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
                .unwrap_or_default();
            let what = format!(
                "it redirects to {}; redirects aren't followed, so that a key never reaches another host. Set that address yourself if you trust it",
                label(&to, 200)
            );
            return Err(refused(Failure::Protocol(what)));
        }
        let rpc = serde_json::from_slice::<ServerJsonRpcMessage>(&body)
            .ok()
            .and_then(|m| match m {
                JsonRpcMessage::Error(e) => Some(e.error),
                _ => None,
            });
        if let Some(reply) = discover_fallback(message, status, rpc.as_ref()) {
            return Ok(reply);
        }
        let code = i64::from(status.as_u16());
        let failure = match rpc {
            Some(ErrorData {
                code: rpc_code,
                message,
                data,
            }) => {
                let failure = Failure::from_rpc(i64::from(rpc_code.0), &message, data.as_ref());
                // A server with codes of its own still means what its status says.
                match failure {
                    Failure::Rpc { .. } if is_refusal(status) => {
                        from_status(code, &message, &headers)
                    }
                    other => with_retry_after(other, &headers),
                }
            }
            None if is_refusal(status) => from_status(
                code,
                status.canonical_reason().unwrap_or_default(),
                &headers,
            ),
            None if matches!(status.as_u16(), 404 | 405) => Failure::NoServer {
                perhaps: perhaps(&address),
                address: label(address.as_str(), 200),
                status: format!("HTTP {status}"),
            },
            None => Failure::Protocol(format!("HTTP {status}: {}", label(&text, 200))),
        };
        Err(refused(failure))
    }

    /// An event stream whose events are bounded and filed.
    fn events(
        &self,
        response: reqwest::Response,
        request: Option<RequestId>,
    ) -> BoxStream<'static, Result<Sse, SseError>> {
        let mut first = Some(HttpPart {
            status: Some(response.status().as_u16()),
            headers: safe_headers(response.headers()),
        });
        let (wire, server) = (self.wire.clone(), self.server.clone());
        let bytes = bounded_answer(response.bytes_stream(), self.cut.clone(), request);
        SseStream::from_bytes_stream(bytes)
            .inspect_ok(move |event| {
                if let Some(data) = event.data.as_deref().filter(|d| !d.trim().is_empty()) {
                    wire.record(&server, Direction::In, data, first.take());
                }
            })
            .boxed()
    }
}

fn content_type(response: &reqwest::Response) -> &str {
    response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
}

impl StreamableHttpClient for HttpClient {
    type Error = HttpError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> HttpResult<StreamableHttpPostResponse> {
        let body = serde_json::to_string(&message)?;
        let response = self
            .send(
                reqwest::Method::POST,
                &uri,
                session_id.as_deref(),
                custom_headers,
                Some(&body),
            )
            .await?;
        let status = response.status();
        if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            self.seen(&response, "");
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if status == StatusCode::NOT_FOUND && session_id.is_some() {
            self.seen(&response, "");
            return Err(StreamableHttpError::SessionExpired);
        }
        if !status.is_success() {
            return self.refusal(response, Some(&message)).await;
        }
        let new_session = response
            .headers()
            .get(SESSION_ID)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let kind = content_type(&response).to_owned();
        if kind.starts_with(EVENT_STREAM) {
            let request = match &message {
                JsonRpcMessage::Request(request) => Some(request.id.clone()),
                _ => None,
            };
            return Ok(StreamableHttpPostResponse::Sse(
                self.events(response, request),
                new_session,
            ));
        }
        let awaits_reply = matches!(message, JsonRpcMessage::Request(_));
        if !kind.starts_with(JSON) {
            // Some servers answer a notification with an empty 200 of no type.
            self.seen(&response, "");
            return if awaits_reply {
                Err(StreamableHttpError::UnexpectedContentType(Some(label(
                    &kind, 80,
                ))))
            } else {
                Ok(StreamableHttpPostResponse::Accepted)
            };
        }
        let headers = response.headers().clone();
        let bytes = bounded(response, MAX_MESSAGE).await?;
        self.seen_parts(status, &headers, &String::from_utf8_lossy(&bytes));
        match serde_json::from_slice(&bytes) {
            Ok(parsed) => Ok(StreamableHttpPostResponse::Json(parsed, new_session)),
            Err(_) if !awaits_reply => Ok(StreamableHttpPostResponse::Accepted),
            Err(e) => Err(e.into()),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> HttpResult<()> {
        self.send(
            reqwest::Method::DELETE,
            &uri,
            Some(&session_id),
            custom_headers,
            None,
        )
        .await
        .map(drop)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _auth_header: Option<String>,
        mut custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> HttpResult<BoxStream<'static, Result<Sse, SseError>>> {
        if let Some(value) = last_event_id.and_then(|id| HeaderValue::from_str(&id).ok()) {
            custom_headers.insert(HeaderName::from_static(LAST_EVENT_ID), value);
        }
        let response = self
            .send(
                reqwest::Method::GET,
                &uri,
                session_id.as_deref(),
                custom_headers,
                None,
            )
            .await?;
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        if !response.status().is_success() {
            return match self.refusal(response, None).await {
                Err(error) => Err(error),
                Ok(_) => Err(StreamableHttpError::ServerDoesNotSupportSse),
            };
        }
        if !content_type(&response).starts_with(EVENT_STREAM) {
            return Err(StreamableHttpError::UnexpectedContentType(Some(label(
                content_type(&response),
                80,
            ))));
        }
        Ok(self.events(response, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_client_does_not_show_its_key() {
        let key = Secret::new("s3cret").unwrap();
        let client = HttpClient::new(
            "x".into(),
            "http://127.0.0.1:1/mcp",
            Some(&key),
            WireLog::default(),
        )
        .unwrap();
        assert!(!format!("{client:?}").contains("s3cret"));
    }
}
