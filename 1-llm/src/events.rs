//! The server-sent events of a streamed body. Bounds and deadlines are this crate's, by lines;
//! what an event says is the parser's business.

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use reqwest::Response;
use sse_stream::{Sse, SseStream};
use tokio::time::Instant;

use crate::{
    ProviderError,
    error::ErrorKind,
    http::Http,
    lines::{BodyLines, LONGEST_LINE},
    text::excerpt,
};

/// All lines of one event together.
const LONGEST_EVENT: usize = LONGEST_LINE;

/// Reads a body event by event.
pub(crate) struct BodyEvents<'a> {
    http: &'a Http,
    lines: BodyLines<'a>,
}

impl<'a> BodyEvents<'a> {
    pub(crate) fn new(
        http: &'a Http,
        response: Response,
        first_by: Instant,
    ) -> Result<Self, ProviderError> {
        let lines = BodyLines::new(http, response, first_by, &["event-stream"])?;
        Ok(Self { http, lines })
    }

    /// Reads the body's end when it is there already, so that the connection can be used again.
    pub(crate) async fn read_end(&mut self) {
        self.lines.read_end().await;
    }

    /// The next event; `None` at the body's end. Comments, which only keep the connection alive,
    /// aren't events.
    pub(crate) async fn next(&mut self) -> Result<Option<Sse>, ProviderError> {
        while let Some(written) = self.next_written().await? {
            let once = stream::iter([Ok::<_, Infallible>(written.clone())]);
            match SseStream::from_bytes_stream(once).next().await {
                Some(Ok(event)) => return Ok(Some(event)),
                Some(Err(error)) => return Err(self.http.not_understood(&written, &error)),
                None => {}
            }
        }
        Ok(None)
    }

    /// An event as it is written: the lines up to a blank one, or up to the body's end. A last
    /// line without its newline may have been cut, so it doesn't count.
    async fn next_written(&mut self) -> Result<Option<Bytes>, ProviderError> {
        let mut event = BytesMut::new();
        loop {
            let line = self.lines.next_or_blank().await?;
            let has_ended = line.is_none();
            match line.filter(|line| !line.is_empty()) {
                Some(line) => push_line(&mut event, &line),
                None if !event.is_empty() => {
                    event.extend_from_slice(b"\n");
                    return Ok(Some(event.freeze()));
                }
                None if has_ended => return Ok(None),
                None => {}
            }
            if event.len() > LONGEST_EVENT {
                return Err(ProviderError::new(
                    ErrorKind::Engine,
                    format!(
                        "The engine sent an event of more than {} MB.",
                        LONGEST_EVENT >> 20
                    ),
                    format!("an event that began: {}", excerpt(&event, 200)),
                ));
            }
        }
    }
}

/// Adds a line to its event. llama.cpp used to send `error: {…}`, a field that the format doesn't
/// have: it becomes an event of that name.
fn push_line(event: &mut BytesMut, line: &[u8]) {
    match line.strip_prefix(b"error:") {
        Some(message) => {
            event.extend_from_slice(b"event: error\ndata:");
            event.extend_from_slice(message);
        }
        None => event.extend_from_slice(line),
    }
    event.extend_from_slice(b"\n");
}
