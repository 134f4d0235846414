//! What every HTTP path has in common: is the request meant for us, who sends it, is it of a size
//! that can be read? Then it goes on to rmcp, with the answers attached; and what rmcp refuses by
//! itself is put into the shape and the record that every other refusal has.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use rmcp::{ErrorData, model::ErrorCode};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    credentials, headers,
    origin::Site,
    proxies::Proxies,
    sessions::{CALLER, OwnedSessions},
};
use crate::interceptor::{
    Arrival, Authenticator, Denial, DenialKind, DenialSlot, Journal, Peer, Principal, RateLimit,
    Ticket,
    audit::{EdgeRefusal, Outcome},
    call::cut,
};

/// How rmcp begins its refusal of a body that is no message. `/messages` says the same, so that
/// [`Edge::reshape`] words it alike for both.
pub(super) const UNREADABLE: &str = "fail to deserialize";

/// The request whose answer lasts until its caller goes.
const LISTEN: &str = "subscriptions/listen";

/// Of what rmcp says of a bad request, no more than this many characters are passed on.
const MOST_SAID: usize = 512;

/// What the edge decides with.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) journal: Arc<Journal>,
    pub(super) limits: RateLimit,
    pub(super) site: Site,
    pub(super) sessions: Arc<OwnedSessions>,
    pub(super) proxies: Proxies,
    pub(super) max_body: usize,
    pub(super) body_time_out: Duration,
    /// Fires when the server is told to stop.
    pub(super) closing: CancellationToken,
    /// Tears off what still runs, when nobody can answer any more.
    pub(super) _ended: DropGuard,
}

/// How far a request is known when it must be refused.
struct Known<'a> {
    parts: &'a Parts,
    address: Option<IpAddr>,
    principal: Option<&'a Principal>,
    ticket: Option<&'a Ticket>,
    body: &'a [u8],
    since: Instant,
}

/// The middleware.
pub(super) async fn pass(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let since = Instant::now();
    let (mut parts, body) = request.into_parts();
    let address = edge.proxies.caller(&parts);

    let principal = match edge.admit(&parts, address) {
        Ok(principal) => principal,
        Err(denial) => {
            return edge.refuse(
                &denial,
                &Known {
                    parts: &parts,
                    address,
                    principal: None,
                    ticket: None,
                    body: &[],
                    since,
                },
            );
        }
    };
    let body = match edge.read(&parts, body).await {
        Ok(body) => body,
        Err(denial) => {
            return edge.refuse(
                &denial,
                &Known {
                    parts: &parts,
                    address,
                    principal: Some(&principal),
                    ticket: None,
                    body: &[],
                    since,
                },
            );
        }
    };

    if let Some(name) = named_twice(&parts.headers) {
        let known = Known {
            parts: &parts,
            address,
            principal: Some(&principal),
            ticket: None,
            body: &body,
            since,
        };
        return match edge.limits.charge(&principal) {
            Ok(()) => edge.ambiguous(name, &known),
            Err(denial) => edge.refuse(&denial, &known),
        };
    }

    let slot = DenialSlot::default();
    let mut arrival = Arrival::new(transport(&parts), Some(principal.clone()));
    arrival.address = address;
    arrival.slot = Some(slot.clone());
    let ticket = edge.ticket(&parts, address, &principal, &body);
    arrival.ticket = Some(ticket.clone());
    // What a record needs. A copy of all the headers would be the dearest thing that happens here.
    let mut claimed = Request::new(()).into_parts().0;
    claimed.method = parts.method.clone();
    claimed.uri = parts.uri.clone();
    if let Some(session) = parts.headers.get(&headers::SESSION_ID) {
        claimed
            .headers
            .insert(&headers::SESSION_ID, session.clone());
    }
    // It has done its work: what a handler never sees, it can't log or pass on.
    credentials::forget(&mut parts.headers);
    parts.extensions.insert(arrival);
    let request = Request::from_parts(parts, Body::from(body.clone()));
    let mut response = CALLER.scope(principal.clone(), next.run(request)).await;

    let known = Known {
        parts: &claimed,
        address,
        principal: Some(&principal),
        ticket: Some(&ticket),
        body: &body,
        since,
    };
    if let Some(denial) = slot.get() {
        // A session of an older version answers 200 with the error in its stream; only a whole
        // answer's status is still open.
        // Who was refused the handshake has no session, whatever rmcp says.
        response.headers_mut().remove(&headers::SESSION_ID);
        if is_json(response.headers()) {
            *response.status_mut() = denial.status();
            denial.add_headers(response.headers_mut());
        }
    } else if let Some(denial) = response.extensions().get::<Denial>() {
        return edge.refuse(denial, &known);
    } else if !ticket.is_taken() && is_settled(&response, &claimed, &body) {
        // The pipeline never saw it, so it is charged here: nothing is free.
        if let Err(denial) = edge.limits.charge(&principal) {
            return edge.refuse(&denial, &known);
        }
        if response.status().as_u16() >= 400 {
            return edge.reshape(response, &known).await;
        }
        // A stream that was opened, a session that was closed, an answer to what the server asked:
        // none of them is a call, and each is in the record.
        edge.record(&known, Outcome::Success, "");
    }
    if is_stream(response.headers()) {
        // What lasts until its caller goes would hold up a server that is told to stop; what answers
        // a call is waited for. `/sse` knows by itself which it is.
        let lasts = transport(&claimed) == "http"
            && (claimed.method == Method::GET || method_of(&body).as_deref() == Some(LISTEN));
        end_with(&principal, lasts.then(|| edge.closing.clone()), response)
    } else {
        response
    }
}

