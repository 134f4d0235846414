//! A request's body, within its size and its time. Every message is small; what is endless or slow
//! ends here, before anything is parsed.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use http::{HeaderMap, header};

use super::{room::Taken, shape::Shape};
use crate::interceptor::{Denial, DenialKind};

/// How long a request's body may take to arrive.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);
/// How much room is made for a body that has only begun.
const MOST_RESERVED: usize = 4 << 20;
/// How much of a refused request's body is read away, and for how long, so that its connection can
/// serve the next request, and its sender reads the answer instead of an error of the network.
const MOST_DRAINED: usize = 8 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// A request's body, on its way in.
pub(super) struct Incoming {
    chunks: BodyDataStream,
    // As long as it says that it is, if it does.
    expected: Option<usize>,
    // It isn't sent before somebody asks for it.
    is_held_back: bool,
    // It is encoded in a way that nobody here undoes.
    is_encoded: bool,
}

impl Incoming {
    pub(super) fn new(headers: &HeaderMap, body: Body) -> Self {
        let expected = body.size_hint().exact().or_else(|| content_length(headers));
        Self {
            expected: expected.map(|length| usize::try_from(length).unwrap_or(usize::MAX)),
            chunks: body.into_data_stream(),
            is_held_back: headers.contains_key(header::EXPECT),
            is_encoded: headers
                .get_all(header::TRANSFER_ENCODING)
                .iter()
                .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")),
        }
    }

    /// Reads the whole body into one buffer, and counts in `taken` what it takes.
    ///
    /// # Errors
    /// 413 when it is larger than `max` or would be once it is parsed, 408 when it takes too long,
    /// 400 when it breaks off, 429 or 503 when there is no room for it.
    pub(super) async fn read(&mut self, max: usize, taken: &mut Taken) -> Result<Bytes, Denial> {
        if self.is_encoded {
            return Err(Denial::new(
                DenialKind::Malformed,
                "the body is encoded: Transfer-Encoding may be chunked and nothing else",
            ));
        }
        if self.expected.is_some_and(|length| length > max) {
            return Err(too_large(max));
        }
        let read = tokio::time::timeout(TIMEOUT, self.collect(max, taken)).await;
        read.unwrap_or_else(|_elapsed| {
            Err(Denial::new(
                DenialKind::TimedOut,
                "the request's body didn't arrive in time",
            ))
        })
    }

    async fn collect(&mut self, max: usize, taken: &mut Taken) -> Result<Bytes, Denial> {
        let (mut whole, mut shape) = (BytesMut::new(), Shape::default());
        while let Some(chunk) = self.chunks.next().await {
            let chunk = chunk.map_err(|_broken| {
                Denial::new(DenialKind::Malformed, "the request's body broke off")
            })?;
            if whole.len() + chunk.len() > max {
                return Err(too_large(max));
            }
            taken.grow(chunk.len(), shape.read(&chunk)?)?;
            if whole.is_empty() {
                // Nearly every body is one chunk, and is taken as it is.
                if Some(chunk.len()) == self.expected {
                    return Ok(chunk);
                }
                // What nothing is written to takes no memory; but who says that it is long may lie.
                whole.reserve(self.expected.unwrap_or_default().min(MOST_RESERVED));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Reads what is left of a refused request's body away, if that is little. `false` when the
    /// connection had better be closed: what is left would be taken for the next request.
    pub(super) async fn drain(mut self) -> bool {
        if self.is_held_back || self.expected.is_some_and(|length| length > MOST_DRAINED) {
            return false;
        }
        let drained = async {
            let mut seen = 0;
            while let Some(chunk) = self.chunks.next().await {
                let Ok(chunk) = chunk else { return false };
                seen += chunk.len();
                if seen > MOST_DRAINED {
                    return false;
                }
            }
            true
        };
        let drained = tokio::time::timeout(DRAIN_TIME, drained).await;
        drained.unwrap_or(false)
    }
}

fn too_large(max: usize) -> Denial {
    Denial::new(
        DenialKind::TooLarge,
        format!("the request is larger than {max} bytes"),
    )
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
