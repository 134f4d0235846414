//! # a4 · A provider of your own
//!
//! Everything above step 1 sees one trait, `Provider`. Ollama is behind it, an OpenAI-compatible
//! server, the built-in tutor; and now yours: the parrot, which says what it was told, word by word.
//! It needs no network, which makes it a good thing to test an MCP server with.
//!
//! The parrot below speaks, but breaks the trait's contract. Read `1-llm/src/provider.rs` and mend
//! `chat`.
//!
//! - In the real code: `1-llm/src/tutor/mod.rs` is the smallest whole provider.
//! - Specification: none; this seam is the project's own. MCP's server (step 2) offers whatever is
//!   behind it as the tool `ollama-chat`.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod a4 {
    use futures_util::stream;
    use mcp_llm::{ChatEvent, ChatRequest, ChatStream, Health, Model, Provider, ProviderError};

    /// Says what it was told.
    pub struct Parrot;

    #[async_trait::async_trait]
    impl Provider for Parrot {
        fn name(&self) -> &'static str {
            "parrot"
        }

        async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
            let told = request
                .messages
                .last()
                .map_or("", |message| &message.content);
            let pieces: Vec<Result<ChatEvent, ProviderError>> = told
                .split_inclusive(' ')
                .map(|word| Ok(ChatEvent::Content(word.to_owned())))
                .collect();
            Ok(Box::pin(stream::iter(pieces)))
        }

        async fn models(&self) -> Result<Vec<Model>, ProviderError> {
            Ok(Vec::new())
        }

        async fn health(&self) -> Result<Health, ProviderError> {
            Ok(Health {
                provider: self.name().into(),
                version: String::new(),
                default_model: String::new(),
            })
        }
    }
}

use futures_util::StreamExt as _;
use mcp_llm::{ChatEvent, ChatRequest, ErrorKind, Message, Provider, Role};

use crate::a4::Parrot;

fn tell(text: &str) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::user(text)],
        ..ChatRequest::default()
    }
}

#[tokio::test]
async fn the_parrot_keeps_the_contract_of_a_provider() {
    let parrot: &dyn Provider = &Parrot;
    let whole = match parrot.complete(tell("Pieces of eight!")).await {
        Ok(whole) => whole,
        Err(error) => panic!(
            "Provider::complete says: \"{error}\" The stream ended without ChatEvent::Done, and an \
             answer without it counts as cut off. End yours with Done and the whole message"
        ),
    };
    assert_eq!(
        (whole.message.role, &*whole.message.content),
        (Role::Assistant, "Pieces of eight!"),
        "the message in Done is what the assistant said, put together"
    );
    assert_eq!(
        (&*whole.provider, &*whole.done_reason),
        ("parrot", "stop"),
        "Done says who spoke (the provider's name) and why it ended (stop)"
    );

    let mut answer = parrot.chat(tell("Pieces of eight!")).await.unwrap();
    let mut shown = Vec::new();
    while let Some(Ok(event)) = answer.next().await {
        if let ChatEvent::Content(piece) = event {
            shown.push(piece);
        }
    }
    assert_eq!(
        shown,
        ["Pieces ", "of ", "eight!"],
        "the answer still comes word by word: people read it while it grows"
    );

    let nothing = parrot.chat(ChatRequest::default()).await;
    assert_eq!(
        nothing.map(drop).map_err(|error| error.kind),
        Err(ErrorKind::Invalid),
        "a request without a message can't be answered: refuse it with an error of the kind Invalid, \
         before any stream begins"
    );
}
