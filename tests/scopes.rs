//! Lists show what their reader may use, and nothing else.

use serde_json::{Value, json};

use crate::support::{Server, keys};

async fn names(server: &Server, who: &str, method: &str, list: &str, field: &str) -> Vec<String> {
    let answer = server.client(who).request(method, json!({})).await;
    let items = answer.result()[list].as_array().unwrap().clone();
    items
        .iter()
        .map(|item: &Value| item[field].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_list_is_filtered_by_the_rule_that_guards_calls() {
    let server = Server::prod().await;
    assert_eq!(
        names(&server, "ada", "tools/list", "tools", "name").await,
        ["echo", "ollama-chat", "ollama-list-models", "weather-get"],
        "ada may do everything, so she sees every tool; a new one is added to this list"
    );
    assert_eq!(
        names(&server, "bob", "tools/list", "tools", "name").await,
        ["echo"]
    );
    assert!(
        names(&server, "bob", "resources/list", "resources", "uri")
            .await
            .is_empty()
    );
    let read = server
        .client("bob")
        .request("resources/read", json!({ "uri": "config://server" }))
        .await;
    assert_eq!(read.status, 403);
    let shouted = server
        .client("bob")
        .request("resources/read", json!({ "uri": "CONFIG://server" }))
        .await;
    assert_eq!(shouted.status, 403, "another spelling is the same resource");
}

#[tokio::test]
async fn a_listed_tool_names_the_scope_that_a_call_of_it_is_checked_against() {
    let server = Server::prod().await;
    let list = server.client("ada").request("tools/list", json!({})).await;
    let nobody = server.client("bob");
    for tool in list.result()["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        let scope = &tool["_meta"]["learn-mcp/scope"];
        if name == "echo" {
            assert_eq!(scope, "tools:util:echo");
            continue;
        }
        // Bob may call nothing else: the refusal says which scope was missing.
        let refused = nobody.call(name, json!({})).await;
        assert_eq!(
            refused.error()["data"]["required_scopes"],
            json!([scope]),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_grant_can_bound_the_arguments() {
    let server = Server::prod().await;
    let bounded =
        r#"{ scope = "tools:util:echo", where = { message = { one_of = ["hi", "ho"] } } }"#;
    std::fs::write(server.keys_file(), keys(&[("eve", bounded)])).unwrap();
    let eve = server.client("eve");
    server.keys.reload().unwrap();
    assert_eq!(
        names(&server, "eve", "tools/list", "tools", "name").await,
        ["echo"],
        "it is listed"
    );
    assert_eq!(
        eve.call("echo", json!({ "message": "hi" })).await.status,
        200
    );
    let refused = eve.call("echo", json!({ "message": "rm -rf" })).await;
    assert_eq!(refused.status, 403);
    let said = refused.error()["message"].as_str().unwrap();
    assert!(
        said.contains("message") && !said.contains("rm -rf"),
        "the argument's name, not its value: {said}"
    );
    assert_eq!(
        refused.error()["data"]["required_scopes"],
        Value::Null,
        "the scope is there, so nobody is told to ask for it"
    );
}
