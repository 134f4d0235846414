//! What every HTTP path has in common: is the request meant for us, who sends it, may it be read?
//! Then it goes on to its path, and its answer comes back through here. What the protocol library
//! refuses by itself gets the shape and the record that every other refusal has.

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use rmcp::{
    ErrorData, ServerHandler,
    model::{ErrorCode, RequestId},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    body::Incoming,
    credentials,
    headers::{self, SESSION_ID},
    held::Held,
    mcp::sessions::Sessions,
    origin::{self, Site},
    proxies::Proxies,
    room::Room,
};
use crate::interceptor::{
    Charge, Denial, Exchange, Guard, Outcome, Peer, Principal, method_of, text::cut,
};

/// How rmcp begins its refusal of a body that is no message. `/messages` says the same, so that
/// [`Edge::reshape`] words it alike for both.
pub(super) const UNREADABLE: &str = "fail to deserialize";

/// The request whose answer lasts until its caller goes.
const LISTEN: &str = "subscriptions/listen";

/// A message that is larger is kept no longer than it must be.
const LARGE: usize = 64 << 10;

/// Of what rmcp says of a bad request, no more than this many characters are passed on.
const MOST_SAID: usize = 512;

/// What the edge decides with.
#[derive(Debug)]
pub(super) struct Edge<H: ServerHandler> {
    pub(super) guard: Guard<H>,
    pub(super) site: Site,
    pub(super) proxies: Proxies,
    pub(super) sessions: Arc<Sessions>,
    pub(super) max_body: usize,
    pub(super) room: Arc<Room>,
    /// Fires when the server is asked to stop.
    pub(super) closing: CancellationToken,
    /// Tears off what still runs, when nobody can answer any more.
    pub(super) _ended: DropGuard,
}

/// What the edge keeps of a request whose answer it waits for.
struct Asked {
    verb: Method,
    transport: &'static str,
    session: Option<HeaderValue>,
}

