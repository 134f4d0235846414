//! How much a server may send at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use rmcp::{model::RequestId, transport::streamable_http_client::StreamableHttpError};

use super::{HttpError, HttpResult, MAX_MESSAGE, reason};
use crate::failure::Failure;

/// Reads a body of at most `max` bytes.
pub(super) async fn bounded(response: reqwest::Response, max: usize) -> HttpResult<Vec<u8>> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|e| StreamableHttpError::Client(HttpError::Request(e)))?;
        if body.len() + chunk.len() > max {
            return Err(StreamableHttpError::ResponseBodyTooLarge { max_size: max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why streams were cut here, by the request that they answered. rmcp only knows that they ended.
#[derive(Clone, Default)]
pub(crate) struct Cut(Arc<Mutex<HashMap<RequestId, Failure>>>);

/// More cuts than this nobody has asked about; the calls themselves were given up long ago.
const MAX_CUTS: usize = 64;

impl Cut {
    fn note(&self, request: RequestId, why: Failure) {
        let mut cuts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cuts.len() < MAX_CUTS {
            cuts.insert(request, why);
        }
    }

    /// Why the answer to this request was cut, if it was.
    pub(crate) fn take(&self, request: &RequestId) -> Option<Failure> {
        let mut cuts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cuts.remove(request)
    }
}

/// What is said of an answer that is longer than one may be.
pub(crate) fn too_large() -> Failure {
    Failure::TooMuch(format!(
        "the answer is longer than {} MiB, and no more is taken",
        MAX_MESSAGE >> 20
    ))
}

#[derive(Debug, thiserror::Error)]
pub(super) enum EventError {
    #[error("{}", reason(.0))]
    Body(reqwest::Error),
    #[error("the server sent an event of more than {MAX_MESSAGE} bytes")]
    TooLarge,
}

/// The same, and the reason is kept for the request that the stream answers.
pub(super) fn bounded_answer(
    chunks: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
    cut: Cut,
    request: Option<RequestId>,
) -> impl Stream<Item = Result<Bytes, EventError>> + Send + 'static {
    bounded_events(chunks).inspect_err(move |error| {
        if let (EventError::TooLarge, Some(request)) = (error, &request) {
            cut.note(request.clone(), too_large());
        }
    })
}

/// Counts the bytes since the last empty line, which is what a parser has to hold.
pub(super) fn bounded_events(
    chunks: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, EventError>> + Send + 'static {
    chunks.scan((0usize, 0usize, false), |(event, line, over), chunk| {
        if *over {
            return std::future::ready(None);
        }
        let checked = chunk.map_err(EventError::Body).and_then(|chunk| {
            for byte in &chunk {
                match byte {
                    b'\n' if *line == 0 => *event = 0,
                    b'\n' => *line = 0,
                    b'\r' => {}
                    _ => *line += 1,
                }
                *event += 1;
            }
            if *event > MAX_MESSAGE {
                return Err(EventError::TooLarge);
            }
            Ok(chunk)
        });
        *over = checked.is_err();
        std::future::ready(Some(checked))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_endless_event_ends_the_stream_instead_of_filling_memory() {
        let chunk = Bytes::from(vec![b'x'; 1024 * 1024]);
        let endless = futures_util::stream::repeat_with(move || Ok(chunk.clone()));
        let passed = bounded_events(endless).collect::<Vec<_>>().await;
        assert!(passed.len() <= MAX_MESSAGE / (1024 * 1024) + 1);
        assert!(matches!(passed.last(), Some(Err(EventError::TooLarge))));
    }

    #[tokio::test]
    async fn many_small_events_are_no_large_one() {
        let chunk = Bytes::from(format!("data: {}\n\n", "x".repeat(1024 * 1024)));
        let events = futures_util::stream::iter((0..40).map(move |_| Ok(chunk.clone())));
        assert!(
            bounded_events(events)
                .all(|c| std::future::ready(c.is_ok()))
                .await
        );
    }
}
