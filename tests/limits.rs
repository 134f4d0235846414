//! How much, how long, how many: through the whole server.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::{StreamExt as _, stream};
use mcp_server::{
    interceptor::{LimitSettings, Rate},
    transport::HttpSettings,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::support::{Server, keys, odd::Odd, whole};

async fn odd(change: impl FnOnce(&mut LimitSettings), time_out: Duration) -> (Odd, Server) {
    let odd = Odd::default();
    let mut limits = LimitSettings::default();
    change(&mut limits);
    let server = Server::guarding(
        odd.clone(),
        |it| it.limits(limits).timeout(time_out),
        HttpSettings::default(),
    )
    .await;
    (odd, server)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_calls_at_once_exactly_the_burst_passes() {
    let set = |limits: &mut LimitSettings| {
        limits.identity = Rate::new(1, 137).unwrap();
        limits.concurrent = 2_000.try_into().unwrap();
    };
    let (odd, server) = odd(set, LONG).await;
    let ada = server.client("ada");
    let calls = stream::iter(0..1_000)
        .map(|_| ada.call("echo", json!({})))
        .buffer_unordered(128);
    let statuses: Vec<u16> = calls.map(|answer| answer.status.as_u16()).collect().await;
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(200), count(429)), (137, 863));
    assert_eq!(
        odd.reached.load(Ordering::SeqCst),
        137,
        "and no other reached the handler"
    );
}

#[tokio::test]
async fn one_identity_is_one_budget_over_every_header_session_and_transport() {
    let (_odd, server) = odd(|limits| limits.identity = Rate::new(1, 6).unwrap(), LONG).await;
    let ada = server.client("ada");
    let anonymous = server.anonymous();
    let message = anonymous.message("tools/list", json!({}));
    for header in ["x-api-key", "x-mcp-client-key"] {
        assert_eq!(
            anonymous
                .post(&message)
                .header(header, "ada")
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
    ada.initialize("2025-11-25").await; // two: the handshake, and its notification
    let mut talk = server.talk(Some("ada"));
    assert!(talk.ask(1, "tools/list", whole(json!({}))).await["result"].is_object());
    assert!(talk.ask(2, "tools/list", whole(json!({}))).await["result"].is_object());
    assert_eq!(
        talk.ask(3, "tools/list", whole(json!({}))).await["error"]["code"],
        429
    );
    let answer = ada.request("tools/list", json!({})).await;
    assert_eq!(answer.error()["code"], 429);
    talk.end().await.unwrap();
}

#[tokio::test]
async fn asking_for_what_is_forbidden_uses_up_the_rate() {
    let (_odd, server) = odd(|limits| limits.identity = Rate::new(1, 3).unwrap(), LONG).await;
    let bob = server.client("bob");
    let mut statuses = Vec::new();
    for name in ["keys-delete", "files-read", "no-such-tool", "another"] {
        statuses.push(bob.call(name, json!({})).await.status.as_u16());
    }
    assert_eq!(
        statuses,
        [403, 403, 403, 429],
        "bob may call none of these tools, and his rate allows three calls in one go. The rate must be \
         charged before the scopes are looked at: otherwise trying out names costs nothing, and a \
         caller finds every tool at the speed of the network"
    );
}

#[tokio::test]
async fn a_tool_can_have_a_tighter_rate_than_its_caller() {
    let set = |limits: &mut LimitSettings| {
        limits
            .tools
            .insert("echo".to_owned(), Rate::new(1, 1).unwrap());
    };
    let (_odd, server) = odd(set, LONG).await;
    let ada = server.client("ada");
    assert_eq!(ada.call("echo", json!({})).await.status, 200);
    let refused = ada.call("echo", json!({})).await;
    assert_eq!(refused.status, 429);
    assert!(
        refused.error()["message"]
            .as_str()
            .unwrap()
            .contains("echo")
    );
    assert_eq!(ada.call("other", json!({})).await.status, 200);
    assert_eq!(
        server.client("bob").call("echo", json!({})).await.status,
        200
    );
}

#[tokio::test]
async fn only_so_many_calls_of_one_caller_run_at_once() {
    let (_odd, server) = odd(|limits| limits.concurrent = 1.try_into().unwrap(), LONG).await;
    let ada = server.client("ada");
    let running = ada
        .post(&ada.message("tools/call", json!({ "name": "slow" })))
        .send();
    let running = tokio::spawn(running);
    while ada.call("echo", json!({})).await.status == 200 {}
    assert_eq!(
        server.client("bob").call("echo", json!({})).await.status,
        200
    );
    running.abort();
    server
        .until_recorded(|line| line["outcome"] == "CANCELLED")
        .await;
    assert_eq!(
        ada.call("echo", json!({})).await.status,
        200,
        "its place is free again"
    );
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_stopped_told_and_recorded() {
    let (_odd, server) = odd(|_| {}, Duration::from_millis(50)).await;
    let ada = server.client("ada");
    let answer = ada.call("slow", json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.error()["code"]),
        (408, &json!(408))
    );
    ada.initialize("2025-06-18").await;
    assert_eq!(ada.call("slow", json!({})).await.error()["code"], 408);
    let mut talk = server.talk(Some("ada"));
    talk.hello().await;
    let answer = talk.ask(1, "tools/call", json!({ "name": "slow" })).await;
    assert_eq!(answer["error"]["code"], 408);
    talk.end().await.unwrap();
    let record = server.record();
    let lines: Vec<_> = record
        .iter()
        .filter(|line| line["outcome"] == "TIMEOUT")
        .collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines
            .iter()
            .all(|line| line["duration_ms"].as_f64().unwrap() >= 50.0)
    );
}

#[tokio::test]
async fn a_tool_that_panics_fails_alone() {
    let (_odd, server) = odd(|limits| limits.concurrent = 1.try_into().unwrap(), LONG).await;
    let ada = server.client("ada");
    for _ in 0..3 {
        let answer = ada.call("panic", json!({})).await;
        assert_eq!(answer.error()["code"], -32603);
        assert!(
            !answer.text.contains("broken"),
            "what it panicked with is for the log"
        );
    }
    let mut talk = server.talk(Some("ada"));
    talk.hello().await;
    assert_eq!(
        talk.ask(1, "tools/call", json!({ "name": "panic" })).await["error"]["code"],
        -32603
    );
    assert!(talk.ask(2, "tools/call", json!({ "name": "echo" })).await["result"].is_object());
    talk.end().await.unwrap();
    assert_eq!(
        ada.call("echo", json!({})).await.status,
        200,
        "its place was given back each time"
    );
    let errors = server
        .record()
        .iter()
        .filter(|line| line["outcome"] == "ERROR")
        .count();
    assert_eq!(errors, 4);
}

#[tokio::test]
async fn sessions_are_few_in_all_and_of_one_identity() {
    let settings = HttpSettings {
        max_sessions: 5,
        max_sessions_per_identity: 4,
        ..Default::default()
    };
    let server = Server::guarding(Odd::default(), |it| it, settings).await;
    let clients: Vec<_> = (0..40).map(|_| server.client("ada")).collect();
    let opened = stream::iter(&clients)
        .map(|client| client.initialize("2025-06-18"))
        .buffer_unordered(40);
    let statuses: Vec<u16> = opened.map(|answer| answer.status.as_u16()).collect().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 4);
    assert!(
        statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(
        server.client("bob").initialize("2025-06-18").await.status,
        200
    );
    assert_eq!(
        server.client("bob").initialize("2025-06-18").await.status,
        429,
        "in all"
    );
}

#[tokio::test]
async fn a_key_that_runs_out_ends_its_streams_and_calls() {
    let (_odd, server) = odd(|_| {}, LONG).await;
    let soon = chrono::Utc::now() + chrono::Duration::milliseconds(1_500);
    let file = keys(&[("ada", "\"*\"")])
        + &format!(
            "expires = {}\n",
            soon.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
        );
    std::fs::write(server.keys_file(), file).unwrap();
    server.keys.reload().unwrap();
    let ada = server.client("ada");
    ada.initialize("2025-06-18").await;
    let stream = ada
        .http
        .get(server.url())
        .bearer_auth("ada")
        .header("mcp-session-id", ada.session().unwrap())
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let mut talk = server.talk(Some("ada"));
    talk.hello().await;
    let (ended, answer) = tokio::join!(
        async {
            let mut bytes = stream.bytes_stream();
            while bytes.next().await.is_some() {}
        },
        talk.ask(1, "tools/call", json!({ "name": "slow" })),
    );
    let () = ended;
    assert_eq!(answer["error"]["code"], 401, "{answer}");
    let late = chrono::Utc::now() - soon;
    assert!(late < chrono::Duration::seconds(1), "{late}");
    assert_eq!(
        talk.ask(2, "tools/call", json!({ "name": "echo" })).await["error"]["code"],
        401
    );
    assert_eq!(ada.call("echo", json!({})).await.status, 401);
    talk.end().await.unwrap();
}

#[tokio::test]
async fn what_never_reaches_the_pipeline_is_charged_all_the_same() {
    let (_odd, server) = odd(|limits| limits.identity = Rate::new(1, 3).unwrap(), LONG).await;
    let ada = server.client("ada");
    let ping = ada.message("ping", json!({}));
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(ada.send(ping.clone()).await.status.as_u16());
    }
    assert_eq!(statuses, [404, 404, 404, 429, 429]);
    assert_eq!(ada.call("echo", json!({})).await.status, 429);
}

