//! What the protocol library answers, refuses or drops by itself leaves its one line too.

use mcp_server::transport::HttpSettings;
use serde_json::{Value, json};

use crate::support::{NEWEST, Server, odd::Odd, whole};

async fn server() -> Server {
    Server::guarding(Odd::default(), |it| it, HttpSettings::default()).await
}

fn lines(record: &[Value]) -> Vec<(String, String)> {
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    record
        .iter()
        .map(|line| (text(line, "method"), text(line, "outcome")))
        .collect()
}

fn expect(record: &[Value], expected: &[(&str, &str)]) {
    let mut wanted: Vec<_> = expected
        .iter()
        .map(|(method, outcome)| ((*method).to_owned(), (*outcome).to_owned()))
        .collect();
    let mut found = lines(record);
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted, "{record:#?}");
}

#[tokio::test]
async fn before_the_handshake_over_stdio() {
    let server = server().await;
    let mut talk = server.talk(Some("ada"));
    assert!(talk.ask(1, "ping", json!({})).await["result"].is_object());
    assert_eq!(
        talk.ask(2, "tools/list", json!({})).await["error"]["code"],
        -32602,
        "no metadata"
    );
    let mut unknown = whole(json!({}));
    unknown["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2099-01-01".into();
    assert_eq!(
        talk.ask(3, "tools/list", unknown).await["error"]["code"],
        -32022
    );
    talk.hello().await;
    talk.end().await.unwrap();
    let record = server.record();
    expect(
        &record,
        &[
            ("ping", "SUCCESS"),
            ("tools/list", "REJECTED"),
            ("tools/list", "REJECTED"),
            ("initialize", "SUCCESS"),
            ("notifications/initialized", "SUCCESS"),
        ],
    );
    for line in &record {
        assert_eq!(line["transport"], "stdio");
        assert!(line["identity"].as_str().unwrap().starts_with("key:"));
    }
    let reasons = |part: &str| {
        record
            .iter()
            .filter(|line| line["denial"].as_str().unwrap_or_default().contains(part))
            .count()
    };
    assert_eq!(
        (reasons("_meta"), reasons("nsupported")),
        (1, 1),
        "with the library's reason: {record:#?}"
    );
}

#[tokio::test]
async fn what_a_version_no_longer_has_over_stdio() {
    let server = server().await;
    let mut talk = server.talk(Some("ada"));
    talk.ask(1, "tools/list", whole(json!({}))).await;
    assert_eq!(
        talk.ask(2, "ping", whole(json!({}))).await["error"]["code"],
        -32601
    );
    let uri = whole(json!({ "uri": "config://server" }));
    assert_eq!(
        talk.ask(3, "resources/subscribe", uri).await["error"]["code"],
        -32601
    );
    let mut bare = whole(json!({ "taskId": "t" }));
    bare["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    assert_eq!(
        talk.ask(4, "tasks/get", bare).await["error"]["code"],
        -32021,
        "a capability is missing"
    );
    talk.end().await.unwrap();
    expect(
        &server.record(),
        &[
            ("tools/list", "SUCCESS"),
            ("ping", "REJECTED"),
            ("resources/subscribe", "REJECTED"),
            ("tasks/get", "REJECTED"),
        ],
    );
}

#[tokio::test]
async fn a_line_that_is_no_message_or_too_long_over_stdio() {
    let settings = HttpSettings {
        max_body_bytes: 10_000,
        ..Default::default()
    };
    let server = Server::guarding(Odd::default(), |it| it, settings).await;
    let mut talk = server.talk(Some("ada"));
    talk.hello().await;
    talk.say(b"{bad").await;
    talk.say(b"\xff\xfe").await;
    talk.say("x".repeat(50_000).as_bytes()).await;
    talk.say(b"").await;
    talk.say(br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#)
        .await;
    assert_eq!(talk.hear().await["error"]["code"], -32600);
    talk.say(br#"{"jsonrpc":"1.0","id":5,"method":"ping"}"#)
        .await;
    let refused = talk.hear().await;
    assert_eq!(
        (&refused["error"]["code"], &refused["id"]),
        (&json!(-32600), &json!(5))
    );
    assert!(
        talk.ask(6, "ping", json!({})).await["result"].is_object(),
        "and it goes on"
    );
    talk.end().await.unwrap();
    let record = server.record();
    expect(
        &record,
        &[
            ("initialize", "SUCCESS"),
            ("notifications/initialized", "SUCCESS"),
            ("(unreadable)", "REJECTED"),
            ("(unreadable)", "REJECTED"),
            ("(unreadable)", "TOO_LARGE"),
            ("(unreadable)", "REJECTED"),
            ("ping", "REJECTED"),
            ("ping", "SUCCESS"),
        ],
    );
}

#[tokio::test]
async fn what_is_refused_before_the_pipeline_over_http() {
    let server = server().await;
    let ada = server.client("ada");
    let mut message = ada.message("ping", json!({}));
    assert_eq!(
        ada.send(message.clone()).await.status,
        404,
        "2026-07-28 has no ping"
    );
    message["method"] = "tools/list".into();
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2099-01-01".into();
    let unknown = ada
        .post(&message)
        .header("mcp-protocol-version", "2099-01-01")
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 400);
    let answer = ada.request("tasks/get", json!({ "taskId": "t" })).await;
    assert_eq!(answer.error()["code"], -32021);
    let noted = ada
        .post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
        .header("mcp-protocol-version", NEWEST)
        .header("mcp-method", "notifications/initialized")
        .send()
        .await
        .unwrap();
    assert_eq!(
        noted.status(),
        202,
        "without a session it has no use, and is dropped"
    );
    expect(
        &server.record(),
        &[
            ("ping", "REJECTED"),
            ("tools/list", "REJECTED"),
            ("tasks/get", "REJECTED"),
            ("notifications/initialized", "REJECTED"),
        ],
    );
}

#[tokio::test]
async fn what_is_refused_inside_a_session_over_http() {
    let server = server().await;
    let ada = server.client("ada");
    ada.initialize("2025-06-18").await;
    let answer = ada.request("tasks/get", json!({ "taskId": "t" })).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.error()["code"]),
        (200, &json!(-32021))
    );
    let stray = ada
        .send(json!({ "jsonrpc": "2.0", "id": 77, "result": {} }))
        .await;
    assert_eq!(stray.status, 202);
    let stream = ada
        .http
        .get(server.url())
        .bearer_auth("ada")
        .header("mcp-session-id", ada.session().unwrap())
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    drop(stream);
    let closed = ada
        .http
        .delete(server.url())
        .bearer_auth("ada")
        .header("mcp-session-id", ada.session().unwrap())
        .send()
        .await
        .unwrap();
    assert!(closed.status().is_success());
    let gone = ada.request("tools/list", json!({})).await;
    assert_eq!(gone.status, 404);
    expect(
        &server.record(),
        &[
            ("initialize", "SUCCESS"),
            ("notifications/initialized", "SUCCESS"),
            ("tasks/get", "REJECTED"),
            ("POST /mcp", "SUCCESS"),
            ("GET /mcp", "SUCCESS"),
            ("DELETE /mcp", "SUCCESS"),
            ("tools/list", "REJECTED"),
        ],
    );
}

