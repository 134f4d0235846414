//! Who is refused, how, and what they are told.

use mcp_server::{
    interceptor::{CallInfo, Denial, DenialKind, Rule},
    transport::HttpSettings,
};
use rmcp::model::JsonObject;
use serde_json::json;

use crate::support::{Server, Wire, odd::Odd};

#[tokio::test]
async fn without_a_key_and_with_a_wrong_one_nothing_passes() {
    let server = Server::prod().await;
    for (client, said) in [
        (server.anonymous(), "a key is needed"),
        (server.client("mallory"), "the key isn't valid"),
    ] {
        for version in ["2024-11-05", "2025-11-25"] {
            let answer = client.initialize(version).await;
            assert_eq!(answer.status, 401, "{answer:?}");
        }
        let answer = client.call("echo", json!({ "message": "hi" })).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="mcp""#);
        let error = answer.error();
        assert_eq!(error["code"], 401);
        assert!(
            error["message"].as_str().unwrap().starts_with(said),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_key_counts_in_each_of_its_headers_and_never_in_the_url() {
    let server = Server::prod().await;
    let client = server.anonymous();
    let message = client.message("ping", json!({}));
    let message = {
        let mut message = message;
        message["method"] = "tools/list".into();
        message
    };
    for (name, value) in [
        ("authorization", "Bearer ada"),
        ("x-mcp-client-key", "ada"),
        ("x-api-key", "ada"),
    ] {
        let answer = client
            .post(&message)
            .header(name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{name}");
    }
    let two = client
        .post(&message)
        .header("x-api-key", "ada")
        .bearer_auth("bob")
        .send()
        .await
        .unwrap();
    assert_eq!(two.status(), 401, "two that differ");
    let in_url = Wire::new(&format!("{}?api_key=ada", server.url()), Some("ada"))
        .send(message)
        .await;
    assert_eq!(in_url.status, 401);
    assert!(
        !server
            .record()
            .iter()
            .any(|line| line.to_string().contains("api_key")),
        "a URL's query is never written"
    );
}

#[tokio::test]
async fn what_is_forbidden_looks_like_what_doesnt_exist() {
    let server = Server::prod().await;
    let bob = server.client("bob");
    let forbidden = bob.call("weather-get", json!({ "city": "Oslo" })).await;
    let unknown = bob.call("weather-set", json!({ "city": "Oslo" })).await;
    for (answer, scope) in [
        (&forbidden, "tools:weather:get"),
        (&unknown, "tools:weather:set"),
    ] {
        assert_eq!(answer.status, 403);
        assert_eq!(
            answer.header("www-authenticate"),
            format!(r#"Bearer realm="mcp", error="insufficient_scope", scope="{scope}""#)
        );
        assert_eq!(answer.error()["code"], 403);
        assert_eq!(answer.error()["data"]["required_scopes"], json!([scope]));
    }
    let shape = |text: &str| text.replace("weather:set", "weather:get");
    assert_eq!(shape(&forbidden.text), shape(&unknown.text));
    // Who may call anything is told the truth.
    let unknown = server.client("ada").call("weather-set", json!({})).await;
    assert_eq!(unknown.error()["code"], -32602);
}

#[tokio::test]
async fn a_refusal_in_a_session_is_a_json_rpc_error_too() {
    let server = Server::prod().await;
    let bob = server.client("bob");
    bob.initialize("2025-06-18").await;
    let answer = bob.call("weather-get", json!({ "city": "Oslo" })).await;
    assert_eq!(answer.error()["code"], 403);
    assert_eq!(
        answer.error()["data"]["required_scopes"],
        json!(["tools:weather:get"])
    );
}

#[tokio::test]
async fn too_many_calls_are_refused_with_the_time_to_wait() {
    let server = Server::prod_with(|config| {
        config.limits.burst = 3;
        config.limits.per_minute = 6;
    })
    .await;
    let (ada, bob) = (server.client("ada"), server.client("bob"));
    for _ in 0..3 {
        assert_eq!(
            ada.call("echo", json!({ "message": "hi" })).await.status,
            200
        );
    }
    let refused = ada.call("echo", json!({ "message": "hi" })).await;
    assert_eq!(refused.status, 429);
    let wait = refused.error()["data"]["retry_after_ms"].as_u64().unwrap();
    assert!((8_000..=10_000).contains(&wait), "{wait} ms");
    assert_eq!(refused.header("retry-after"), "10");
    assert_eq!(
        bob.call("echo", json!({ "message": "hi" })).await.status,
        200,
        "one caller's budget is not another's"
    );
    // Neither another header nor a session gives a second budget.
    let hello = ada.initialize("2025-06-18").await;
    assert_eq!(hello.error()["code"], 429);
}

#[tokio::test]
async fn wrong_keys_are_throttled_by_address_and_a_good_one_comes_in_all_the_same() {
    let server = Server::prod_with(|config| config.auth.failures_per_minute = 2).await;
    for (key, status) in [("x", 401), ("y", 401), ("z", 429), ("ada", 200), ("z", 429)] {
        let answer = server
            .client(key)
            .call("echo", json!({ "message": "hi" }))
            .await;
        assert_eq!(answer.status, status, "{key}");
    }
}

#[tokio::test]
async fn a_page_from_the_web_gets_no_answer() {
    let server = Server::local().await;
    let client = server.anonymous();
    let message = client.message("tools/list", json!({}));
    for (name, value) in [
        ("host", "evil.example"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:8080"),
    ] {
        let answer = client
            .post(&message)
            .header(name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "{name}: {value}");
    }
}

#[tokio::test]
async fn what_cant_be_read_is_answered_as_the_specification_says() {
    let server = Server::prod_with(|config| config.server.max_body_bytes = 10_000).await;
    let ada = server.client("ada");
    let deep = format!("{}{}", "[".repeat(4_000), "]".repeat(4_000));
    for (body, status, code) in [
        ("{bad".to_owned(), 400, -32700),
        (deep, 413, 413),
        ("[]".to_owned(), 400, -32600),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#.to_owned(),
            400,
            -32600,
        ),
        (
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned(),
            400,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.to_owned(),
            400,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#.to_owned(),
            400,
            -32600,
        ),
        (
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"ping","pad":"{}"}}"#,
                "x".repeat(20_000)
            ),
            413,
            413,
        ),
    ] {
        let shown: String = body.chars().take(60).collect();
        let request = ada
            .post(&json!({}))
            .header("mcp-protocol-version", "2025-06-18")
            .body(body);
        let answer = crate::support::read(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.error()["code"].as_i64()),
            (status, Some(code)),
            "{shown}: {}",
            answer.text
        );
    }
    // And the server goes on.
    assert_eq!(
        ada.call("echo", json!({ "message": "hi" })).await.status,
        200
    );
}

#[tokio::test]
async fn a_header_that_disagrees_with_the_body_is_refused() {
    let server = Server::local().await;
    let client = server.anonymous();
    let call = client.message(
        "tools/call",
        json!({ "name": "echo", "arguments": { "message": "hi" } }),
    );
    let mut other = call.clone();
    other["params"]["name"] = "ollama-chat".into();
    // The headers say echo, the body says something else.
    let answer = crate::support::read(
        client
            .post(&call)
            .body(other.to_string())
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.error()["code"], -32020);
}

/// Lets a tool run only when it is asked nicely.
#[derive(Clone)]
struct Please;

#[async_trait::async_trait]
impl Rule for Please {
    async fn check(&self, call: &CallInfo, arguments: Option<&JsonObject>) -> Result<(), Denial> {
        let nicely = arguments.is_some_and(|arguments| arguments.contains_key("please"));
        if call.tool().is_none() || nicely {
            return Ok(());
        }
        Err(Denial::new(DenialKind::Throttled, "say please"))
    }
}

#[tokio::test]
async fn a_rule_of_ones_own_is_asked_last_and_refuses_like_any_other() {
    let odd = Odd::default();
    let server = Server::guarding(odd.clone(), |it| it.rule(Please), HttpSettings::default()).await;
    let (ada, bob) = (server.client("ada"), server.client("bob"));
    let refused = ada.call("echo", json!({})).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.error()["data"]["reason"], "say please");
    assert_eq!(odd.reached(), 0, "the handler never heard of it");
    let without_scope = bob.call("panic", json!({})).await;
    assert_eq!(without_scope.status, 403, "the scope is asked for first");
    assert_eq!(ada.request("tools/list", json!({})).await.status, 200);
    ada.call("echo", json!({ "please": true })).await.result();
    assert_eq!(odd.reached(), 1);
    let recorded = server.record();
    let outcomes: Vec<_> = recorded.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["THROTTLED", "FORBIDDEN", "SUCCESS", "SUCCESS"]);
}

