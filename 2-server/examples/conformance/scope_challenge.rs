//! The contract on scopes: a key that lacks one is answered with 403 and one challenge that names
//! everything it lacks (authorization, "Scope Challenge Handling"); with just that, it passes.

use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};

use super::*;

/// What is asked, the scope that it takes, and a word of the answer.
fn asked() -> [(
    &'static str,
    &'static str,
    Value,
    &'static str,
    &'static str,
); 3] {
    [
        (
            "tools/call",
            "test_simple_text",
            json!({ "name": "test_simple_text", "arguments": {} }),
            "tools:util:test_simple_text",
            "simple text response",
        ),
        (
            "resources/read",
            "test://static-text",
            json!({ "uri": "test://static-text" }),
            "resources:test:read",
            "static text resource",
        ),
        (
            "prompts/get",
            "test_simple_prompt",
            json!({ "name": "test_simple_prompt" }),
            "prompts:test_simple_prompt:get",
            "simple prompt",
        ),
    ]
}

struct Server {
    url: String,
    shutdown: CancellationToken,
    _folder: tempfile::TempDir,
}

async fn start(keys: &[(&str, &str, &[&str])]) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    write_keys(&path, keys).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let router = router(&path, &settings(&url), shutdown.clone()).unwrap();
    let over = shutdown.clone();
    let bounds = Bounds {
        connections: 64,
        grace: Duration::ZERO,
    };
    tokio::spawn(listener::serve(None, listener, router, bounds, over));
    Server {
        url,
        shutdown,
        _folder: folder,
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn ask(server: &Server, key: &str, method: &str, name: &str, params: &Value) -> Response {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut params = params.clone();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "contract", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    client
        .post(&server.url)
        .bearer_auth(key)
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::CONTENT_TYPE, "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .header("mcp-name", name)
        .body(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string())
        .timeout(Duration::from_secs(10))
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_low_key_gets_one_complete_challenge_and_a_full_one_passes() {
    let scopes = asked().map(|(.., scope, _)| scope);
    let server = start(&[
        ("low", "low", &["tools:nothing:here"]),
        ("full", "full", &["*"]),
        ("exact", "exact", &scopes),
    ])
    .await;
    for (method, name, params, scope, word) in asked() {
        let refused = ask(&server, "low", method, name, &params).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{method}");
        let challenges: Vec<_> = refused
            .headers()
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .collect();
        let expected =
            format!(r#"Bearer realm="mcp", error="insufficient_scope", scope="{scope}""#);
        assert_eq!(challenges, [expected.as_str()], "{method}");
        let error: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
        assert_eq!(
            (&error["id"], &error["error"]["code"]),
            (&json!(1), &json!(403)),
            "{method}"
        );
        assert_eq!(
            error["error"]["data"]["required_scopes"],
            json!([scope]),
            "{method}"
        );

        // Whoever gets what the challenge named has enough.
        for key in ["full", "exact"] {
            let answer = ask(&server, key, method, name, &params).await;
            assert_eq!(answer.status(), StatusCode::OK, "{method} {key}");
            let text = answer.text().await.unwrap();
            assert!(
                text.contains(word) && text.contains("\"result\""),
                "{method} {key}: {text}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_is_needed_and_a_wrong_one_is_told_so() {
    let server = start(&[("full", "full", &["*"])]).await;
    for (method, name, params, ..) in asked() {
        let refused = ask(&server, "wrong", method, name, &params).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{method}");
        assert_eq!(
            refused
                .headers()
                .get_all(header::WWW_AUTHENTICATE)
                .iter()
                .count(),
            1
        );
    }
}

#[tokio::test]
async fn a_method_that_is_nowhere_is_not_found_whatever_the_key_may_do() {
    let server = start(&[("low", "low", &["tools:*"]), ("full", "full", &["*"])]).await;
    let mut answers = Vec::new();
    for key in ["low", "full"] {
        let answer = ask(&server, key, "unknown/method", "", &json!({})).await;
        answers.push((answer.status(), answer.text().await.unwrap()));
    }
    assert_eq!(answers[0].0, StatusCode::NOT_FOUND);
    assert!(answers[0].1.contains("-32601"), "{}", answers[0].1);
    assert_eq!(
        answers[0], answers[1],
        "nobody learns whether a method is there and forbidden"
    );
}
