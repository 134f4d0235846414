//! What a server offers besides tools: resources, prompts, completion, and word of what changes.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use serde_json::{Value, json};

use crate::support::{Server, Wire, keys, next};

/// The next message that is none of the frame around it.
async fn text(client: &Wire, uri: &str) -> String {
    let answer = client
        .request("resources/read", json!({ "uri": uri }))
        .await;
    answer.result()["contents"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn completed(client: &Wire, reference: Value, name: &str, value: &str) -> Vec<String> {
    let params = json!({ "ref": reference, "argument": { "name": name, "value": value } });
    let answer = client.request("completion/complete", params).await;
    serde_json::from_value(answer.result()["completion"]["values"].clone()).unwrap()
}

#[tokio::test]
async fn the_pages_of_the_learning_path_can_be_listed_completed_and_read() {
    let server = Server::local().await;
    let client = server.anonymous();
    let listed = client.request("resources/list", json!({})).await;
    let uris: Vec<_> = listed.result()["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|resource| resource["uri"].as_str().unwrap().to_owned())
        .collect();
    assert!(uris.contains(&"docs://glossary".to_owned()), "{uris:?}");
    let glossary = text(&client, "docs://glossary").await;
    assert!(glossary.starts_with("# Glossary"));

    let templates = client.request("resources/templates/list", json!({})).await;
    let templates = templates.result()["resourceTemplates"].clone();
    assert_eq!(templates[0]["uriTemplate"], "docs://{page}");
    assert_eq!(templates[1]["uriTemplate"], "models://{name}");
    let page = json!({ "type": "ref/resource", "uri": "docs://{page}" });
    assert_eq!(completed(&client, page, "page", "glo").await, ["glossary"]);
    for unknown in [
        "docs://nowhere",
        "docs://../Cargo.toml",
        "docs://",
        "nonsense",
        "models://none",
    ] {
        let answer = client
            .request("resources/read", json!({ "uri": unknown }))
            .await;
        assert_eq!(answer.error()["code"], -32602, "{unknown}");
    }
}

#[tokio::test]
async fn a_model_can_be_completed_and_read() {
    let server = Server::local().await;
    let client = server.anonymous();
    let template = json!({ "type": "ref/resource", "uri": "models://{name}" });
    let names = completed(&client, template, "name", "").await;
    let name = names.first().expect("the tutor counts as a model");
    let model: Value =
        serde_json::from_str(&text(&client, &format!("models://{name}")).await).unwrap();
    assert_eq!(model["name"], **name);
    assert_eq!(model["default"], true);
}

#[tokio::test]
async fn prompts_are_listed_with_titles_completed_and_written() {
    let server = Server::local().await;
    let client = server.anonymous();
    let listed = client.request("prompts/list", json!({})).await;
    let prompts = listed.result()["prompts"].as_array().unwrap().clone();
    let names: Vec<_> = prompts.iter().map(|prompt| &prompt["name"]).collect();
    assert_eq!(names, ["explain-concept", "review-code", "security-review"]);
    for prompt in &prompts {
        assert!(prompt["title"].is_string() && prompt["arguments"][0]["title"].is_string());
    }
    let reference = json!({ "type": "ref/prompt", "name": "explain-concept" });
    let proposed = completed(&client, reference.clone(), "concept", "res").await;
    assert_eq!(proposed.first().map(String::as_str), Some("Resource"));
    assert_eq!(
        completed(&client, reference, "level", "e").await[0],
        "expert"
    );

    let arguments = json!({ "name": "review-code", "arguments": { "code": "fn main() {}" } });
    let written = client.request("prompts/get", arguments).await;
    let message = &written.result()["messages"][0];
    assert_eq!(message["role"], "user");
    assert!(
        message["content"]["text"]
            .as_str()
            .unwrap()
            .contains("fn main() {}")
    );
    let missing = client
        .request("prompts/get", json!({ "name": "review-code" }))
        .await;
    assert_eq!(missing.error()["code"], -32602);
}

#[tokio::test]
async fn lists_say_how_long_they_are_good_for_whom_and_refuse_a_cursor_that_was_made_up() {
    let server = Server::local().await;
    let client = server.anonymous();
    for method in [
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "prompts/list",
    ] {
        let list = client.request(method, json!({})).await;
        assert_eq!(list.result()["cacheScope"], "private", "{method}");
        assert_eq!(list.result()["ttlMs"], 60_000, "{method}");
        let made_up = client.request(method, json!({ "cursor": "from-7" })).await;
        assert_eq!(made_up.error()["code"], -32602, "{method}");
    }
    let read = client
        .request("resources/read", json!({ "uri": "docs://glossary" }))
        .await;
    assert_eq!(read.result()["cacheScope"], "private");
    assert_eq!(read.result()["ttlMs"], 3_600_000);
}

#[tokio::test]
async fn without_the_scope_a_caller_sees_and_gets_nothing() {
    let server = Server::prod().await;
    let bob = server.client("bob");
    for (method, list) in [
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ] {
        let answer = bob.request(method, json!({})).await;
        assert_eq!(answer.result()[list], json!([]), "{method}");
    }
    for (method, params, scope) in [
        (
            "resources/read",
            json!({ "uri": "docs://glossary" }),
            "resources:docs:read",
        ),
        (
            "resources/read",
            json!({ "uri": "models://tutor" }),
            "resources:models:read",
        ),
        (
            "resources/read",
            json!({ "uri": "audit://me" }),
            "resources:audit:read",
        ),
        (
            "prompts/get",
            json!({ "name": "review-code" }),
            "prompts:review-code:get",
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "review-code" }, "argument": { "name": "focus", "value": "" } }),
            "prompts:review-code:get",
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/resource", "uri": "models://{name}" }, "argument": { "name": "name", "value": "" } }),
            "resources:models:read",
        ),
    ] {
        let answer = bob.request(method, params.clone()).await;
        assert_eq!(answer.status, 403, "{method} {params}");
        assert_eq!(answer.error()["data"]["required_scopes"], json!([scope]));
    }
    // One scope shows what it is for, and nothing beside it.
    let one = r#""resources:docs:read", "prompts:review-code:get""#;
    std::fs::write(server.keys_file(), keys(&[("eve", one)])).unwrap();
    server.keys.reload().unwrap();
    let eve = server.client("eve");
    let resources = eve.request("resources/list", json!({})).await;
    let resources = resources.result()["resources"].as_array().unwrap().clone();
    assert!(!resources.is_empty());
    for resource in &resources {
        assert!(
            resource["uri"].as_str().unwrap().starts_with("docs://"),
            "{resource}"
        );
    }
    let prompts = eve.request("prompts/list", json!({})).await;
    assert_eq!(prompts.result()["prompts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_caller_reads_its_own_record_and_nobody_elses() {
    let server = Server::prod_with(|_config| {}).await;
    std::fs::write(
        server.keys_file(),
        keys(&[("ada", "\"*\""), ("eve", r#""resources:audit:read""#)]),
    )
    .unwrap();
    server.keys.reload().unwrap();
    let (ada, eve) = (server.client("ada"), server.client("eve"));
    ada.call("echo", json!({ "message": "secret words" })).await;
    assert_eq!(
        eve.call("echo", json!({ "message": "hi" })).await.status,
        403
    );

    let record = |text: String| -> Vec<Value> {
        let all: Value = serde_json::from_str(&text).unwrap();
        all["records"].as_array().unwrap().clone()
    };
    let adas = record(text(&ada, "audit://me").await);
    assert_eq!(adas.len(), 1);
    assert_eq!(adas[0]["target"], "echo");
    assert_eq!(
        adas[0]["arguments"],
        json!(["message"]),
        "names, never values"
    );
    let eves = record(text(&eve, "audit://me").await);
    assert_eq!(eves.len(), 1, "her refusal, and nothing of ada's: {eves:?}");
    assert_eq!(eves[0]["outcome"], "FORBIDDEN");
    assert_eq!(
        record(text(&eve, "audit://me").await).len(),
        2,
        "reading is recorded too"
    );
}

#[tokio::test]
async fn whoever_listens_hears_of_its_own_record_and_only_of_that() {
    let server = Server::prod().await;
    let (ada, bob) = (server.client("ada"), server.client("bob"));
    let wanted =
        json!({ "notifications": { "resourceSubscriptions": ["audit://me", "config://server"] } });
    let mut stream = ada
        .stream(ada.message("subscriptions/listen", wanted))
        .await;
    let accepted = next(&mut stream).await.unwrap();
    assert_eq!(
        accepted["params"]["notifications"]["resourceSubscriptions"],
        json!(["audit://me"]),
        "what never changes isn't watched: {accepted}"
    );
    bob.call("echo", json!({ "message": "hi" })).await;
    text(&ada, "audit://me").await;
    // Reading it is recorded, and no news: or whoever reads on news would read for ever.
    let silence = tokio::time::timeout(Duration::from_millis(500), stream.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    ada.call("echo", json!({ "message": "hi" })).await;
    let heard = next(&mut stream).await.unwrap();
    assert_eq!(heard["method"], "notifications/resources/updated");
    assert_eq!(heard["params"]["uri"], "audit://me");
    // The acknowledgement opens the stream before anybody is asked, so the refusal comes in it.
    let refused = bob
        .request(
            "subscriptions/listen",
            json!({ "notifications": { "resourceSubscriptions": ["audit://me"] } }),
        )
        .await;
    assert_eq!(refused.error()["code"], 403);
}

/// The stream on which the server of an older version speaks by itself.
async fn standalone(
    server: &Server,
    client: &Wire,
    key: &str,
) -> impl Stream<Item = Value> + Unpin + use<> {
    let request = client
        .http
        .get(server.url())
        .bearer_auth(key)
        .header("mcp-session-id", client.session().unwrap())
        .header("mcp-protocol-version", "2025-06-18")
        .header("accept", "text/event-stream");
    Wire::events(request.send().await.unwrap())
}

#[tokio::test]
async fn an_older_client_subscribes_and_unsubscribes() {
    let server = Server::prod().await;
    let ada = server.client("ada");
    let hello = ada.initialize("2025-06-18").await;
    let capabilities = &hello.result()["capabilities"];
    assert_eq!(capabilities["resources"]["subscribe"], true);
    assert_eq!(
        capabilities["tools"]["listChanged"], true,
        "there is a keys file"
    );
    let mut stream = standalone(&server, &ada, "ada").await;
    let subscribe = |uri: &str| json!({ "uri": uri });
    let nothing = ada
        .request("resources/subscribe", subscribe("config://server"))
        .await;
    assert_eq!(nothing.error()["code"], -32602, "it never changes");
    ada.request("resources/subscribe", subscribe("audit://me"))
        .await;
    ada.call("echo", json!({ "message": "hi" })).await;
    let heard = next(&mut stream).await.unwrap();
    assert_eq!(heard["method"], "notifications/resources/updated");
    ada.request("resources/unsubscribe", subscribe("audit://me"))
        .await;
    ada.call("echo", json!({ "message": "hi" })).await;
    // Longer than a busy caller waits for the next word.
    let silence = tokio::time::timeout(Duration::from_millis(1_500), stream.next()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test]
async fn a_server_without_a_keys_file_promises_no_changed_lists() {
    let server = Server::start(|config| config.auth.keys_file = None).await;
    let hello = server.anonymous().initialize("2025-06-18").await;
    assert_eq!(hello.result()["capabilities"]["tools"], json!({}));
    assert!(hello.result()["serverInfo"]["icons"][0]["src"].is_string());
}

#[tokio::test]
async fn over_http_a_client_hears_that_its_rights_changed_before_its_stream_ends() {
    let server = Server::prod().await;
    let (newer, older) = (server.client("bob"), server.client("bob"));
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let mut listens = newer
        .stream(newer.message("subscriptions/listen", wanted))
        .await;
    next(&mut listens).await.expect("an acknowledgement");
    older.initialize("2025-06-18").await;
    let mut stream = standalone(&server, &older, "bob").await;

    let more = r#""tools:util:echo", "tools:weather:get""#;
    std::fs::write(server.keys_file(), keys(&[("bob", more)])).unwrap();
    let heard = next(&mut listens).await.unwrap();
    assert_eq!(heard["method"], "notifications/tools/list_changed");
    let ended = next(&mut listens).await.unwrap();
    assert!(ended["result"].is_object(), "an orderly end: {ended}");
    assert!(next(&mut listens).await.is_none());

    let heard = next(&mut stream).await.unwrap();
    assert_eq!(heard["method"], "notifications/tools/list_changed");
    while next(&mut stream).await.is_some() {}
    // The session itself goes on, with the new rights.
    let tools = older.request("tools/list", json!({})).await;
    assert_eq!(tools.result()["tools"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn nothing_is_remembered_of_a_caller_who_may_not_read_it() {
    let server = Server::prod().await;
    let bob = server.client("bob");
    bob.call("echo", json!({ "message": "before" })).await;
    let more = r#""tools:util:echo", "resources:audit:read""#;
    std::fs::write(server.keys_file(), keys(&[("bob", more)])).unwrap();
    server.keys.reload().unwrap();
    let records: Value = serde_json::from_str(&text(&bob, "audit://me").await).unwrap();
    assert_eq!(records["records"], json!([]));
}
