//! One JSON message a line, over any pair of streams.
//!
//! rmcp has such a transport too, but it drops what it can't read with no more than a line in its
//! log. Here a line that is too long, or no message, is in the record like every other refusal.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use rmcp::{
    ErrorData, RoleServer,
    model::{ClientJsonRpcMessage, RequestId, ServerJsonRpcMessage},
    transport::{Transport, async_rw::AsyncRwTransport},
};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, Empty};
use tokio_util::codec::{AnyDelimiterCodec, AnyDelimiterCodecError, FramedRead};

use crate::interceptor::{
    Journal,
    audit::{EdgeRefusal, Outcome},
};

type Reply = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// The transport.
pub(super) struct Lines<R, W: AsyncWrite> {
    lines: FramedRead<R, AnyDelimiterCodec>,
    // Writes, and nothing else.
    out: AsyncRwTransport<RoleServer, Empty, W>,
    journal: Arc<Journal>,
    identity: Arc<str>,
    // Kept here and not in `receive`, which is dropped and called again at any time.
    reply: Option<Reply>,
    resumes: bool,
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    /// Speaks over these streams; a line longer than `max_line` bytes isn't read.
    pub(super) fn new(
        read: R,
        write: W,
        max_line: usize,
        journal: Arc<Journal>,
        identity: Arc<str>,
    ) -> Self {
        let codec =
            AnyDelimiterCodec::new_with_max_length(b"\n".to_vec(), b"\n".to_vec(), max_line);
        Self {
            lines: FramedRead::new(read, codec),
            out: AsyncRwTransport::new_server(tokio::io::empty(), write),
            journal,
            identity,
            reply: None,
            resumes: false,
        }
    }

    /// Reads a line; `None` where there is nothing to hand on.
    fn read(&mut self, line: &[u8]) -> Option<ClientJsonRpcMessage> {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        let line = line.trim_ascii();
        if line.is_empty() {
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
                    self.refuse(whole.get("id"));
                }
            }
        }
        None
    }

    fn refuse(&mut self, id: Option<&Value>) {
        let id = id.and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
        let error = ErrorData::invalid_request("the line is no JSON-RPC 2.0 message", None);
        let answer = ServerJsonRpcMessage::error(error, id);
        self.reply = Some(Box::pin(self.out.send(answer)));
    }

    fn record(&self, outcome: Outcome, method: Option<&str>, reason: &str) {
        let short = |text: &str, most| text.chars().take(most).collect::<String>();
        self.journal.refused_at_the_edge(&EdgeRefusal {
            identity: &self.identity,
            transport: "stdio",
            method: &short(method.unwrap_or("(unreadable)"), 64),
            reason: &short(reason, 256),
            outcome,
            took: Duration::ZERO,
        });
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
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
                Some(Ok(line)) => {
                    self.resumes = false;
                    if let Some(message) = self.read(&line) {
                        return Some(message);
                    }
                }
                Some(Err(AnyDelimiterCodecError::MaxChunkLengthExceeded)) => {
                    self.record(Outcome::TooLarge, None, "the line is too long");
                    self.resumes = true;
                }
                Some(Err(AnyDelimiterCodecError::Io(error))) => {
                    tracing::error!(%error, "standard input can't be read");
                    return None;
                }
                // After an error the reader says once that it is at its end, and then goes on.
                None if std::mem::take(&mut self.resumes) => {}
                None => return None,
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.out.close().await
    }
}
