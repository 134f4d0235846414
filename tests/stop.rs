//! A server that is told to stop: calls end, and what lasts for ever doesn't hold it up.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::support::{Server, Wire, fake_ollama::Mode};

/// Less than a model takes for its answer would be no test; more than this is a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answer to a chat in whose midst the server is told to stop.
async fn stopped_in_the_midst_of_a_chat(server: &Server, client: &Wire) -> Value {
    let chat = client.message(
        "tools/call",
        json!({ "name": "ollama-chat", "arguments": { "prompt": "Why is the sky blue?" }, "_meta": { "progressToken": "t" } }),
    );
    let mut messages = client.stream(chat).await;
    let answer = async {
        loop {
            let message = messages.next().await.expect("the answer");
            server.shutdown.cancel();
            if message.get("id").is_some() {
                return message;
            }
        }
    };
    tokio::time::timeout(PATIENCE, answer)
        .await
        .expect("an answer in time")
}

#[tokio::test]
async fn a_running_call_gets_its_answer() {
    for session in [None, Some("2025-06-18")] {
        let (_fake, server) = Server::with_fake(Mode::Normal, |_config| {}).await;
        let client = server.anonymous();
        if let Some(version) = session {
            client.initialize(version).await;
        }
        let answer = stopped_in_the_midst_of_a_chat(&server, &client).await;
        assert_eq!(answer["result"]["isError"], false, "{session:?}: {answer}");
    }
}

#[tokio::test]
async fn a_stream_that_would_last_for_ever_ends() {
    let server = Server::local().await;
    let old = server.anonymous();
    old.initialize("2025-06-18").await;
    let listening = old
        .http
        .get(server.url())
        .header("mcp-session-id", old.session().unwrap())
        .header("mcp-protocol-version", "2025-06-18")
        .header("accept", "text/event-stream");
    let listening = listening.send().await.unwrap();
    assert_eq!(listening.status(), 200);
    let new = server.anonymous();
    let listen = new.message(
        "subscriptions/listen",
        json!({ "notifications": { "toolsListChanged": true } }),
    );
    let mut messages = new.stream(listen).await;
    assert!(messages.next().await.is_some(), "it is acknowledged");

    server.shutdown.cancel();
    let both = async {
        let _ = listening.bytes().await;
        while messages.next().await.is_some() {}
    };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("both end");
}
