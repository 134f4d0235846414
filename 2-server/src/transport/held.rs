//! A body that holds something until the last of it is out, and hands itself over piece by piece.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};

/// A server asks for the next piece when there is room for it, so what isn't read stays here, and
/// holds what it holds. In one piece it would be gone at once, into a buffer that nobody bounds.
const PIECE: usize = 64 << 10;

/// `body`, and what it holds.
pub(super) struct Held<T> {
    body: Body,
    // What is left of a piece that was too large.
    rest: Bytes,
    _held: T,
}

impl<T: Send + Unpin + 'static> Held<T> {
    /// The same body, holding `held`.
    pub(super) fn wrap(body: Body, held: T) -> Body {
        Body::new(Self {
            body,
            rest: Bytes::new(),
            _held: held,
        })
    }
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let size = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut size = SizeHint::new();
        size.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            size.set_upper(upper.saturating_add(rest));
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_large_body_comes_in_pieces_and_nothing_is_lost_or_let_go_early() {
        let whole: Vec<u8> = (0..3 * PIECE + 1).map(|n| (n % 251) as u8).collect();
        let held = std::sync::Arc::new(());
        let body = Held::wrap(Body::from(whole.clone()), std::sync::Arc::clone(&held));
        assert_eq!(body.size_hint().exact(), Some(whole.len() as u64));
        let (mut pieces, mut got) = (body.into_data_stream(), Vec::new());
        while let Some(piece) = pieces.next().await {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE);
            got.extend_from_slice(&piece);
            let left = (whole.len() - got.len()) as u64;
            let hint = HttpBody::size_hint(&pieces).exact();
            assert_eq!(hint, Some(left), "hyper counts on it");
            assert_eq!(std::sync::Arc::strong_count(&held), 2);
        }
        assert_eq!(got, whole);
        drop(pieces);
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
    }
}
