//! Each request leaves exactly one line in the record, whatever became of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::Server;

fn outcomes(record: &[Value]) -> BTreeMap<String, usize> {
    record.iter().fold(BTreeMap::new(), |mut counts, line| {
        *counts
            .entry(line["outcome"].as_str().unwrap().to_owned())
            .or_default() += 1;
        counts
    })
}

#[tokio::test]
async fn every_outcome_is_written_once() {
    let server = Server::prod_with(|config| config.limits.burst = 5).await;
    let bob = server.client("bob");
    bob.call("echo", json!({ "message": "secret words" })).await;
    bob.call("echo", json!({ "wrong": "secret words" })).await;
    bob.call("weather-get", json!({ "city": "Oslo" })).await;
    bob.request("tools/list", json!({})).await;
    bob.request("server/discover", json!({})).await;
    bob.call("echo", json!({ "message": "one too many" })).await;
    server
        .anonymous()
        .call("echo", json!({ "message": "hi" }))
        .await;
    server
        .client("mallory")
        .call("echo", json!({ "message": "hi" }))
        .await;
    let record = server.record();
    let expected = [
        ("SUCCESS", 3),
        ("ERROR", 1),
        ("FORBIDDEN", 1),
        ("THROTTLED", 1),
        ("UNAUTHORIZED", 2),
    ];
    assert_eq!(
        outcomes(&record),
        expected
            .map(|(outcome, count)| (outcome.to_owned(), count))
            .into()
    );
    let text = format!("{record:?}");
    assert!(!text.contains("secret words"), "values are never written");

    let call = &record[0];
    assert_eq!(call["method"], "tools/call");
    assert_eq!(call["target"], "echo");
    assert_eq!(call["arguments"], json!(["message"]));
    assert_eq!(call["scopes"], json!(["tools:util:echo"]));
    assert_eq!(call["name"], "bob");
    assert_eq!(call["client"], "wire/0");
    assert_eq!(call["protocol"], "2026-07-28");
    assert_eq!(call["transport"], "http");
    assert!(
        call["identity"].as_str().unwrap().starts_with("key:")
            && call["identity"].as_str().unwrap().len() == 16
    );
    assert!(call["duration_ms"].as_f64().unwrap() >= 0.0);
    let left = call["budget_left"].as_u64().unwrap();
    let throttled = record.iter().find(|line| line["outcome"] == "THROTTLED");
    let throttled = throttled.unwrap();
    assert!(left > 0 && throttled["budget_left"] == 0);
    // It was refused before it was read: this is what its headers say.
    assert_eq!(throttled["method"], "tools/call");
    assert_eq!(throttled["target"], "echo");
}

#[tokio::test]
async fn a_client_that_doesnt_say_its_name_has_none_in_the_record() {
    let server = Server::prod().await;
    let ada = server.client("ada");
    let mut call = ada.message(
        "tools/call",
        json!({ "name": "echo", "arguments": { "message": "hi" } }),
    );
    let meta = call["params"]["_meta"].as_object_mut().unwrap();
    meta.remove("io.modelcontextprotocol/clientInfo").unwrap();
    assert_eq!(ada.send(call.clone()).await.status, 200);
    // The same through rmcp, which has a stand-in for it.
    call["params"]["_meta"]["progressToken"] = 1.into();
    assert_eq!(ada.send(call).await.status, 200);
    let record = server.record();
    assert_eq!(record.len(), 2);
    assert!(
        record.iter().all(|line| line.get("client").is_none()),
        "{record:?}"
    );
}

#[tokio::test]
async fn a_name_that_tries_to_forge_a_line_stays_in_its_own() {
    let server = Server::prod().await;
    let forged = "echo\n{\"outcome\":\"SUCCESS\"}\u{202e}\u{1b}[2J";
    server.client("bob").initialize("2025-06-18").await;
    let bob = server.client("bob");
    bob.initialize("2025-06-18").await;
    bob.call(forged, json!({ forged: 1 })).await;
    let record = server.record();
    let line = record.last().unwrap();
    assert_eq!(line["target"], forged, "it reads back as it was");
    let raw = std::fs::read_to_string(server.folder.path().join("audit.jsonl")).unwrap();
    assert!(!raw.contains('\u{202e}') && !raw.contains('\u{1b}'));
    assert_eq!(
        raw.lines().count(),
        record.len() + 1,
        "and the first line begins the chain"
    );
}

#[tokio::test]
async fn a_flood_of_refusals_is_counted_not_written_out() {
    let server = Server::prod_with(|config| {
        config.limits.burst = 1;
        config.limits.per_minute = 1;
    })
    .await;
    let bob = server.client("bob");
    for _ in 0..200 {
        bob.call("echo", json!({ "message": "hi" })).await;
    }
    let record = server.record();
    let written = record
        .iter()
        .filter(|line| line["outcome"] == "THROTTLED" && line.get("coalesced").is_none())
        .count();
    let counted: u64 = record
        .iter()
        .filter_map(|line| line["coalesced"].as_u64())
        .sum();
    assert!(written < 150, "{written} lines");
    assert_eq!(written as u64 + counted, 199, "none is lost");
}

#[tokio::test]
async fn the_record_is_a_chain_that_shows_tampering() {
    let server = Server::prod().await;
    for _ in 0..5 {
        server
            .client("bob")
            .call("echo", json!({ "message": "hi" }))
            .await;
    }
    server.record();
    let path = server.folder.path().join("audit.jsonl");
    let check = |text: &str| mcp_server::interceptor::audit::verify(text.as_bytes(), None).unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    assert_eq!((check(&whole).lines, check(&whole).fault), (6, None));
    let edited = whole
        .replacen("SUCCESS", "ERROR", 3)
        .replacen("ERROR", "SUCCESS", 2);
    assert_eq!(check(&edited).fault.unwrap().line, 4);
}