#[tokio::test]
async fn a_header_that_comes_twice_is_refused() {
    let server = Server::prod().await;
    let client = server.client("ada");
    let message = client.message("tools/list", json!({}));
    for (name, second) in [
        ("mcp-protocol-version", "2025-06-18"),
        ("mcp-session-id", "another"),
    ] {
        let mut request = client.post(&message).header(name, second);
        if name == "mcp-session-id" {
            request = request.header(name, "one");
        }
        let answer = crate::support::read(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 400, "{name}");
        assert_eq!(answer.error()["code"], -32020, "{name}");
    }
    let outcomes: Vec<_> = server
        .record()
        .into_iter()
        .map(|it| it["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["REJECTED", "REJECTED"]);
}

/// Tells which headers of a request it sees.
struct Curious;

impl rmcp::ServerHandler for Curious {
    async fn list_prompts(
        &self,
        _page: Option<rmcp::model::PaginatedRequestParams>,
        context: rmcp::service::RequestContext<rmcp::RoleServer>,
    ) -> Result<rmcp::model::ListPromptsResult, rmcp::ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>();
        let seen = parts.map(|parts| format!("{:?}", parts.headers));
        Err(rmcp::ErrorData::internal_error(
            seen.unwrap_or_default(),
            None,
        ))
    }
}

#[tokio::test]
async fn a_handler_never_sees_the_callers_key() {
    let server = Server::guarding(Curious, |it| it, HttpSettings::default()).await;
    let client = server.anonymous();
    for (name, value) in [
        ("authorization", "Bearer ada"),
        ("x-mcp-client-key", "ada"),
        ("x-api-key", "ada"),
    ] {
        let request = client.post(&client.message("prompts/list", json!({})));
        let request = request.header(name, value).header("x-other", "there");
        let answer = crate::support::read(request.send().await.unwrap()).await;
        let seen = answer.error()["message"].to_string();
        assert!(seen.contains("x-other"), "{seen}");
        assert!(!seen.contains(name) && !seen.contains("\"ada"), "{seen}");
    }
}
