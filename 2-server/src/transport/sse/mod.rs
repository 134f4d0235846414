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

use std::{convert::Infallible, sync::Arc, time::Duration};

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
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::Transport,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    conversation::{Conversation, Conversations, Place, Tracked, Waiting},
    edge, in_short,
    settings::HttpSettings,
};
use crate::interceptor::{Denial, DenialKind, Exchange, Guard, Principal};

/// Messages that wait for a reader, and for the server. Beyond it, who sends must wait.
const QUEUE: usize = 16;
/// How long the queue may stay full. A reader that is slower has its stream ended, or what is
/// meant for it would pile up here.
const STALL: Duration = Duration::from_secs(20);
/// How often a comment is sent when there is nothing else, so that nobody on the way hangs up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What is kept with a stream that is open.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    inbox: mpsc::Sender<ClientJsonRpcMessage>,
    conversation: Arc<Conversation>,
}

/// The streams that are open.
pub(super) type Streams = Conversations<Stream>;

/// What both paths need.
struct Served<H: ServerHandler> {
    guard: Guard<H>,
    streams: Arc<Streams>,
    idle: Duration,
    max_body: usize,
    shutdown: CancellationToken,
}

/// Both paths, and the streams that are open. They belong behind the edge, which signs callers in.
pub(super) fn routes<H: ServerHandler>(
    guard: &Guard<H>,
    settings: &HttpSettings,
    shutdown: CancellationToken,
) -> (Router, Arc<Streams>) {
    let streams = Streams::new(
        "streams",
        settings.max_sse_streams,
        settings.max_sse_streams_per_identity,
    );
    let served = Served {
        guard: guard.clone(),
        streams: Arc::clone(&streams),
        idle: settings.session_idle,
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
    (paths, streams)
}

/// `GET /sse`
async fn open<H: ServerHandler>(
    State(served): State<Arc<Served<H>>>,
    Extension(exchange): Extension<Exchange>,
) -> Response {
    let Some(principal) = exchange.principal() else {
        return deny(
            &exchange,
            Denial::unauthorized("nobody signed in for this stream"),
        );
    };
    let reserved = served.streams.reserve(principal.label());
    let (id, mut place) = match reserved.and_then(|place| Ok((random_id()?, place))) {
        Ok(reserved) => reserved,
        Err(denial) => return deny(&exchange, denial),
    };
    let (inbox, incoming) = mpsc::channel(QUEUE);
    let (outbox, mut outgoing) = mpsc::channel(QUEUE);
    let conversation = Arc::new(Conversation::default());
    place.open(
        &id,
        Stream {
            inbox,
            conversation: Arc::clone(&conversation),
        },
    );
    // Who holds the place keeps the stream counted, because what it queues still takes memory. The
    // body holds it too: when the connection goes, the conversation ends.
    let place = Arc::new(place);
    let held = (
        Arc::clone(&place),
        conversation.end_signal().clone().drop_guard(),
    );
    let line = Line {
        incoming,
        outbox,
        conversation: Arc::clone(&conversation),
    };
    tokio::spawn(converse(served, line, conversation, principal, place));

    let endpoint = Event::default()
        .event("endpoint")
        .data(format!("/messages?sessionId={id}"));
    // Who asks for the next message has taken the one before.
    let mut taken = None;
    let messages = stream::poll_fn(move |cx| {
        let _held = &held;
        drop(taken.take());
        outgoing.poll_recv(cx).map(|message| {
            let Outgoing { text, waiting } = message?;
            taken = Some(waiting);
            Some(Event::default().event("message").data(text))
        })
    });
    let events = stream::once(async { endpoint })
        .chain(messages)
        .map(Ok::<_, Infallible>);
    // Without the header a proxy may collect the stream and pass it on in one piece.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    let body = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    (unbuffered, body).into_response()
}

/// 256 random bits: nobody guesses the address of someone else's stream.
fn random_id() -> Result<String, Denial> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers");
        Denial::new(
            DenialKind::Unavailable,
            "no stream can be opened now: try again later",
        )
    })?;
    Ok(hex::encode(random))
}

/// Serves one stream for as long as its conversation lasts.
async fn converse<H: ServerHandler>(
    served: Arc<Served<H>>,
    line: Line,
    conversation: Arc<Conversation>,
    principal: Principal,
    _place: Arc<Place<Stream>>,
) {
    let ended = conversation.end_signal().clone();
    let line = Tracked {
        inner: line,
        conversation: Arc::clone(&conversation),
    };
    let talk = Box::pin(async {
        match served.guard.clone().serve_with_ct(line, ended).await {
            // Why it ended is no news: the reader went, or the conversation was over.
            Ok(running) => drop(running.waiting().await),
            Err(error) => {
                let error = in_short(&error);
                tracing::debug!(%error, "no conversation began on an SSE stream");
            }
        }
    });
    conversation
        .last(&principal, served.idle, &served.shutdown, talk)
        .await;
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
    let Some(exchange) = parts.extensions.get::<Exchange>().cloned() else {
        return unknown();
    };
    let stream = exchange
        .principal()
        .zip(session_id(&parts.uri))
        .and_then(|(caller, id)| served.streams.find(&id, caller.label()))
        .filter(|stream| !stream.conversation.is_closing());
    let Some(stream) = stream else {
        return unknown();
    };
    let message = axum::body::to_bytes(body, served.max_body).await.ok();
    let message =
        message.and_then(|body| serde_json::from_slice::<ClientJsonRpcMessage>(&body).ok());
    let Some(mut message) = message else {
        return (StatusCode::BAD_REQUEST, edge::UNREADABLE).into_response();
    };
    if stream.conversation.is_full() {
        return deny(&exchange, slow_down());
    }
    message.insert_extension(parts);
    // Noted here, and not when it is taken out of the queue: a stream isn't idle that has a message
    // to read.
    stream.conversation.received(&message);
    match stream.inbox.send_timeout(message, STALL).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(mpsc::error::SendTimeoutError::Timeout(_)) => deny(&exchange, slow_down()),
        Err(mpsc::error::SendTimeoutError::Closed(_)) => unknown(),
    }
}

fn session_id(uri: &Uri) -> Option<String> {
    url::form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(name, _)| name == "sessionId")
        .map(|(_, id)| id.into_owned())
}

fn slow_down() -> Denial {
    Denial::throttled(
        "too many answers wait for you: read your stream, then send more",
        Duration::from_secs(1),
    )
}

/// Ends the exchange with a refusal. The edge gives its answer the refusal's shape.
fn deny(exchange: &Exchange, denial: Denial) -> Response {
    let response = edge::answer(denial.status(), None, &denial.to_error());
    exchange.deny(denial);
    response
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
    outbox: mpsc::Sender<Outgoing>,
    conversation: Arc<Conversation>,
}

/// A message to the client, written already: what waits is counted by its bytes.
struct Outgoing {
    text: String,
    waiting: Waiting,
}

/// Why a message didn't get to its reader.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("nobody reads the stream")]
    Gone,
    #[error("the message can't be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

impl Transport<RoleServer> for Line {
    type Error = Unread;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Unread>> + Send + 'static {
        let outbox = self.outbox.clone();
        let written = serde_json::to_string(&message).map(|text| Outgoing {
            waiting: self.conversation.waits(&message, text.len()),
            text,
        });
        async move {
            let sent = outbox.send_timeout(written?, STALL).await;
            sent.map_err(|_unsent| Unread::Gone)
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