impl Edge {
    fn admit(&self, parts: &Parts, address: Option<IpAddr>) -> Result<Principal, Denial> {
        self.proxies.check(&parts.extensions)?;
        self.site.check(&parts.uri, &parts.headers)?;
        let key = credentials::key(&parts.uri, &parts.headers)?;
        // A connection without an address can't be told from others, so it can't be limited.
        let address =
            address.ok_or_else(|| Denial::unauthorized("the caller's address isn't known"))?;
        self.authenticator.sign_in(key, Peer::Address(address))
    }

    /// Reads the whole body, within its size and time. Every message is small; what is endless or
    /// slow ends here, before anything is parsed.
    async fn read(&self, parts: &Parts, body: Body) -> Result<Bytes, Denial> {
        let too_large = || {
            Denial::new(
                DenialKind::TooLarge,
                format!("the request is larger than {} bytes", self.max_body),
            )
        };
        let length = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.max_body) {
            return Err(too_large());
        }
        match tokio::time::timeout(
            self.body_time_out,
            axum::body::to_bytes(body, self.max_body),
        )
        .await
        {
            Ok(Ok(body)) => Ok(body),
            // Either it was too long, or the connection broke and nobody reads the answer.
            Ok(Err(_)) => Err(too_large()),
            Err(_elapsed) => Err(Denial::new(
                DenialKind::TimedOut,
                "the request's body didn't arrive in time",
            )),
        }
    }

    /// The duty to record this request, for the pipeline to take over.
    fn ticket(
        &self,
        parts: &Parts,
        address: Option<IpAddr>,
        principal: &Principal,
        body: &Bytes,
    ) -> Ticket {
        // Nothing is worded here: nearly every ticket is taken, and then nobody asks.
        let (verb, uri, body) = (parts.method.clone(), parts.uri.clone(), body.clone());
        let method = move || method_of(&body).unwrap_or_else(|| asked(&verb, &uri));
        Ticket::new(
            Arc::clone(&self.journal),
            Some(principal),
            address,
            transport(parts),
            method,
        )
    }

    fn refuse(&self, denial: &Denial, known: &Known<'_>) -> Response {
        self.record(known, Outcome::of(denial.kind), &denial.reason);
        let mut response = answer(denial.status(), None, &denial.to_error());
        denial.add_headers(response.headers_mut());
        response
    }

    /// Two headers of a name that may be there once: a proxy could read the one, and we the other.
    fn ambiguous(&self, name: &HeaderName, known: &Known<'_>) -> Response {
        let said = format!("duplicate {name} header: send one");
        self.record(known, Outcome::Rejected, &said);
        let error = ErrorData::new(ErrorCode::HEADER_MISMATCH, said, None);
        answer(StatusCode::BAD_REQUEST, None, &error)
    }

    /// Gives a refusal of rmcp's own the shape of every other: a JSON-RPC error and a record.
    async fn reshape(&self, response: Response, known: &Known<'_>) -> Response {
        let (parts, body) = response.into_parts();
        // It can quote the request, so it is as long as a request may be, and a little more.
        let text = axum::body::to_bytes(body, self.max_body.saturating_add(64 << 10))
            .await
            .unwrap_or_else(|_| Bytes::from_static(b"the request can't be served"));
        let said = String::from_utf8_lossy(&text);
        let whole: Result<Value, _> = serde_json::from_slice(known.body);
        let id = whole
            .as_ref()
            .ok()
            .and_then(|message| message.get("id"))
            .filter(|id| id.is_string() || id.is_i64());
        let label = known.principal.map(Principal::label);

        let (status, error) = if parts.status == StatusCode::INTERNAL_SERVER_ERROR
            && self.names_no_session(&known.parts.headers, label)
        {
            // It belongs to someone else, or ended while the request was on its way. Asked first:
            // whoever names a session isn't opening one, however many are open.
            let error = ErrorData::invalid_request("Session not found", None);
            (StatusCode::NOT_FOUND, error)
        } else if label.is_some_and(|label| {
            parts.status == StatusCode::INTERNAL_SERVER_ERROR && !self.sessions.has_room_for(label)
        }) {
            let denial = Denial::throttled(
                "too many sessions are open: close one, or wait until idle ones end",
                Duration::from_secs(30),
            );
            return self.refuse(&denial, known);
        } else if is_json(&parts.headers) || known.parts.method != Method::POST {
            let error: Option<Value> = serde_json::from_slice(&text).ok();
            let reason = error
                .as_ref()
                .and_then(|it| it["error"]["message"].as_str());
            self.record(known, Outcome::Rejected, reason.unwrap_or(&said));
            return Response::from_parts(parts, Body::from(text));
        } else if said.starts_with(UNREADABLE) {
            match &whole {
                Err(error) => (
                    StatusCode::BAD_REQUEST,
                    ErrorData::parse_error(format!("the body is no JSON: {error}"), None),
                ),
                Ok(Value::Array(_)) => (
                    StatusCode::BAD_REQUEST,
                    ErrorData::invalid_request(
                        "batches aren't served: send one message at a time",
                        None,
                    ),
                ),
                Ok(_) => (
                    StatusCode::BAD_REQUEST,
                    ErrorData::invalid_request("the body is no JSON-RPC 2.0 message", None),
                ),
            }
        } else {
            (
                parts.status,
                // It can quote the request; an error mustn't give back all of it.
                ErrorData::invalid_request(cut(&said, MOST_SAID).to_owned(), None),
            )
        };
        self.record(known, Outcome::Rejected, &error.message);
        let mut shaped = answer(status, id, &error);
        if let Some(allow) = parts.headers.get(header::ALLOW) {
            shaped.headers_mut().insert(header::ALLOW, allow.clone());
        }
        shaped
    }

    /// Whether a request names a session that isn't there for its caller.
    fn names_no_session(&self, headers: &HeaderMap, label: Option<&Arc<str>>) -> bool {
        let Some(id) = headers.get(&headers::SESSION_ID) else {
            return false;
        };
        let is_theirs = |id| label.is_some_and(|label| self.sessions.belongs_to(id, label));
        id.to_str().is_ok_and(|id| !is_theirs(id))
    }

    fn record(&self, known: &Known<'_>, outcome: Outcome, reason: &str) {
        if known.ticket.is_some_and(|ticket| !ticket.take()) {
            return; // the pipeline has recorded it
        }
        let peer;
        let identity = match known.principal {
            Some(principal) => principal.label(),
            None => {
                peer = EdgeRefusal::peer(known.address);
                &*peer
            }
        };
        let method =
            method_of(known.body).unwrap_or_else(|| asked(&known.parts.method, &known.parts.uri));
        let reason: String = reason.chars().take(256).collect();
        self.journal.refused_at_the_edge(&EdgeRefusal {
            identity,
            transport: transport(known.parts),
            method: &method,
            reason: &reason,
            outcome,
            took: known.since.elapsed(),
        });
    }
}

