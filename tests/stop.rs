//! A server that is told to stop: calls end, and what lasts for ever doesn't hold it up.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use mcp_server::transport::HttpSettings;

use crate::support::{
    Process, Server, Wire,
    fake_ollama::{FakeOllama, Mode},
    odd::Odd,
};

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

/// A server whose tool `slow` never ends, with a call of it that runs.
async fn slow() -> (Odd, Server) {
    let odd = Odd::default();
    let settings = HttpSettings::default();
    (odd.clone(), Server::guarding(odd, |it| it, settings).await)
}

/// Waits until so many calls have reached the handler.
async fn reached(odd: &Odd, calls: usize) {
    let reached = async {
        while odd.reached() < calls {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("the call in time");
}

/// What became of the calls, by the record.
fn outcomes(server: &Server) -> Vec<String> {
    let record = server.record();
    let calls = record.iter().filter(|it| it["method"] == "tools/call");
    calls
        .map(|it| it["outcome"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_call_that_is_cut_off_leaves_its_record_over_http() {
    let (odd, mut server) = slow().await;
    let clients = [(None, false), (None, true), (Some("2025-06-18"), false)];
    for (place, (version, asks_for_progress)) in clients.into_iter().enumerate() {
        let client = server.client("ada");
        if let Some(version) = version {
            client.initialize(version).await;
        }
        let mut params = json!({ "name": "slow", "arguments": {} });
        if asks_for_progress {
            params["_meta"] = json!({ "progressToken": "t" });
        }
        let call = client.post(&client.message("tools/call", params));
        tokio::spawn(async move { drop(call.send().await) });
        reached(&odd, place + 1).await;
    }
    server.shutdown.cancel();
    server.stopped().await;
    assert_eq!(outcomes(&server), ["CANCELLED"; 3]);
}

#[tokio::test]
async fn a_call_that_is_cut_off_leaves_its_record_over_sse() {
    let (odd, mut server) = slow().await;
    let client = server.client("ada");
    let at = |path: &str| format!("http://{}{path}", server.address);
    let stream = client.http.get(at("/sse")).bearer_auth("ada");
    let stream = stream.send().await.unwrap();
    let mut chunks = Box::pin(stream.bytes_stream());
    let first = chunks.next().await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    let path = first.split("data:").nth(1).unwrap().trim().to_owned();
    for message in [
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "slow", "arguments": {} } }),
    ] {
        let post = client.http.post(at(&path)).bearer_auth("ada");
        let post = post.body(message.to_string()).send().await.unwrap();
        assert_eq!(post.status(), 202);
    }
    reached(&odd, 1).await;
    server.shutdown.cancel();
    server.stopped().await;
    assert_eq!(outcomes(&server), ["CANCELLED"]);
}

#[tokio::test]
async fn a_call_that_is_cut_off_leaves_its_record_over_stdio() {
    let (odd, server) = slow().await;
    let mut talk = server.talk(Some("ada"));
    talk.hello().await;
    let params = json!({ "name": "slow", "arguments": {} });
    talk.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
        .await;
    reached(&odd, 1).await;
    talk.shutdown.cancel();
    talk.end().await.unwrap();
    assert_eq!(outcomes(&server), ["CANCELLED"]);
}

/// The variables of a server whose engine accepts questions and never answers.
fn hanging(url: &str) -> [(&'static str, &str); 6] {
    [
        ("MCP_LLM__PROVIDER", "ollama"),
        ("MCP_LLM__BASE_URL", url),
        ("MCP_LLM__DEFAULT_MODEL", "llama3.2:latest"),
        ("MCP_SERVER__SHUTDOWN_TIMEOUT_MS", "300"),
        ("MCP_AUDIT__STDERR", "false"),
        ("MCP_AUDIT__FILE", "audit.jsonl"),
    ]
}

/// Waits until the engine has been asked so many questions.
async fn asked(fake: &FakeOllama, questions: usize) {
    let asked = async {
        while fake.chats().len() < questions {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("a question in time");
}

fn terminate(id: u32) {
    let mut kill = Command::new("kill");
    assert!(kill.arg(id.to_string()).status().unwrap().success());
}

/// The outcomes of the chats in a folder's record, once there is one.
async fn recorded(folder: &std::path::Path) -> Vec<String> {
    for _ in 0..400 {
        let text = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap_or_default();
        let found: Vec<_> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["method"] == "tools/call")
            .map(|line| line["outcome"].as_str().unwrap().to_owned())
            .collect();
        if !found.is_empty() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no record of the call");
}

#[cfg(unix)]
#[tokio::test]
async fn a_call_that_sigterm_cuts_off_leaves_its_record() {
    let fake = FakeOllama::start(Mode::Hang).await;
    let url = fake.url.clone();
    let chat = json!({ "name": "ollama-chat", "arguments": { "prompt": "Why is the sky blue?" } });

    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &hanging(&url));
    let served = process.url_after("listening on ");
    let client = Wire::new(&format!("{served}/mcp"), None);
    let call = client.post(&client.message("tools/call", chat.clone()));
    tokio::spawn(async move { drop(call.send().await) });
    asked(&fake, 1).await;
    terminate(process.id());
    assert_eq!(recorded(folder.path()).await, ["CANCELLED"], "http");

    let folder = tempfile::tempdir().unwrap();
    let mut host = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .env_clear()
        .envs(hanging(&url))
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let call = client.message("tools/call", chat);
    let input = host.stdin.as_mut().unwrap();
    std::io::Write::write_all(input, format!("{call}\n").as_bytes()).unwrap();
    asked(&fake, 2).await;
    terminate(host.id());
    assert_eq!(recorded(folder.path()).await, ["CANCELLED"], "stdio");
    assert!(host.wait().unwrap().success());
}
