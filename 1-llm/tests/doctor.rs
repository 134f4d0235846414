//! The doctor's states, as a person sees them.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[path = "../../tests/support/fake_ollama/mod.rs"]
mod fake_ollama;

use fake_ollama::{FakeModel, FakeOllama, Mode, Options};
use insta::assert_snapshot;
use mcp_llm::{
    Ollama, Settings,
    doctor::{State, examine},
};

const PLENTY: Option<u64> = Some(16_000_000_000);

async fn examined(url: &str, memory: Option<u64>) -> (State, String) {
    let env = |name: &str| (name == "OLLAMA_HOST").then(|| url.to_owned());
    let ollama = Ollama::connect(&Settings::default(), &env).unwrap();
    let report = examine(&ollama, memory).await;
    // The port is another one each time.
    (
        report.state,
        report.to_string().replace(url, "http://127.0.0.1:11434"),
    )
}

async fn with(models: Vec<FakeModel>) -> FakeOllama {
    FakeOllama::with(Options {
        models,
        ..Options::default()
    })
    .await
    .unwrap()
}

/// A server that answers these paths as given, and nothing else.
async fn answering(paths: &'static [(&'static str, u16, &'static str)]) -> String {
    let mut app = axum::Router::new();
    for (path, status, body) in paths {
        let status = axum::http::StatusCode::from_u16(*status).unwrap();
        app = app.route(
            path,
            axum::routing::get(move || async move { (status, *body) }),
        );
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn no_ollama() {
    let (state, shown) = examined("http://127.0.0.1:9", PLENTY).await;
    assert_eq!(state, State::NoOllama);
    assert_snapshot!(shown);
}

#[tokio::test]
async fn something_that_is_not_ollama() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let page =
        axum::Router::new().fallback(|| async { axum::response::Html("<h1>It works!</h1>") });
    tokio::spawn(async move { axum::serve(listener, page).await });
    let (state, shown) = examined(&url, PLENTY).await;
    assert_eq!(state, State::NoOllama);
    assert_snapshot!(shown);
}

#[tokio::test]
async fn no_model() {
    let fake = with(vec![FakeModel::new("all-minilm", &["embedding"])]).await;
    let (state, shown) = examined(&fake.url, PLENTY).await;
    assert_eq!(state, State::NoModel);
    assert_snapshot!(shown);
}

#[tokio::test]
async fn a_model_without_tools() {
    let fake = with(vec![FakeModel::new("tinyllama", &["completion"])]).await;
    let (state, shown) = examined(&fake.url, PLENTY).await;
    assert_eq!(state, State::NoTools);
    assert_snapshot!(shown);
}

#[tokio::test]
async fn a_model_that_is_too_large() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let (state, shown) = examined(&fake.url, Some(1_500_000_000)).await;
    assert_eq!(state, State::TooLarge);
    assert_snapshot!(shown);
}

#[tokio::test]
async fn a_model_that_is_loaded() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    fake.load("llama3.2:latest", 4096);
    let (state, shown) = examined(&fake.url, Some(1_500_000_000)).await;
    assert_eq!(
        state,
        State::Loaded,
        "what is in memory already needs no more of it"
    );
    assert_snapshot!(shown);
}

#[tokio::test]
async fn all_well() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let (state, shown) = examined(&fake.url, PLENTY).await;
    assert_eq!(state, State::Ready);
    assert_snapshot!(shown);
}

#[tokio::test]
async fn an_ollama_that_answers_only_half_is_not_said_to_have_no_models() {
    let url = answering(&[
        ("/api/version", 200, r#"{"version":"0.32.15"}"#),
        (
            "/api/tags",
            500,
            r#"{"error":"open models: permission denied"}"#,
        ),
    ])
    .await;
    let (state, shown) = examined(&url, PLENTY).await;
    assert_eq!(state, State::NoOllama);
    assert!(shown.starts_with("Ollama   -- Ollama failed"), "{shown}");
    assert!(!shown.contains("Models"), "{shown}");
}

#[tokio::test]
async fn memory_that_is_not_known_is_said_to_be_unknown() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let (state, shown) = examined(&fake.url, None).await;
    assert_eq!(state, State::Ready);
    let told = "Memory      the free memory isn't known on this system; llama3.2:latest takes about 3.1 GB\n";
    assert!(shown.contains(told), "{shown}");
}

#[tokio::test]
async fn no_state_needs_more_than_80_columns() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let mut all = vec![examined("http://127.0.0.1:9", PLENTY).await.1];
    for memory in [PLENTY, Some(1_500_000_000)] {
        all.push(examined(&fake.url, memory).await.1);
    }
    fake.load("llama3.2:latest", 4096);
    all.push(examined(&fake.url, PLENTY).await.1);
    for line in all.iter().flat_map(|shown| shown.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