#[tokio::test]
async fn a_stream_that_watches_too_many_kinds_of_things_cant_swell_the_record() {
    let (_odd, server) = odd(|_| {}, LONG).await;
    let uris: Vec<_> = (0..20_000)
        .map(|n| format!("s{n}{}://x", "y".repeat(60)))
        .collect();
    let listen = json!({ "notifications": { "resourceSubscriptions": uris } });
    let mut talk = server.talk(Some("bob"));
    let answer = talk.ask(1, "subscriptions/listen", whole(listen)).await;
    assert_eq!(answer["error"]["code"], 413, "{answer}");
    talk.end().await.unwrap();
    server.record();
    let text = std::fs::read_to_string(server.folder.path().join("audit.jsonl")).unwrap();
    assert!(text.lines().all(|line| line.len() < 10_000));
}

/// A caller that asks for much and takes nothing of it.
async fn asks_and_reads_nothing(server: &Server, body: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // What the system takes in for it must be less than the answer.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ada\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: echo\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    stream
}

#[tokio::test]
async fn a_call_keeps_its_place_until_its_answer_is_out() {
    let server = Server::prod_with(|config| config.limits.concurrent = 1.try_into().unwrap()).await;
    let ada = server.client("ada");
    let large = json!({ "name": "echo", "arguments": { "message": "x".repeat(4_000_000) } });
    let large = ada.message("tools/call", large).to_string();
    let mut unread = asks_and_reads_nothing(&server, &large).await;
    let small = json!({ "message": "hello" });
    assert_eq!(ada.call("echo", small.clone()).await.status, 429);
    let mut answer = Vec::new();
    unread.read_to_end(&mut answer).await.unwrap();
    assert!(answer.len() > large.len(), "{}", answer.len());
    assert_eq!(ada.call("echo", small).await.status, 200);
}