/// The way of every HTTP request, and of its answer.
pub(super) async fn handle<H: ServerHandler>(
    State(edge): State<Arc<Edge<H>>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let peer = edge.proxies.caller(&parts);
    let exchange = edge.guard.begin(transport(&parts), peer);
    exchange.asks_http(&parts);
    let mut body = Incoming::new(&parts.headers, body);
    let answered = match edge.admit(&exchange, &parts).await {
        Ok(principal) => {
            edge.answer(&exchange, &principal, parts, &mut body, next)
                .await
        }
        Err(denial) => Err(denial),
    };
    match answered {
        Ok(response) => response,
        Err(denial) => {
            let mut response = edge.refuse(&exchange, denial);
            if !body.drain().await {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        }
    }
}

impl<H: ServerHandler> Edge<H> {
    /// Everything that is decided before the body is read.
    async fn admit(&self, exchange: &Exchange, parts: &Parts) -> Result<Principal, Denial> {
        self.proxies.check(&parts.extensions)?;
        self.site.check(&parts.uri, &parts.headers)?;
        origin::check_page(&parts.method, &parts.headers)?;
        let credential = credentials::find(&parts.uri, &parts.headers)?;
        // A connection without an address can't be told from others, so it can't be limited.
        if exchange.peer() == Peer::Unknown {
            return Err(Denial::unauthorized("the caller's address isn't known"));
        }
        // A stream lasts, and a place among the calls at once is not for that.
        let charge = if parts.method == Method::POST {
            Charge::Call
        } else {
            Charge::Request
        };
        self.guard.admit(exchange, &credential, charge).await
    }

    async fn answer(
        &self,
        exchange: &Exchange,
        principal: &Principal,
        mut parts: Parts,
        body: &mut Incoming,
        next: Next,
    ) -> Result<Response, Denial> {
        let mut taken = self.room.enter(principal.label());
        let body = body.read(self.max_body, &mut taken).await?;
        exchange.holds(taken);
        exchange.has_body(head_of(&body).unwrap_or_else(|| body.clone()));
        if let Some(name) = named_twice(&parts.headers) {
            return Ok(ambiguous(exchange, name));
        }
        let asked = Asked {
            verb: parts.method.clone(),
            transport: exchange.transport(),
            session: parts.headers.get(&SESSION_ID).cloned(),
        };
        let place = self.sessions.admit(&mut parts, &body, principal.label())?;
        // It has done its work: what a handler never sees, it can't log or pass on.
        credentials::forget(&mut parts.headers);
        parts.extensions.insert(exchange.clone());
        let request = Request::from_parts(parts, Body::from(body));
        let response = next.run(request).await;
        if let Some(place) = place {
            let session = response.headers().get(&SESSION_ID).cloned();
            self.sessions.opened(place, session).await;
        }
        Ok(self.finish(exchange, principal, response, &asked).await)
    }

    /// Gives an answer its status, closes what the pipeline never saw, and holds the exchange until
    /// the last of the answer is out.
    async fn finish(
        &self,
        exchange: &Exchange,
        principal: &Principal,
        mut response: Response,
        asked: &Asked,
    ) -> Response {
        if let Some(denial) = exchange.denial() {
            self.render(&denial, &mut response);
        } else if !exchange.is_claimed() && is_settled(&response, exchange, asked) {
            if response.status().as_u16() >= 400 {
                response = self.reshape(exchange, principal, response, asked).await;
            } else {
                // A stream that was opened, a session that was closed, an answer to what the server
                // asked: none of them is a call, and each is in the record.
                exchange.close(Outcome::Success);
            }
        }
        self.hold(exchange, principal, response, asked)
    }

    /// Puts the status and the headers of a refusal to the error that the pipeline wrote.
    fn render(&self, denial: &Denial, response: &mut Response) {
        // Who was refused the handshake has no session, whatever rmcp says.
        response.headers_mut().remove(&SESSION_ID);
        // A session of an older version answers 200 with the error in its stream; only a whole
        // answer's status is still open.
        if is_json(response.headers()) {
            *response.status_mut() = denial.status();
            let authenticator = self.guard.authenticator();
            authenticator.add_headers(denial, response.headers_mut());
        }
    }

    /// Ends an exchange that never reached the pipeline.
    fn refuse(&self, exchange: &Exchange, denial: Denial) -> Response {
        let mut response = answer(denial.status(), None, &denial.to_error());
        let authenticator = self.guard.authenticator();
        authenticator.add_headers(&denial, response.headers_mut());
        exchange.deny(denial);
        response
    }

    /// Holds the exchange until the last of its answer is out, and ends a stream when its caller's
    /// rights do, or when the server stops.
    fn hold(
        &self,
        exchange: &Exchange,
        principal: &Principal,
        response: Response,
        asked: &Asked,
    ) -> Response {
        let held = exchange.clone();
        if !is_stream(response.headers()) {
            return response.map(|body| Held::wrap(body, held));
        }
        // What lasts until its caller goes would hold up a server that is asked to stop; what
        // answers a call is waited for. `/sse` knows by itself which it is.
        let lasts =
            asked.transport == "http" && (asked.verb == Method::GET || exchange.is_call_of(LISTEN));
        let closing = lasts.then(|| self.closing.clone());
        let principal = principal.clone();
        let ended = Box::pin(async move {
            let _held = held;
            let closed = async {
                match closing {
                    Some(closing) => closing.cancelled_owned().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = principal.ended_after_grace() => {}
                () = closed => {}
            }
        });
        response.map(|body| {
            let stream = Body::from_stream(body.into_data_stream().take_until(ended));
            Held::wrap(stream, ())
        })
    }

    /// Gives a refusal of rmcp's own the shape of every other: a JSON-RPC error and a record.
    async fn reshape(
        &self,
        exchange: &Exchange,
        principal: &Principal,
        response: Response,
        asked: &Asked,
    ) -> Response {
        let (parts, body) = response.into_parts();
        // It can quote the request, so it is as long as a request may be, and a little more.
        let text = axum::body::to_bytes(body, self.max_body.saturating_add(64 << 10))
            .await
            .unwrap_or_else(|_| Bytes::from_static(b"the request can't be served"));
        let said = String::from_utf8_lossy(&text);
        let whole: Result<Value, _> = serde_json::from_slice(&exchange.unclaimed_body());
        let (status, error) = if parts.status == StatusCode::INTERNAL_SERVER_ERROR
            && self.names_no_session(asked, principal)
        {
            // It ended while the request was on its way.
            let error = ErrorData::invalid_request("Session not found", None);
            (StatusCode::NOT_FOUND, error)
        } else if is_json(&parts.headers) || asked.verb != Method::POST {
            let error: Option<Value> = serde_json::from_slice(&text).ok();
            let reason = error
                .as_ref()
                .and_then(|it| it["error"]["message"].as_str());
            reject(exchange, reason.unwrap_or(&said));
            return Response::from_parts(parts, Body::from(text));
        } else if said.starts_with(UNREADABLE) {
            (StatusCode::BAD_REQUEST, unreadable(&whole))
        } else {
            // It can quote the request; an error mustn't give back all of it.
            let said = cut(&said, MOST_SAID).to_owned();
            (parts.status, ErrorData::invalid_request(said, None))
        };
        reject(exchange, &error.message);
        let id = whole.as_ref().ok().and_then(|message| message.get("id"));
        let id = id.filter(|id| id.is_string() || id.is_i64());
        let mut shaped = answer(status, id, &error);
        if let Some(allow) = parts.headers.get(header::ALLOW) {
            shaped.headers_mut().insert(header::ALLOW, allow.clone());
        }
        shaped
    }

    /// Whether a request names a session that isn't there for its caller.
    fn names_no_session(&self, asked: &Asked, principal: &Principal) -> bool {
        let id = asked.session.as_ref().and_then(|id| id.to_str().ok());
        id.is_some_and(|id| !self.sessions.belongs_to(id, principal.label()))
    }
}

fn unreadable(message: &Result<Value, serde_json::Error>) -> ErrorData {
    match message {
        Err(error) => ErrorData::parse_error(format!("the body is no JSON: {error}"), None),
        Ok(Value::Array(_)) => {
            ErrorData::invalid_request("batches aren't served: send one message at a time", None)
        }
        Ok(_) => ErrorData::invalid_request("the body is no JSON-RPC 2.0 message", None),
    }
}

/// Two headers of a name that may be there once: a proxy could read the one, and we the other.
fn ambiguous(exchange: &Exchange, name: &HeaderName) -> Response {
    let said = format!("duplicate {name} header: send one");
    reject(exchange, &said);
    let error = ErrorData::new(ErrorCode::HEADER_MISMATCH, said, None);
    answer(StatusCode::BAD_REQUEST, None, &error)
}

fn reject(exchange: &Exchange, reason: &str) {
    exchange.answered(Outcome::Rejected, reason);
    exchange.close(Outcome::Rejected);
}

/// Of a large message, what a record and a refusal need: keeping all of it while rmcp makes copies
/// of its own would cost its caller's size once more. `None` for what is small, or no request.
fn head_of(body: &[u8]) -> Option<Bytes> {
    #[derive(Serialize, Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
        id: Option<RequestId>,
    }
    if body.len() <= LARGE {
        return None;
    }
    let head: Head<'_> = serde_json::from_slice(body).ok()?;
    serde_json::to_vec(&head).ok().map(Bytes::from)
}

fn named_twice(headers: &HeaderMap) -> Option<&'static HeaderName> {
    [&headers::PROTOCOL_VERSION, &SESSION_ID]
        .into_iter()
        .find(|name| headers::is_repeated(headers, name))
}