/// A header that there are two of and that rmcp reads the first of; it looks after the others.
fn named_twice(headers: &HeaderMap) -> Option<&'static HeaderName> {
    [&headers::PROTOCOL_VERSION, &headers::SESSION_ID]
        .into_iter()
        .find(|name| headers::is_doubled(headers, name))
}

/// What is asked, where no message says it. The path alone: a query may hold what must not be
/// written.
fn asked(verb: &Method, uri: &Uri) -> String {
    let path: String = uri.path().chars().take(64).collect();
    format!("{verb} {path}")
}

/// The method that a message names, however broken the rest of it is.
fn method_of(body: &[u8]) -> Option<String> {
    let message: Value = serde_json::from_slice(body).ok()?;
    let method = message.get("method")?.as_str()?;
    Some(method.chars().take(64).collect())
}

/// Whether the pipeline can't see the request any more: it was refused, it holds no message, or an
/// answer, which has no method. Any other may still be on its way through a session.
fn is_settled(response: &Response, parts: &Parts, body: &[u8]) -> bool {
    let status = response.status();
    status.as_u16() >= 400
        || parts.method != Method::POST
        || status == StatusCode::ACCEPTED && method_of(body).is_none()
}

/// Which transport a path belongs to, for the record.
fn transport(parts: &Parts) -> &'static str {
    match parts.uri.path() {
        "/sse" | "/messages" => "sse",
        _ => "http",
    }
}

fn answer(status: StatusCode, id: Option<&Value>, error: &ErrorData) -> Response {
    // Written out, because a reader looks for `jsonrpc` first, and null is a good id here.
    let id = id.unwrap_or(&Value::Null);
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{}}}"#, json!(error));
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

/// Ends a stream when its caller's key is revoked or runs out, or when the server stops.
fn end_with(
    principal: &Principal,
    closing: Option<CancellationToken>,
    response: Response,
) -> Response {
    let principal = principal.clone();
    let ended = Box::pin(async move {
        let closed = async {
            match closing {
                Some(closing) => closing.cancelled_owned().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = principal.over_and_told() => {}
            () = closed => {}
        }
    });
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(ended)))
}
