//! One JSON message a line, over any pair of streams.
//!
//! rmcp has such a transport too, but it drops what it can't read with no more than a line in its
//! log. Here a line that is too long, or no message, is in the record like every other refusal.

use std::{io, pin::Pin};

use rmcp::{
    ErrorData, RoleServer,
    model::{ClientJsonRpcMessage, RequestId, ServerJsonRpcMessage},
    transport::{Transport, async_rw::AsyncRwTransport},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader, Empty};

use super::shape::Shape;
use crate::interceptor::{Denial, Exchange, Outcome};

type Reply = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// The transport. `begin` begins the exchange of a line that is no message.
pub(super) struct Lines<R, W: AsyncWrite, B> {
    lines: BoundedLines<R>,
    // Writes, and nothing else.
    out: AsyncRwTransport<RoleServer, Empty, W>,
    begin: B,
    // Kept here and not in `receive`, which is dropped and called again at any time.
    reply: Option<Reply>,
}

impl<R, W, B> Lines<R, W, B>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
    B: Fn() -> Exchange,
{
    /// Speaks over these streams; a line longer than `max_line` bytes isn't read.
    pub(super) fn new(read: R, write: W, max_line: usize, begin: B) -> Self {
        Self {
            lines: BoundedLines::new(read, max_line),
            out: AsyncRwTransport::new_server(tokio::io::empty(), write),
            begin,
            reply: None,
        }
    }

    /// Reads a line; `None` where there is nothing to hand on.
    fn read(&mut self, line: &[u8]) -> Option<ClientJsonRpcMessage> {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        let line = line.trim_ascii();
        if line.is_empty() {
            return None;
        }
        if let Err(denial) = Shape::check(line) {
            self.refuse_unparsed(line, &denial);
            return None;
        }
        let unreadable = match serde_json::from_slice(line) {
            Ok(message) => return Some(message),
            Err(error) => error,
        };
        match serde_json::from_slice::<Value>(line) {
            // Whoever sends what is no JSON may echo what it gets: an answer could go on for ever.
            Err(error) => self.record(Outcome::Rejected, None, &format!("no JSON: {error}")),
            Ok(whole) => {
                let method = whole.get("method").and_then(Value::as_str);
                let reason = format!("no JSON-RPC 2.0 message: {unreadable}");
                self.record(Outcome::Rejected, method, &reason);
                let is_note = method.is_some() && whole.get("id").is_none();
                if !is_note {
                    let id = whole.get("id").cloned();
                    let id = id.and_then(|id| serde_json::from_value(id).ok());
                    let said = "the line is no JSON-RPC 2.0 message";
                    self.refuse(id, ErrorData::invalid_request(said, None));
                }
            }
        }
        None
    }

    /// Refuses what would take too much to parse: of it, no more is read than whom to answer.
    fn refuse_unparsed(&mut self, line: &[u8], denial: &Denial) {
        #[derive(Deserialize)]
        struct Head {
            id: Option<RequestId>,
            method: Option<String>,
        }
        let head: Option<Head> = serde_json::from_slice(line).ok();
        let method = head.as_ref().and_then(|head| head.method.as_deref());
        self.record(Outcome::TooLarge, method, &denial.reason);
        // What is no JSON at all gets no answer, as above.
        if let Some(Head { id: Some(id), .. }) = head {
            self.refuse(Some(id), denial.to_error());
        }
    }

    fn refuse(&mut self, id: Option<RequestId>, error: ErrorData) {
        let answer = ServerJsonRpcMessage::error(error, id);
        self.reply = Some(Box::pin(self.out.send(answer)));
    }

    fn record(&self, outcome: Outcome, method: Option<&str>, reason: &str) {
        let exchange = (self.begin)();
        if let Some(method) = method {
            exchange.asks(method.to_owned());
        }
        exchange.answered(outcome, reason);
    }
}

impl<R, W, B> Transport<RoleServer> for Lines<R, W, B>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
    B: Fn() -> Exchange + Send + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        self.out.send(message)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Some(reply) = &mut self.reply {
                let sent = reply.await;
                self.reply = None;
                sent.ok()?;
            }
            match self.lines.next().await {
                Ok(Next::Line) => {
                    let line = std::mem::take(&mut self.lines.line);
                    let message = self.read(&line);
                    self.lines.give_back(line);
                    if message.is_some() {
                        return message;
                    }
                }
                Ok(Next::TooLong) => self.record(Outcome::TooLarge, None, "the line is too long"),
                Ok(Next::End) => return None,
                Err(error) => {
                    tracing::error!(%error, "standard input can't be read");
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.out.close().await
    }
}

/// Reads lines, and never holds more than the longest.
///
/// tokio-util's codecs stop after a line that is too long until more input comes, so the request
/// behind it would wait for the next one.
struct BoundedLines<R> {
    read: BufReader<R>,
    line: Vec<u8>,
    max: usize,
    skips: bool,
}

enum Next {
    /// A whole line is in `line`, or what came of one before the end.
    Line,
    /// A line was too long, and is skipped.
    TooLong,
    /// There is no more.
    End,
}

impl<R: AsyncRead + Unpin> BoundedLines<R> {
    fn new(read: R, max: usize) -> Self {
        Self {
            read: BufReader::new(read),
            line: Vec::new(),
            max,
            skips: false,
        }
    }

    /// Dropped while it waits and called again, it goes on where it was: nothing is taken from the
    /// input without being kept.
    async fn next(&mut self) -> io::Result<Next> {
        loop {
            let input = self.read.fill_buf().await?;
            if input.is_empty() {
                let is_rest = !self.line.is_empty();
                return Ok(if is_rest { Next::Line } else { Next::End });
            }
            let end = input.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(input.len(), |end| end + 1);
            let was_skipping = self.skips;
            if !was_skipping {
                if self.line.len() + taken > self.max.saturating_add(1) {
                    self.line.clear();
                    self.skips = true;
                } else {
                    self.line.extend_from_slice(&input[..taken]);
                }
            }
            self.read.consume(taken);
            let is_too_long = self.skips && !was_skipping;
            if end.is_some() {
                self.skips = false;
            }
            if is_too_long {
                return Ok(Next::TooLong);
            }
            if end.is_some() && !was_skipping {
                return Ok(Next::Line);
            }
        }
    }

    /// Keeps the room of a line that was read for the next one.
    fn give_back(&mut self, mut line: Vec<u8>) {
        line.clear();
        // But not what one giant took.
        line.shrink_to(64 << 10);
        self.line = line;
    }
}