/// Whether the pipeline can't see the request any more: it was refused, it holds no message, or an
/// answer, which has no method. Any other may still be on its way through a session.
fn is_settled(response: &Response, exchange: &Exchange, asked: &Asked) -> bool {
    let status = response.status();
    status.as_u16() >= 400
        || asked.verb != Method::POST
        || status == StatusCode::ACCEPTED && method_of(&exchange.unclaimed_body()).is_none()
}

/// Which transport a path belongs to, for the record.
fn transport(parts: &Parts) -> &'static str {
    match parts.uri.path() {
        "/sse" | "/messages" => "sse",
        _ => "http",
    }
}

/// A JSON-RPC error as a whole answer.
pub(super) fn answer(status: StatusCode, id: Option<&Value>, error: &ErrorData) -> Response {
    // Written out, because a reader looks for `jsonrpc` first. Without an id it is left out, as the
    // specification has it (2026-07-28, basic, "Error Responses").
    let id = id.map_or_else(String::new, |id| format!(r#","id":{id}"#));
    let body = format!(r#"{{"jsonrpc":"2.0"{id},"error":{}}}"#, json!(error));
    json_response(status, body)
}

/// A whole answer.
pub(super) fn json_response(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    has_type(headers, "application/json")
}

fn is_stream(headers: &HeaderMap) -> bool {
    has_type(headers, "text/event-stream")
}

fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with(wanted))
}