#[tokio::test]
async fn notifications_pass_the_guard_and_a_cancelled_call_is_one_line() {
    let server = server().await;
    let mut talk = server.talk(Some("bob"));
    talk.hello().await;
    talk.send(&json!({ "jsonrpc": "2.0", "method": "notifications/custom/thing", "params": {} }))
        .await;
    talk.send(&json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": 1 } })).await;
    talk.send(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }))
        .await;
    server
        .until_recorded(|line| line["method"] == "notifications/roots/list_changed")
        .await;
    talk.end().await.unwrap();
    let ada = server.talk(Some("ada"));
    let mut ada = ada;
    ada.hello().await;
    ada.send(
        &json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": { "name": "slow" } }),
    )
    .await;
    ada.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 9 } })).await;
    server
        .until_recorded(|line| line["outcome"] == "CANCELLED")
        .await;
    ada.end().await.unwrap();
    let record = server.record();
    expect(
        &record,
        &[
            ("initialize", "SUCCESS"),
            ("notifications/initialized", "SUCCESS"),
            ("notifications/custom/thing", "FORBIDDEN"),
            ("notifications/progress", "SUCCESS"),
            ("notifications/roots/list_changed", "SUCCESS"),
            ("initialize", "SUCCESS"),
            ("notifications/initialized", "SUCCESS"),
            ("tools/call", "CANCELLED"),
            ("notifications/cancelled", "SUCCESS"),
        ],
    );
}

#[tokio::test]
async fn what_comes_first_over_stdio_and_is_no_request_ends_nothing() {
    let server = server().await;
    let mut talk = server.talk(Some("ada"));
    talk.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
        .await;
    talk.send(&json!({ "jsonrpc": "2.0", "id": 7, "result": {} }))
        .await;
    talk.hello().await;
    talk.end().await.unwrap();
    let record = server.record();
    expect(
        &record,
        &[
            ("notifications/initialized", "REJECTED"),
            ("initialize", "SUCCESS"),
            ("notifications/initialized", "SUCCESS"),
        ],
    );
    let reason = record[0]["denial"].as_str().unwrap();
    assert!(reason.contains("begins with a request"), "{reason}");
}

#[tokio::test]
async fn a_line_that_would_take_too_much_to_parse_is_refused_by_its_id() {
    let server = server().await;
    let mut talk = server.talk(Some("ada"));
    talk.hello().await;
    let many = json!({ "name": "echo", "arguments": { "list": vec![0; 40_000] } });
    let answer = talk.ask(7, "tools/call", many).await;
    assert_eq!(answer["error"]["code"], 413, "{answer}");
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(said.contains("32768 values"), "{said}");
    talk.end().await.unwrap();
    let record = server.record();
    assert_eq!(record.last().unwrap()["outcome"], "TOO_LARGE");
    assert_eq!(record.last().unwrap()["method"], "tools/call");
}
