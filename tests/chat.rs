//! A chat from end to end: streamed, cut, cancelled; with a model and with the tutor.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::support::{Server, fake_ollama::Mode};

fn chat(server: &Server, prompt: &str) -> Value {
    server.anonymous().message("tools/call", json!({ "name": "ollama-chat", "arguments": { "prompt": prompt }, "_meta": { "progressToken": "t" } }))
}

#[tokio::test]
async fn tokens_arrive_as_progress_and_the_whole_answer_as_the_result() {
    let (_fake, server) = Server::with_fake(Mode::Thinking, |_config| {}).await;
    let mut messages = server
        .anonymous()
        .stream(chat(&server, "Why is the sky blue?"))
        .await;
    let (mut thinking, mut content, mut last_progress) = (String::new(), String::new(), 0.0);
    let result = loop {
        let message = messages.next().await.expect("the answer");
        if let Some(result) = message.get("result") {
            break result.clone();
        }
        let params = &message["params"];
        assert!(
            params["progress"].as_f64().unwrap() > last_progress,
            "progress only grows"
        );
        last_progress = params["progress"].as_f64().unwrap();
        match params["_meta"]["learn-mcp/kind"].as_str().unwrap() {
            "thinking" => thinking += params["message"].as_str().unwrap(),
            "content" => content += params["message"].as_str().unwrap(),
            "loading" | "queued" => {}
            other => panic!("{other}"),
        }
    };
    assert!(!thinking.is_empty() && !content.is_empty());
    assert_eq!(result["content"][0]["text"], content);
    let data = &result["structuredContent"];
    assert_eq!(data["provider"], "ollama");
    assert_eq!(data["message"]["role"], "assistant");
    assert_eq!(data["message"]["content"], content);
    assert_eq!(data["message"]["thinking"], thinking);
    assert!(data["usage"]["completion_tokens"].as_u64().unwrap() > 0);
    assert!(data["timings"]["total_ms"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn a_model_that_wants_a_tool_only_asks_for_it() {
    let (_fake, server) = Server::with_fake(Mode::Tools, |_config| {}).await;
    let arguments = json!({
        "prompt": "What's the weather in Oslo?",
        "tools": [{ "name": "weather-get", "description": "Weather", "parameters": { "type": "object" } }],
    });
    let answer = server.anonymous().call("ollama-chat", arguments).await;
    assert_eq!(
        answer.result()["structuredContent"]["message"]["tool_calls"][0]["name"],
        "weather-get"
    );
    let calls = server
        .record()
        .iter()
        .filter(|line| line["target"] == "weather-get")
        .count();
    assert_eq!(calls, 0, "nobody called it");
}

#[tokio::test]
async fn what_goes_wrong_behind_the_model_is_told_as_a_failed_tool() {
    for (mode, said) in [
        (Mode::ErrorMidStream, ""),
        (Mode::Cut, "stopped in the middle"),
        (Mode::Full, "busy"),
    ] {
        let (_fake, server) = Server::with_fake(mode, |_config| {}).await;
        let answer = server
            .anonymous()
            .call("ollama-chat", json!({ "prompt": "hi" }))
            .await;
        assert_eq!(answer.result()["isError"], true, "{mode:?}");
        let text = answer.result()["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_lowercase();
        assert!(text.contains(said), "{mode:?}: {text}");
        assert!(
            !text.contains("127.0.0.1"),
            "the engine's address is not the caller's business: {text}"
        );
        assert_eq!(server.record().last().unwrap()["outcome"], "ERROR");
    }
}

#[tokio::test]
async fn an_unknown_model_is_told_how_to_get_it() {
    let (_fake, server) = Server::with_fake(Mode::ByModel, |_config| {}).await;
    let answer = server
        .anonymous()
        .call("ollama-chat", json!({ "prompt": "hi", "model": "nosuch" }))
        .await;
    let text = answer.result()["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("ollama pull nosuch"), "{text}");
}

#[tokio::test]
async fn a_caller_who_goes_away_frees_the_model() {
    let (fake, server) = Server::with_fake(Mode::Stall, |_config| {}).await;
    let mut messages = server.anonymous().stream(chat(&server, "hi")).await;
    messages.next().await.expect("a first word");
    drop(messages);
    let left = Instant::now();
    fake.until_cancelled(1).await;
    assert!(
        left.elapsed() < Duration::from_millis(250),
        "the model was freed after {:?}",
        left.elapsed()
    );
    while !std::fs::read_to_string(server.folder.path().join("audit.jsonl"))
        .unwrap()
        .contains("CANCELLED")
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_session_can_cancel_by_saying_so() {
    let (fake, server) = Server::with_fake(Mode::Stall, |_config| {}).await;
    let client = server.anonymous();
    client.initialize("2025-06-18").await;
    let request = json!({ "jsonrpc": "2.0", "id": 42, "method": "tools/call", "params": { "name": "ollama-chat", "arguments": { "prompt": "hi" }, "_meta": { "progressToken": 1 } } });
    let mut messages = client.stream(request).await;
    messages.next().await.expect("a first word");
    client.send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 42, "reason": "enough" } })).await;
    fake.until_cancelled(1).await;
}

#[tokio::test]
async fn without_a_model_the_tutor_answers_and_says_who_it_is() {
    let server = Server::local().await;
    let answer = server
        .anonymous()
        .call("ollama-chat", json!({ "prompt": "What is a tool in MCP?" }))
        .await;
    let data = &answer.result()["structuredContent"];
    assert_eq!(data["provider"], "tutor");
    assert!(
        data["message"]["content"].as_str().unwrap().contains(".md"),
        "it cites its page: {data}"
    );
    let models = server
        .anonymous()
        .call("ollama-list-models", json!({}))
        .await;
    assert_eq!(models.result()["structuredContent"]["provider"], "tutor");
}

#[tokio::test]
async fn a_context_that_the_operator_doesnt_allow_never_reaches_the_engine() {
    let (fake, server) = Server::with_fake(Mode::Normal, |config| {
        config.limits.max_num_ctx = 4_096;
    })
    .await;
    let chat = async |tokens: u32| {
        let options = json!({ "num_ctx": tokens });
        let arguments = json!({ "prompt": "hello", "options": options });
        let answer = server.anonymous().call("ollama-chat", arguments).await;
        answer.result().clone()
    };
    let refused = chat(4_097).await;
    assert_eq!(refused["isError"], true, "{refused}");
    let why = refused["content"][0]["text"].as_str().unwrap();
    assert!(why.contains("from 1 to 4096"), "{why}");
    assert_eq!(fake.chats().len(), 0);
    assert_eq!(chat(4_096).await["isError"], false);
}
