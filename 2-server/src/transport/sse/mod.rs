//! `/sse` and `/messages`: HTTP+SSE, the transport of 2024-11-05 (transports, "HTTP with SSE"), for
//! hosts that speak nothing newer. rmcp has dropped it, so this file speaks it:
//!
//! ```text
//! GET  /sse                     ─▶ event: endpoint   data: /messages?sessionId=…
//! POST /messages?sessionId=…    ─▶ 202, and the answer comes as   event: message   data: {…}
//! ```
//!
//! The edge signs in the GET and every POST. A stream is there only for the identity that opened
//! it; for anyone else, and once it has ended, its address is unknown (404).

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{Request, State},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, StatusCode, Uri, header};
use rmcp::{
    RoleServer, ServerHandler, ServiceExt as _,
    model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage},
    transport::Transport,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::table::{Place, Stream, Table, Traffic};
use super::edge;
use crate::{
    config,
    interceptor::{Arrival, Denial, Guard, Principal},
};

mod table;

/// Messages that wait for a reader, and for the server. Beyond it, who sends must wait.
const QUEUE: usize = 16;
/// Answers that may wait for a place in the queue before further messages are refused.
const MOST_WAITING: usize = 64;
/// How long the queue may stay full. A reader that is slower has its stream ended, or what is
/// meant for it would pile up here.
const STALL: Duration = Duration::from_secs(20);
/// How often a comment is sent when there is nothing else, so that nobody on the way hangs up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What both paths need.
struct Served<H: ServerHandler> {
    guard: Guard<H>,
    table: Arc<Table>,
    idle: Duration,
    max_body: usize,
    shutdown: CancellationToken,
}

/// Both paths, and the table of open streams. They belong behind the edge, which signs callers in.
pub(super) fn routes<H: ServerHandler>(
    guard: &Guard<H>,
    settings: &config::Server,
    shutdown: CancellationToken,
) -> (Router, Arc<Table>) {
    let table = Arc::new(Table::new(
        settings.max_sse_streams,
        settings.max_sse_streams_per_identity,
    ));
    let served = Served {
        guard: guard.clone(),
        table: Arc::clone(&table),
        idle: Duration::from_millis(settings.session_idle_ms),
        max_body: settings.max_body_bytes,
        shutdown,
    };
    let only = |allow, text| move || async move { wrong_method(allow, text) };
    let paths = Router::new()
        .route(
            "/sse",
            get(open::<H>).fallback(only(
                "GET, HEAD",
                "GET /sse opens a stream, and messages go to the address in its first event; clients of 2025-03-26 and later use POST /mcp",
            )),
        )
        .route(
            "/messages",
            post(accept::<H>).fallback(only("POST", "messages are sent with POST")),
        )
        .with_state(Arc::new(served));
    (paths, table)
}

/// `GET /sse`
async fn open<H: ServerHandler>(
    State(served): State<Arc<Served<H>>>,
    Extension(arrival): Extension<Arrival>,
) -> Response {
    let Some(principal) = arrival.principal else {
        return refused(Denial::unauthorized("nobody signed in for this stream"));
    };
    let (inbox, incoming) = mpsc::channel(QUEUE);
    let (outbox, mut outgoing) = mpsc::channel(QUEUE);
    let (stream, place) = match served.table.enter(principal.label(), inbox) {
        Ok(entered) => entered,
        Err(denial) => return refused(denial),
    };
    let address = format!("/messages?sessionId={}", place.id());
    // The body holds both: when the connection goes, the conversation ends.
    let held = (Arc::clone(&place), stream.ended.clone().drop_guard());
    let line = Line {
        incoming,
        outbox,
        stream: Arc::clone(&stream),
    };
    tokio::spawn(converse(served, line, stream, principal, place));

    let endpoint = Event::default().event("endpoint").data(address);
    let messages = stream::poll_fn(move |cx| {
        let _held = &held;
        outgoing.poll_recv(cx)
    })
    .map(|message| Event::default().event("message").json_data(message));
    let events = stream::once(async { Ok(endpoint) }).chain(messages);
    // Without the header a proxy may collect the stream and pass it on in one piece.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    let body = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    (unbuffered, body).into_response()
}

