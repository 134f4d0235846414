//! One chat with Ollama, from the request to the last line.

use std::{pin::pin, time::Duration};

use async_stream::try_stream;
use bytes::Bytes;
use reqwest::Method;
use tokio::time::{Instant, timeout};

use super::{
    context,
    decode::{Decoder, LineError},
    failure::{explain, line_error},
    manage::Loaded,
};
use crate::{ChatEvent, ChatStream, http::Http, lines::BodyLines, retry, settings::Limit};

/// A loaded model that is free answers sooner than this; later it is worth asking why it doesn't.
const LOADING_AFTER: Duration = Duration::from_millis(300);
/// What is asked on the side must not hold the answer up.
const ASIDE: Duration = Duration::from_millis(500);

/// Sends the chat and reads its lines. Nothing happens before the stream is polled, and
/// dropping it closes the connection, which is how Ollama is told to stop.
pub(crate) fn chat(http: Http, model: String, body: Bytes, estimated: u64) -> ChatStream {
    Box::pin(try_stream! {
        let started = Instant::now();
        let mut tried = 0;
        let (response, first_byte_by) = loop {
            tried += 1;
            let first_byte_by = Instant::now() + http.limits.first_byte;
            let mut sending = pin!(http.send(Method::POST, "api/chat", Some(body.clone()), Limit::FirstByte));
            let sent = match timeout(LOADING_AFTER, &mut sending).await {
                Ok(sent) => sent,
                Err(_) => {
                    if aside(&http, &model).await.is_some_and(|loaded| loaded.is_none()) {
                        yield ChatEvent::Loading;
                    }
                    sending.await
                }
            };
            let failure = match sent {
                Ok(response) => break (response, first_byte_by),
                Err(failure) => failure,
            };
            let told = failure.told();
            let error = explain(&http, failure, Some(&model));
            // Nothing has been said yet, so trying again says nothing twice.
            match retry::pause(&error, told, tried) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => Err(error)?,
            }
        };
        // `application/x-ndjson` from Ollama; `application/json` when a proxy has put it together.
        let mut lines = BodyLines::new(&http, response, first_byte_by, &["json"])?;
        let mut decoder = Decoder::new(&model, started);
        while let Some(line) = lines.next().await? {
            let events = decoder.line(&line).map_err(|error| match error {
                LineError::NotUnderstood(why) => http.not_understood(&line, &why),
                LineError::Engine(said) => line_error(&http, &said, &model),
                LineError::TooMuch(error) => error,
            })?;
            for event in events {
                if let ChatEvent::Done(mut completion) = event {
                    lines.end().await;
                    let loaded = aside(&http, &model).await.flatten();
                    context::report(&mut completion, loaded.map_or(0, |loaded| loaded.context_length), estimated);
                    yield ChatEvent::Done(completion);
                    return;
                }
                yield event;
            }
        }
        // The end of the body isn't the end of an answer: only `done` is.
        Err(decoder.cut())?;
    })
}

/// What `/api/ps` says of a model: `None` when it can't be asked, else whether it is loaded.
/// The chat goes on without knowing.
async fn aside(http: &Http, model: &str) -> Option<Option<Loaded>> {
    timeout(ASIDE, super::manage::loaded(http, model))
        .await
        .ok()?
        .ok()
}
