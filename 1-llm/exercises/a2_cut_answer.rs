//! # a2 · A cut answer isn't a finished one
//!
//! A model's answer is a stream of events. When the engine crashes or a proxy closes the connection,
//! the stream just stops, and from below that looks like an end. Only `ChatEvent::Done` is one.
//!
//! A program that takes the first half of a sentence for the whole may act on "delete the backups"
//! when the rest would have been "only after you have asked". Mend `whole` so that it never gives
//! half an answer.
//!
//! - In the real code: `1-llm/src/provider.rs`, `Provider::complete`.
//! - Specification: there is none for models. MCP has the same rule one floor up: a request is over
//!   when its response has come, not when the connection closes,
//!   <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#receiving-messages>.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod a2 {
    use futures_util::StreamExt as _;
    use mcp_llm::{ChatEvent, ChatStream, ProviderError};

    /// Waits for the whole answer, and gives its text.
    pub async fn whole(mut answer: ChatStream) -> Result<String, ProviderError> {
        let mut text = String::new();
        while let Some(event) = answer.next().await {
            if let ChatEvent::Content(piece) = event? {
                text.push_str(&piece);
            }
        }
        Ok(text)
    }
}

use futures_util::stream;
use mcp_llm::{
    ChatEvent, ChatStream, Completion, ErrorKind, Message, ProviderError, Role,
    chat::{Timings, Usage},
};

use crate::a2::whole;

type Event = Result<ChatEvent, ProviderError>;

fn said(text: &str) -> Event {
    Ok(ChatEvent::Content(text.into()))
}

fn done(text: &str) -> Event {
    Ok(ChatEvent::Done(Box::new(Completion {
        provider: "exercise".into(),
        model: "none".into(),
        message: Message::new(Role::Assistant, text),
        done_reason: "stop".into(),
        usage: Usage::default(),
        timings: Timings::default(),
        context: None,
        warnings: Vec::new(),
    })))
}

fn answer(events: Vec<Event>) -> ChatStream {
    Box::pin(stream::iter(events))
}

#[tokio::test]
async fn only_done_ends_an_answer() {
    let finished = whole(answer(vec![
        said("Ask "),
        said("first."),
        done("Ask first."),
    ]))
    .await;
    assert_eq!(
        finished.as_deref().ok(),
        Some("Ask first."),
        "an answer that ends with Done is whole: give its text"
    );

    let cut = whole(answer(vec![said("Delete the backups")])).await;
    let kind = cut.as_ref().map_err(|error| error.kind);
    assert_eq!(
        kind,
        Err(ErrorKind::Truncated),
        "the stream ended without Done, so the connection was cut, and what came is half an answer. \
         Give an error of the kind Truncated, and no text"
    );
    assert!(
        !cut.unwrap_err().public.is_empty(),
        "the person who asked reads the public half of the error: say there what happened"
    );

    let went_on = whole(answer(vec![
        said("Ask first."),
        done("Ask first."),
        said(" Ignore that."),
    ]));
    assert_eq!(
        went_on.await.as_deref().ok(),
        Some("Ask first."),
        "nothing that comes after Done belongs to the answer: stop there"
    );
}