/// Serves one stream until its reader is gone or too slow, its caller's key is revoked, nothing
/// has happened for too long, or the server stops.
async fn converse<H: ServerHandler>(
    served: Arc<Served<H>>,
    line: Line,
    stream: Arc<Stream>,
    principal: Principal,
    _place: Arc<Place>,
) {
    let over = stream.ended.clone();
    let conversation = async {
        match served.guard.clone().serve_with_ct(line, over).await {
            // Why it ended is no news: the reader went, or one of the reasons below.
            Ok(running) => drop(running.waiting().await),
            Err(error) => tracing::debug!(%error, "no conversation began on an SSE stream"),
        }
    };
    let mut conversation = std::pin::pin!(conversation);
    tokio::select! {
        () = &mut conversation => return,
        () = until_idle(stream.traffic.subscribe(), served.idle, &served.shutdown) => {}
        () = principal.over() => {
            // Nothing more comes in. The edge keeps the stream open for a moment, and its last words
            // are the refusals of what ran.
            stream.closing.cancel();
            tokio::select! {
                () = &mut conversation => return,
                () = principal.over_and_told() => {}
            }
        }
    }
    stream.ended.cancel();
    conversation.await;
}

/// Waits until nothing has gone either way for `limit`, or the server stops; but not while a
/// request waits for its answer.
async fn until_idle(
    mut traffic: watch::Receiver<Traffic>,
    limit: Duration,
    shutdown: &CancellationToken,
) {
    loop {
        let busy = !traffic.borrow_and_update().unanswered.is_empty();
        tokio::select! {
            changed = traffic.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(limit), if !busy => return,
            () = shutdown.cancelled(), if !busy => return,
        }
    }
}

/// `POST /messages`
async fn accept<H: ServerHandler>(
    State(served): State<Arc<Served<H>>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let unknown = || {
        let text = "there is no such stream: open one with GET /sse, and send to the address in its first event";
        (StatusCode::NOT_FOUND, text).into_response()
    };
    let caller = parts
        .extensions
        .get::<Arrival>()
        .and_then(|arrival| arrival.principal.as_ref());
    let stream = caller
        .zip(session_id(&parts.uri))
        .and_then(|(caller, id)| served.table.find(&id, caller.label()));
    let Some(stream) = stream else {
        return unknown();
    };
    let message = axum::body::to_bytes(body, served.max_body).await.ok();
    let message =
        message.and_then(|body| serde_json::from_slice::<ClientJsonRpcMessage>(&body).ok());
    let Some(mut message) = message else {
        return (StatusCode::BAD_REQUEST, edge::UNREADABLE).into_response();
    };
    if stream.traffic.borrow().waiting >= MOST_WAITING {
        return slow_down();
    }
    stream
        .traffic
        .send_modify(|traffic| traffic.received(&message));
    message.insert_extension(parts);
    match stream.inbox.send_timeout(message, STALL).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(mpsc::error::SendTimeoutError::Timeout(_)) => slow_down(),
        Err(mpsc::error::SendTimeoutError::Closed(_)) => unknown(),
    }
}

fn session_id(uri: &Uri) -> Option<String> {
    url::form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(name, _)| name == "sessionId")
        .map(|(_, id)| id.into_owned())
}

fn slow_down() -> Response {
    refused(Denial::throttled(
        "too many answers wait for you: read your stream, then send more",
        Duration::from_secs(1),
    ))
}

/// Leaves a refusal for the edge, which gives it its shape and records it.
fn refused(denial: Denial) -> Response {
    (denial.status(), Extension(denial)).into_response()
}

fn wrong_method(allow: &'static str, text: &'static str) -> Response {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        [(header::ALLOW, allow)],
        text,
    )
        .into_response()
}

/// What rmcp reads from and writes to.
struct Line {
    incoming: mpsc::Receiver<ClientJsonRpcMessage>,
    outbox: mpsc::Sender<ServerJsonRpcMessage>,
    stream: Arc<Stream>,
}

/// The reader is gone, or was too slow.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the stream")]
struct Unread;

impl Transport<RoleServer> for Line {
    type Error = Unread;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Unread>> + Send + 'static {
        let (outbox, stream) = (self.outbox.clone(), Arc::clone(&self.stream));
        async move {
            let answered = match &message {
                JsonRpcMessage::Response(response) => Some(response.id.clone()),
                JsonRpcMessage::Error(error) => error.id.clone(),
                JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
            };
            stream.traffic.send_modify(|traffic| traffic.waiting += 1);
            let sent = outbox.send_timeout(message, STALL).await;
            stream
                .traffic
                .send_modify(|traffic| traffic.sent(answered.as_ref()));
            sent.map_err(|_unsent| {
                stream.ended.cancel();
                Unread
            })
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.incoming.recv().await
    }

    async fn close(&mut self) -> Result<(), Unread> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
