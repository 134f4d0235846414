//! A server that is told to stop: calls end, and what lasts for ever doesn't hold it up.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

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

/// A server whose standard error nobody reads, as behind Ctrl-S or a log driver that hangs.
struct Unheard(Child);

impl Drop for Unheard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn standard_error_that_nobody_reads_holds_up_no_call_and_no_stop() {
    let child = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .env_clear()
        .env("MCP_LLM__PROVIDER", "tutor")
        .env("MCP_SERVER__PORT", "0")
        .env("MCP_LOG__LEVEL", "info,rmcp=trace")
        .env("MCP_AUDIT__STDERR", "false")
        .env("MCP_LIMITS__BURST", "1000")
        .args(["--transport", "sse"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Unheard(child);
    // Its first words are read, and then no more.
    let mut unread = BufReader::new(server.0.stderr.take().unwrap());
    let url = loop {
        let mut line = String::new();
        assert!(unread.read_line(&mut line).unwrap() > 0, "it starts");
        if let Some((_, rest)) = line.split_once("listening on ") {
            break rest.split("/mcp").next().unwrap().to_owned();
        }
    };
    let client = Wire::new(&format!("{url}/mcp"), None);
    let health = format!("{url}/healthz");
    let alive = async || {
        let asked = client.http.get(&health).timeout(PATIENCE);
        asked.send().await.is_ok()
    };
    // Each says more than a line; a pipe holds 64 KiB.
    let calls = async {
        for _ in 0..200 {
            let code = json!({ "code": "x".repeat(1_000) });
            let prompt = json!({ "name": "review-code", "arguments": code });
            let answer = client.request("prompts/get", prompt).await;
            assert_eq!(answer.status, 200);
        }
        assert!(alive().await);
    };
    tokio::time::timeout(PATIENCE, calls)
        .await
        .expect("every call ends");
    let told = Instant::now();
    let kill = Command::new("kill").arg(server.0.id().to_string()).status();
    assert!(kill.unwrap().success());
    let ended = loop {
        if let Some(status) = server.0.try_wait().unwrap() {
            break status;
        }
        assert!(told.elapsed() < PATIENCE, "it ends though nobody listens");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    drop(unread);
    assert!(ended.success(), "{ended}");
    let took = told.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}
