//! A key that is revoked stops working within a second, also where it is in use.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::json;

use crate::support::{Server, keys};

#[tokio::test]
async fn a_revoked_key_ends_its_sessions_and_streams() {
    let server = Server::prod().await;
    let ada = server.client("ada");
    ada.initialize("2025-06-18").await;
    let stream = ada
        .http
        .get(server.url())
        .bearer_auth("ada")
        .header("mcp-session-id", ada.session().unwrap())
        .header("accept", "text/event-stream");
    let stream = stream.send().await.unwrap();
    assert_eq!(stream.status(), 200);

    std::fs::write(server.keys_file(), keys(&[("bob", "\"*\"")])).unwrap();
    let revoked = Instant::now();
    let mut bytes = stream.bytes_stream();
    while bytes.next().await.is_some() {}
    assert!(
        revoked.elapsed() < Duration::from_secs(1),
        "the stream ended after {:?}",
        revoked.elapsed()
    );
    assert_eq!(
        ada.call("echo", json!({ "message": "hi" })).await.status,
        401
    );
    assert_eq!(
        server
            .client("bob")
            .call("weather-set", json!({}))
            .await
            .error()["code"],
        -32602,
        "bob's new rights are in force"
    );
}
