//! What the tests of this crate share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: each test crate uses a part, and a panic is the report"
)]

use std::time::Duration;

use futures_util::StreamExt;
use mcp_llm::{
    ChatEvent, ChatRequest, Completion, Message, Provider, ProviderError, ToolCall, ToolSpec,
};
use serde_json::json;

/// Everything that one chat brought.
#[derive(Debug)]
pub struct Heard {
    pub places: Vec<usize>,
    pub loading: bool,
    pub thinking: Vec<String>,
    pub contents: Vec<String>,
    pub calls: Vec<ToolCall>,
    pub end: Result<Completion, ProviderError>,
}

impl Heard {
    pub fn done(&self) -> Completion {
        self.end.clone().unwrap()
    }
}

/// Longer than any test waits, and short enough to be waited for when something hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something real; where it takes too long the test fails and doesn't hang. Not for
/// tests whose clock is paused: theirs jumps ahead.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("it should have been over long ago")
}

/// Holds a chat to its end.
pub async fn collect(provider: &dyn Provider, request: ChatRequest) -> Heard {
    let mut heard = Heard {
        places: vec![],
        loading: false,
        thinking: vec![],
        contents: vec![],
        calls: vec![],
        end: Err(ProviderError::new(
            mcp_llm::ErrorKind::Engine,
            "the stream just stopped",
            "",
        )),
    };
    let mut stream = match provider.chat(request).await {
        Ok(stream) => stream,
        Err(error) => {
            heard.end = Err(error);
            return heard;
        }
    };
    while let Some(event) = stream.next().await {
        match event {
            Ok(ChatEvent::Queued { place }) => heard.places.push(place),
            Ok(ChatEvent::Loading) => heard.loading = true,
            Ok(ChatEvent::Thinking(text)) => heard.thinking.push(text),
            Ok(ChatEvent::Content(text)) => heard.contents.push(text),
            Ok(ChatEvent::ToolCalls(calls)) => heard.calls.extend(calls),
            Ok(ChatEvent::Done(done)) => heard.end = Ok(*done),
            Err(error) => heard.end = Err(error),
        }
    }
    heard
}

pub fn ask(text: &str) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::user(text)],
        ..ChatRequest::default()
    }
}

pub fn weather() -> ToolSpec {
    ToolSpec {
        name: "weather-get".to_owned(),
        description: "The weather in a city".to_owned(),
        parameters: json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
    }
}
