//! Who speaks: Ollama when it answers, the tutor when it doesn't, and everybody is told.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[path = "../../tests/support/fake_ollama/mod.rs"]
mod fake_ollama;
mod support;

use std::sync::Arc;

use fake_ollama::{FakeOllama, Mode};
use mcp_llm::{ChatRequest, ErrorKind, Provider, Settings, connect};
use support::{ask, within};

/// Nothing listens on port 9 of this machine (discard), and a refusal comes at once.
const NOBODY: &str = "http://127.0.0.1:9";

async fn collect(provider: &dyn Provider, request: ChatRequest) -> support::Heard {
    within(support::collect(provider, request)).await
}

fn provider(host: &str) -> Arc<dyn Provider> {
    let host = host.to_owned();
    let env = move |name: &str| (name == "OLLAMA_HOST").then(|| host.clone());
    connect(&Settings::default(), &env).unwrap()
}

#[tokio::test]
async fn ollama_speaks_when_it_answers() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = provider(&fake.url);
    assert_eq!(provider.health().await.unwrap().provider, "ollama");
    assert_eq!(
        collect(&*provider, ask("hi")).await.done().provider,
        "ollama"
    );
    let names: Vec<String> = provider
        .models()
        .await
        .unwrap()
        .into_iter()
        .map(|m| m.name)
        .collect();
    assert_eq!(names.first().map(String::as_str), Some("llama3.2:latest"));
    assert_eq!(
        names.last().map(String::as_str),
        Some("tutor"),
        "the tutor can be asked for by name"
    );
}

#[tokio::test]
async fn the_tutor_speaks_when_nothing_answers_and_says_so() {
    let provider = provider(NOBODY);
    let health = provider.health().await.unwrap();
    assert_eq!(
        (health.provider.as_str(), health.default_model.as_str()),
        ("tutor", "tutor")
    );
    let done = collect(&*provider, ask("what is MCP?")).await.done();
    assert_eq!(
        (done.provider.as_str(), done.model.as_str()),
        ("tutor", "tutor")
    );
    assert!(done.warnings.is_empty());
    assert_eq!(provider.models().await.unwrap().len(), 1);
}

#[tokio::test]
async fn somebody_who_asked_for_a_model_is_told_that_the_tutor_answers_instead() {
    let request = ChatRequest {
        model: Some("llama3.2".to_owned()),
        ..ask("what is MCP?")
    };
    let done = collect(&*provider(NOBODY), request).await.done();
    assert_eq!(done.provider, "tutor");
    assert!(
        done.warnings[0].contains("\"llama3.2\"") && done.warnings[0].contains("ollama serve"),
        "{done:?}"
    );
}

#[tokio::test]
async fn the_tutor_can_be_asked_for_by_name_while_ollama_runs() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let request = ChatRequest {
        model: Some("tutor".to_owned()),
        ..ask("what is MCP?")
    };
    assert_eq!(
        collect(&*provider(&fake.url), request)
            .await
            .done()
            .provider,
        "tutor"
    );
    assert!(fake.chats().is_empty());
}

#[tokio::test]
async fn a_burst_of_chats_asks_ollama_once_whether_it_is_there() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = provider(&fake.url);
    let named = || ChatRequest {
        model: Some("llama3.2".to_owned()),
        ..ask("hi")
    };
    let burst = (0..5).map(|_| collect(&*provider, named()));
    futures_util::future::join_all(burst).await;
    let asked = fake
        .requests()
        .iter()
        .filter(|request| request.path == "/api/version")
        .count();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn an_explicit_ollama_never_gives_way_to_the_tutor() {
    let settings: Settings =
        serde_json::from_value(serde_json::json!({"provider": "ollama", "base_url": NOBODY}))
            .unwrap();
    let provider = connect(&settings, &|_| None).unwrap();
    let error = collect(&*provider, ask("hi")).await.end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.public.contains("(from base_url)"), "{error}");
}

#[test]
fn an_address_that_is_none_stops_the_start_and_names_its_source() {
    let env = |name: &str| (name == "OLLAMA_HOST").then(|| "ftp://nowhere".to_owned());
    let error = connect(&Settings::default(), &env).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        error.public.starts_with("OLLAMA_HOST has a scheme"),
        "{error}"
    );
}
