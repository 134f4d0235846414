//! Everything but chat.

use axum::{
    Router,
    http::header::CONTENT_TYPE,
    routing::{get, post},
};
use serde_json::json;

use crate::*;

#[tokio::test]
async fn models_and_health_tell_what_is_there() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = ollama(&fake, &quick());
    let models = provider.models().await.unwrap();
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "llama3.2:latest",
            "qwen3:latest",
            "tinyllama:latest",
            "all-minilm:latest"
        ]
    );
    assert_eq!(
        (
            models[0].parameters.as_str(),
            models[0].quantization.as_str()
        ),
        ("3.2B", "Q4_K_M")
    );
    assert_eq!(models[1].capabilities, ["completion", "tools", "thinking"]);
    let health = provider.health().await.unwrap();
    assert_eq!(
        (health.provider.as_str(), health.version.as_str()),
        ("ollama", "0.32.15")
    );
    assert_eq!(health.default_model, "llama3.2:latest");
}

#[tokio::test]
async fn show_tells_what_a_model_can_and_how_long_its_context_may_be() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let shown = ollama(&fake, &quick()).show("qwen3").await.unwrap();
    assert_eq!(shown.capabilities, ["completion", "tools", "thinking"]);
    assert_eq!(shown.longest_context(), Some(131_072));
    assert_eq!(shown.details.family, "llama");
    let error = ollama(&fake, &quick()).show("zzz").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ModelNotFound);
}

#[tokio::test]
async fn a_model_is_loaded_ahead_with_the_configured_context_and_unloaded_again() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = ollama(
        &fake,
        &Settings {
            num_ctx: Some(8192),
            ..quick()
        },
    );
    provider.preload("qwen3", Some("10m")).await.unwrap();
    let loaded = provider.loaded().await.unwrap();
    assert_eq!(
        (loaded[0].name.as_str(), loaded[0].context_length),
        ("qwen3:latest", 8192)
    );
    assert_eq!(fake.chats()[0]["keep_alive"], "10m");
    provider.unload("qwen3").await.unwrap();
    assert_eq!(provider.loaded().await.unwrap(), []);
}

#[tokio::test]
async fn embeddings_come_one_for_each_text() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let texts = ["a".to_owned(), "bb".to_owned()];
    let made = ollama(&fake, &quick())
        .embed("all-minilm", &texts)
        .await
        .unwrap();
    assert_eq!(made.embeddings, [[0.01, -0.25, 0.5], [0.02, -0.25, 0.5]]);
    let error = ollama(&fake, &quick())
        .embed("llama3.2", &texts)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_pull_reports_its_steps_and_the_model_is_there_then_and_can_be_deleted() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = ollama(&fake, &quick());
    let steps: Vec<_> = provider.pull("gemma3").map(Result::unwrap).collect().await;
    assert_eq!(steps[0].status, "pulling manifest");
    assert_eq!((steps[1].total, steps[1].completed), (2_019_377_376, 0));
    assert_eq!(steps[4].completed, steps[4].total);
    assert_eq!(steps.last().unwrap().status, "success");
    let there = async || {
        provider
            .models()
            .await
            .unwrap()
            .iter()
            .any(|model| model.name == "gemma3:latest")
    };
    assert!(there().await);
    provider.delete("gemma3").await.unwrap();
    assert!(!there().await);
    assert_eq!(
        provider.delete("gemma3").await.unwrap_err().kind,
        ErrorKind::ModelNotFound
    );
}

#[tokio::test]
async fn a_pull_of_what_is_not_there_says_where_to_look() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let steps: Vec<_> = ollama(&fake, &quick()).pull("fake-missing").collect().await;
    let error = steps.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind, ErrorKind::ModelNotFound);
    assert!(error.public.contains("ollama.com/library"), "{error}");
}

#[tokio::test]
async fn names_from_ollama_lose_what_hides_and_what_drives_a_terminal() {
    let bad = "llama\u{202e}3\u{1b}[2J\u{200b}\n";
    let good = "llama3[2J";
    let tags = json!({"models": [{"name": bad, "capabilities": ["completion", bad],
        "details": {"parameter_size": bad, "quantization_level": bad}}]});
    let ps = json!({"models": [{"name": bad}]});
    let line =
        json!({"model": bad, "message": {"content": "Hej"}, "done": true, "done_reason": bad});
    let step = json!({"status": bad});
    let success = json!({"status": "success"});
    let json_type = || [(CONTENT_TYPE, "application/json")];
    let on_get =
        |body: serde_json::Value| get(move || async move { (json_type(), body.to_string()) });
    let on_post = |lines: String| post(move || async move { (json_type(), lines) });
    let url = serves(
        Router::new()
            .route("/api/version", on_get(json!({"version": bad})))
            .route("/api/tags", on_get(tags))
            .route("/api/ps", on_get(ps))
            .route("/api/pull", on_post(format!("{step}\n{success}\n")))
            .route("/api/chat", on_post(format!("{line}\n"))),
    )
    .await;
    let provider = at(&url);
    let model = provider.models().await.unwrap().remove(0);
    assert_eq!(
        [model.name, model.parameters, model.quantization],
        [good; 3]
    );
    assert_eq!(model.capabilities, ["completion", good]);
    assert_eq!(provider.version().await.unwrap(), good);
    assert_eq!(provider.loaded().await.unwrap()[0].name, good);
    let steps: Vec<_> = provider.pull("m").map(Result::unwrap).collect().await;
    assert_eq!(steps[0].status, good);
    let done = collect(&provider, ask("hi")).await.done();
    assert_eq!([done.model, done.done_reason], [good; 2]);
}

#[tokio::test]
async fn the_heartbeat_needs_no_model_and_no_version() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = ollama(&fake, &quick());
    provider.heartbeat().await.unwrap();
    assert_eq!(
        (
            fake.requests()[0].method.as_str(),
            fake.requests()[0].path.as_str()
        ),
        ("HEAD", "/")
    );
    assert_eq!(provider.version().await.unwrap(), "0.32.15");
}
