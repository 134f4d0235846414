//! Every version of the protocol is served, over both transports, by the same handler.

use serde_json::json;

use crate::support::Server;

const OLDER: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

#[tokio::test]
async fn older_clients_get_a_session_and_newer_ones_need_none() {
    let server = Server::local().await;
    for version in OLDER {
        let client = server.anonymous();
        let hello = client.initialize(version).await;
        assert_eq!(hello.result()["protocolVersion"], version);
        let echoed = client.call("echo", json!({ "message": version })).await;
        assert_eq!(echoed.result()["content"][0]["text"], version);
    }
    let client = server.anonymous();
    let discovered = client.request("server/discover", json!({})).await;
    assert_eq!(
        discovered.result()["supportedVersions"]
            .as_array()
            .map(Vec::len),
        Some(5)
    );
    let echoed = client.call("echo", json!({ "message": "stateless" })).await;
    assert_eq!(
        echoed.result()["structuredContent"],
        json!({ "message": "stateless" })
    );
    assert_eq!(
        echoed.header("content-type"),
        "application/json",
        "one answer is one body"
    );
}

#[tokio::test]
async fn every_tool_tells_its_schemas_and_whether_it_only_reads() {
    let server = Server::local().await;
    let listed = server.anonymous().request("tools/list", json!({})).await;
    let tools = listed.result()["tools"].as_array().unwrap().clone();
    let names: Vec<_> = tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["echo", "ollama-chat", "ollama-list-models", "weather-get"],
        "in a fixed order"
    );
    for tool in &tools {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
    }
    assert_eq!(
        listed.result()["cacheScope"],
        "private",
        "a list that is filtered must not be shared"
    );
}

#[tokio::test]
async fn arguments_that_are_wrong_are_told_to_the_model_not_dropped() {
    let server = Server::local().await;
    let client = server.anonymous();
    for arguments in [
        json!({}),
        json!({ "mesage": "hi" }),
        json!({ "message": 3 }),
    ] {
        let answer = client.call("echo", arguments).await;
        assert_eq!(answer.result()["isError"], true);
        let said = answer.result()["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(said.starts_with("wrong arguments for echo:"), "{said}");
    }
}

#[tokio::test]
async fn the_server_tells_its_configuration_without_secrets_or_addresses() {
    let server = Server::prod().await;
    let answer = server
        .client("ada")
        .request("resources/read", json!({ "uri": "config://server" }))
        .await;
    let text = answer.result()["contents"][0]["text"].as_str().unwrap();
    let config: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(config["mode"], "prod");
    assert_eq!(config["transport"], "http");
    assert_eq!(config["keys_needed"], true);
    for secret in ["127.0.0.1", "11434", "sha256", "keys.toml", "open-meteo"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn health_is_told_without_a_key_to_local_names_only() {
    let server = Server::prod().await;
    let client = server.anonymous();
    let health = client
        .http
        .get(format!("http://{}/healthz", server.address))
        .send()
        .await
        .unwrap();
    assert_eq!(health.text().await.unwrap(), r#"{"status":"ok"}"#);
}
