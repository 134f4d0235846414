//! A request's body, within its size and its time. Every message is small; what is endless or slow
//! ends here, before anything is parsed.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use http::{HeaderMap, header};

use crate::interceptor::{Denial, DenialKind};

/// How long a request's body may take to arrive.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);
/// How much of a refused request's body is read away, and for how long, so that its connection can
/// serve the next request.
const MOST_DRAINED: usize = 256 << 10;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Reads the whole body into one buffer.
///
/// # Errors
/// 413 when it is larger than `max`, 408 when it takes too long, 400's outcome when its sender
/// breaks it off.
pub(super) async fn read(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Denial> {
    if content_length(headers).is_some_and(|length| length > max) {
        return Err(too_large(max));
    }
    let read = tokio::time::timeout(TIMEOUT, collect(body, max)).await;
    read.unwrap_or_else(|_elapsed| {
        Err(Denial::new(
            DenialKind::TimedOut,
            "the request's body didn't arrive in time",
        ))
    })
}

async fn collect(body: Body, max: usize) -> Result<Bytes, Denial> {
    let expected = body.size_hint().upper().unwrap_or(0);
    let mut chunks = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_broken| {
            Denial::new(DenialKind::Malformed, "the request's body broke off")
        })?;
        if whole.len() + chunk.len() > max {
            return Err(too_large(max));
        }
        // Nearly every body is one chunk, and is taken as it is.
        if whole.is_empty() && chunk.len() as u64 == expected {
            return Ok(chunk);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

fn too_large(max: usize) -> Denial {
    Denial::new(
        DenialKind::TooLarge,
        format!("the request is larger than {max} bytes"),
    )
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Reads the body of a refused request away, if that is little. `false` when the connection had
/// better be closed: what is left of the body would be taken for the next request.
pub(super) async fn drain(body: Body) -> bool {
    let mut chunks = body.into_data_stream();
    let drained = async {
        let mut seen = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            seen += chunk.len();
            if seen > MOST_DRAINED {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(DRAIN_TIME, drained)
        .await
        .unwrap_or(false)
}
