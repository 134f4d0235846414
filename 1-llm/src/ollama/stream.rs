//! One chat with Ollama, from the request to the last line.

use std::{pin::pin, time::Duration};

use async_stream::try_stream;
use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::{
    context,
    decode::{Decoder, LineError},
    failure::{explain, line_error},
    loaded::{self, LoadedModel},
};
use crate::{ChatEvent, ChatStream, http::Http, lines::BodyLines, retry};

/// A loaded model that is free answers sooner than this; after it, it is worth asking why not.
const LOADING_AFTER: Duration = Duration::from_millis(300);
/// Asking which models are loaded must not hold the answer up.
const QUERY_TIMEOUT: Duration = Duration::from_millis(500);

/// Sends the chat and reads its lines. Nothing happens before the stream is polled. Dropping it
/// closes the connection, which makes Ollama stop.
pub(super) fn chat(http: Http, model: String, body: Bytes, estimated: u64) -> ChatStream {
    Box::pin(try_stream! {
        let started = Instant::now();
        let mut sending = pin!(retry::send(&http, "api/chat", &body, |failure| {
            explain(&http, failure, Some(&model))
        }));
        let sent = match timeout(LOADING_AFTER, &mut sending).await {
            Ok(sent) => sent,
            Err(_) => {
                if let Some(None) = query_loaded(&http, &model).await {
                    yield ChatEvent::Loading;
                }
                sending.await
            }
        };
        let (response, first_byte_by) = sent?;
        // `application/x-ndjson` from Ollama; `application/json` when a proxy has put it together.
        let mut lines = BodyLines::new(&http, response, first_byte_by, &["json"])?;
        let mut decoder = Decoder::new(&model, started);
        while let Some(line) = lines.next().await? {
            let events = decoder.decode_line(&line).map_err(|error| match error {
                LineError::NotUnderstood(why) => http.not_understood(&line, &why),
                LineError::Engine(message) => line_error(&http, &message, &model),
                LineError::TooLong(error) => error,
            })?;
            for event in events {
                if let ChatEvent::Done(mut completion) = event {
                    lines.read_end().await;
                    let loaded = query_loaded(&http, &model).await.flatten();
                    let size = loaded.map_or(0, |loaded| loaded.context_length);
                    context::add_use(&mut completion, size, estimated);
                    yield ChatEvent::Done(completion);
                    return;
                }
                yield event;
            }
        }
        // The end of the body isn't the end of an answer: only `done` is.
        Err(decoder.cut_error())?;
    })
}

/// How a model is loaded: `None` when Ollama doesn't say in time, `Some(None)` when it isn't.
/// The chat goes on without knowing.
async fn query_loaded(http: &Http, model: &str) -> Option<Option<LoadedModel>> {
    timeout(QUERY_TIMEOUT, loaded::find(http, model))
        .await
        .ok()?
        .ok()
}
