//! The Ollama provider against the fake: each rule of the wire, and each thing that goes wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic in a test is its report"
)]

#[path = "../../../tests/support/fake_ollama/mod.rs"]
mod fake_ollama;
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod manage;
mod refusals;
mod waits;

use std::time::Duration;

use fake_ollama::{FakeModel, FakeOllama, Mode, Options};
use futures_util::StreamExt;
use mcp_llm::{
    ChatEvent, ChatRequest, ErrorKind, Message, Ollama, Provider, Role, Settings,
    address::{Address, Syntax},
};
use support::{ask, within};

fn quick() -> Settings {
    Settings {
        connect_timeout_ms: 500,
        first_byte_timeout_ms: 500,
        idle_timeout_ms: 200,
        ..Settings::default()
    }
}

fn ollama(fake: &FakeOllama, settings: &Settings) -> Ollama {
    Ollama::new(
        Address::parse(&fake.url, Syntax::Ollama).unwrap(),
        settings,
        None,
    )
    .unwrap()
}

/// A provider for a server that isn't the fake.
fn at(url: &str) -> Ollama {
    let settings = Settings {
        connect_timeout_ms: 500,
        ..Settings::default()
    };
    Ollama::new(
        Address::parse(url, Syntax::Ollama).unwrap(),
        &settings,
        None,
    )
    .unwrap()
}

/// A server of the test's own, for what the fake doesn't do.
async fn serves(app: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// A chat to its end, which comes: a provider that waits for ever fails its test.
async fn collect(provider: &Ollama, request: ChatRequest) -> support::Heard {
    within(support::collect(provider, request)).await
}

async fn chat(mode: Mode, request: ChatRequest) -> support::Heard {
    let fake = FakeOllama::start(mode).await;
    collect(&ollama(&fake, &quick()), request).await
}

const SAID: &str = "Hej på dig! You said “hi” — that is <fine> & good 🦙.";

/// What a mode ends with: the error, and the text that came before it.
async fn fails(mode: Mode) -> (mcp_llm::ProviderError, String) {
    let heard = chat(mode, ask("hi")).await;
    let text = heard.contents.concat();
    (heard.end.unwrap_err(), text)
}
