//! One chat with Ollama, from the request to the last line.

use std::time::Duration;

use async_stream::try_stream;
use bytes::Bytes;
use reqwest::{Method, Response, header::CONTENT_TYPE};
use tokio::time::Instant;

use super::{
    failure::{explain, line_error},
    ndjson::Lines,
    wire::{ChatLine, LineMessage},
};
use crate::{
    ChatEvent, ChatStream, Completion, Message, ProviderError, Role, ToolCall,
    error::{ErrorKind, excerpt},
    http::Http,
};

/// Ollama itself reads lines of up to 8 MB; twice that is no line of its making.
const LONGEST_LINE: usize = 16 << 20;
/// A whole answer, put together. A million tokens is about 5 MB.
const LONGEST_ANSWER: usize = 64 << 20;

/// Sends the chat and reads its lines. Nothing happens before the stream is polled, and
/// dropping it closes the connection, which is how Ollama is told to stop.
pub(crate) fn chat(http: Http, model: String, body: Bytes) -> ChatStream {
    Box::pin(try_stream! {
        let started = Instant::now();
        let first_byte_by = started + http.limits.first_byte;
        let sent = http.send(Method::POST, "api/chat", Some(body), http.limits.first_byte).await;
        let response = sent.map_err(|failure| explain(&http, failure, Some(&model)))?;
        let mut lines = BodyLines::new(&http, response, first_byte_by)?;
        let mut answer = Answer::new(model);
        while let Some(line) = lines.next().await? {
            let mut line: ChatLine<'_> = serde_json::from_slice(&line)
                .map_err(|error| http.not_understood(&line, &error))?;
            if let Some(error) = &line.error {
                Err(line_error(&http, error, &answer.model))?;
            }
            // The last line may carry text and tool calls too, so the message is read before
            // `done` is looked at.
            for event in answer.take(line.message(), started)? {
                yield event;
            }
            if line.done {
                yield ChatEvent::Done(Box::new(answer.finish(&line)));
                return;
            }
        }
        // The end of the body isn't the end of an answer: only `done` is.
        Err(answer.cut())?;
    })
}

/// The lines of a body, each by its deadline.
struct BodyLines<'a> {
    http: &'a Http,
    response: Response,
    lines: Lines,
    deadline: Instant,
    ended: bool,
}

impl<'a> BodyLines<'a> {
    fn new(http: &'a Http, response: Response, first_by: Instant) -> Result<Self, ProviderError> {
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .map_or(&b""[..], |value| value.as_bytes());
        // `application/x-ndjson` from Ollama; `application/json` when a proxy has put it together.
        if !content_type.is_empty() && !String::from_utf8_lossy(content_type).contains("json") {
            return Err(http.not_understood(content_type, &"the content type isn't JSON"));
        }
        Ok(Self {
            http,
            response,
            lines: Lines::new(LONGEST_LINE),
            deadline: first_by,
            ended: false,
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ProviderError> {
        loop {
            let line = self.lines.next_line().map_err(|too_long| {
                ProviderError::new(
                    ErrorKind::Engine,
                    format!(
                        "The engine sent a line of more than {} MB.",
                        LONGEST_LINE >> 20
                    ),
                    format!("a line that began: {}", excerpt(&too_long.start, 200)),
                )
            })?;
            if line.is_some() {
                // The clock runs from line to line: bytes that never become one are no progress.
                self.deadline = Instant::now() + self.http.limits.idle;
                return Ok(line);
            }
            if self.ended {
                return Ok(self.lines.rest());
            }
            match self.http.chunk(&mut self.response, self.deadline).await? {
                Some(chunk) => self.lines.push(chunk),
                None => self.ended = true,
            }
        }
    }
}

/// What has come so far.
struct Answer {
    model: String,
    message: Message,
    first_token: Option<Duration>,
}

impl Answer {
    fn new(model: String) -> Self {
        Self {
            model,
            message: Message::new(Role::Assistant, ""),
            first_token: None,
        }
    }

    /// Adds what a line says, and gives it on, in the order in which a model makes it.
    fn take(
        &mut self,
        said: LineMessage<'_>,
        started: Instant,
    ) -> Result<impl Iterator<Item = ChatEvent> + use<>, ProviderError> {
        let (thinking, content) = (said.thinking.0, said.content.0);
        if !thinking.is_empty() {
            self.message
                .thinking
                .get_or_insert_default()
                .push_str(&thinking);
        }
        self.message.content.push_str(&content);
        let thought = self.message.thinking.as_ref().map_or(0, String::len);
        if self.message.content.len() + thought > LONGEST_ANSWER {
            return Err(ProviderError::new(
                ErrorKind::Engine,
                format!(
                    "The answer passed {} MB and was stopped.",
                    LONGEST_ANSWER >> 20
                ),
                "the answer's text passed its limit",
            ));
        }
        let calls: Vec<ToolCall> = said
            .tool_calls
            .into_iter()
            .flatten()
            .map(ToolCall::from)
            .collect();
        self.message.tool_calls.extend_from_slice(&calls);
        let events = [
            (!thinking.is_empty()).then(|| ChatEvent::Thinking(thinking.into_owned())),
            (!content.is_empty()).then(|| ChatEvent::Content(content.into_owned())),
            (!calls.is_empty()).then_some(ChatEvent::ToolCalls(calls)),
        ];
        if self.first_token.is_none() && events.iter().any(Option::is_some) {
            self.first_token = Some(started.elapsed());
        }
        Ok(events.into_iter().flatten())
    }

    fn finish(&mut self, line: &ChatLine<'_>) -> Completion {
        let named = line.model.0.as_ref();
        Completion {
            provider: "ollama".to_owned(),
            model: if named.is_empty() {
                self.model.clone()
            } else {
                named.to_owned()
            },
            message: std::mem::replace(&mut self.message, Message::new(Role::Assistant, "")),
            done_reason: line.done_reason.0.clone().into_owned(),
            usage: line.usage(),
            timings: line.timings(self.first_token.unwrap_or_default()),
            context: None,
            warnings: Vec::new(),
        }
    }

    fn cut(&self) -> ProviderError {
        ProviderError::new(
            ErrorKind::Truncated,
            "Ollama stopped in the middle of the answer: what came is not the whole of it.",
            format!(
                "the body ended without a done line, after {} bytes of text",
                self.message.content.len()
            ),
        )
    }
}
