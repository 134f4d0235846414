//! The lines of a streamed body, each by its deadline.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Response, header::CONTENT_TYPE};
use tokio::time::Instant;

use crate::{
    ProviderError,
    error::ErrorKind,
    http::Http,
    ndjson::{Lines, is_blank},
    settings::Timeout,
    text::excerpt,
};

/// Ollama itself reads lines of up to 8 MB; no engine sends one of twice that length.
pub(crate) const LONGEST_LINE: usize = 16 << 20;

/// Reads a body line by line.
pub(crate) struct BodyLines<'a> {
    http: &'a Http,
    response: Response,
    lines: Lines,
    deadline: Instant,
    // The timeout that set the deadline: until the first line, and then between lines.
    timeout: Timeout,
    ended: bool,
}

impl<'a> BodyLines<'a> {
    /// `content_types` are parts of which the content type must have one; a body without a
    /// content type is read as it is.
    pub(crate) fn new(
        http: &'a Http,
        response: Response,
        first_by: Instant,
        content_types: &[&str],
    ) -> Result<Self, ProviderError> {
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .map_or(&b""[..], |value| value.as_bytes());
        let shown = String::from_utf8_lossy(content_type);
        if !shown.is_empty() && !content_types.iter().any(|part| shown.contains(part)) {
            return Err(http.not_understood(content_type, &"a content type that no answer has"));
        }
        Ok(Self {
            http,
            response,
            lines: Lines::new(LONGEST_LINE),
            deadline: first_by,
            timeout: Timeout::FirstByte,
            ended: false,
        })
    }

    /// Reads the body's end when it is there already, so that the connection can be used again.
    pub(crate) async fn read_end(&mut self) {
        let soon = Instant::now() + Duration::from_millis(20);
        let _ = self
            .http
            .next_chunk(&mut self.response, soon, Timeout::Idle)
            .await;
    }

    /// The next line that isn't blank, also a last one without its newline; `None` at the body's
    /// end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ProviderError> {
        while let Some(line) = self.next_or_blank().await? {
            if !is_blank(&line) {
                return Ok(Some(line));
            }
        }
        Ok(self.lines.take_rest())
    }

    /// The next line, blank or not; `None` at the body's end, even when a last line has no
    /// newline.
    pub(crate) async fn next_or_blank(&mut self) -> Result<Option<Bytes>, ProviderError> {
        loop {
            let line = self.lines.next_line_or_blank().map_err(|too_long| {
                ProviderError::new(
                    ErrorKind::Engine,
                    format!(
                        "The engine sent a line of more than {} MB.",
                        LONGEST_LINE >> 20
                    ),
                    format!("a line that began: {}", excerpt(&too_long.start, 200)),
                )
            })?;
            if let Some(line) = line {
                // The clock runs from line to line: bytes that never become one are no progress.
                if !is_blank(&line) {
                    self.timeout = Timeout::Idle;
                    self.deadline = Instant::now() + self.http.timeouts.idle;
                }
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            let chunk = self
                .http
                .next_chunk(&mut self.response, self.deadline, self.timeout);
            match chunk.await? {
                Some(chunk) => self.lines.push(chunk),
                None => self.ended = true,
            }
        }
    }
}
