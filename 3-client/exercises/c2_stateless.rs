//! # c2 · From sessions to stateless
//!
//! Up to 2025-11-25 a client shook hands once, and then named its session in each message. That ties
//! it to one server process: the next one behind the load balancer knows no such session. Since
//! 2026-07-28 there is no handshake. Each request says by itself what the session used to remember:
//!
//! - in `params._meta`: the protocol's version, who the client is and what it can do, as
//!   `io.modelcontextprotocol/protocolVersion`, `…/clientInfo` and `…/clientCapabilities`;
//! - as HTTP headers: `MCP-Protocol-Version`, `Mcp-Method`, and `Mcp-Name`, which is what the request is
//!   about: a tool's or a prompt's name, or a resource's URI. So a proxy can route without parsing.
//!
//! Move `request` below from the one to the other. The test sends what you make to a real server.
//!
//! - In the real code: `3-client/src/raw/mod.rs`, `stateless` and `headers`.
//! - Specification: <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#request-metadata>;
//!   to compare, <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management>.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "a test")]

mod c2 {
    use serde_json::{Value, json};

    /// What the handshake gave.
    const SESSION: &str = "5f0c3b1e-session";

    /// The headers and the body of a request.
    pub fn request(id: u64, method: &str, params: &Value) -> (Vec<(&'static str, String)>, Value) {
        let headers = vec![
            ("mcp-protocol-version", "2025-11-25".to_owned()),
            ("mcp-session-id", SESSION.to_owned()),
        ];
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        (headers, body)
    }
}

use mcp_client::raw::{Answer, Budget, Wire};
use mcp_server::{app::App, config::Config, transport::http};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::c2::request;

/// A real server on a free port, and its address.
async fn server() -> String {
    let mut config = Config::default();
    config.llm.provider = serde_json::from_str("\"tutor\"").unwrap();
    config.audit.stderr = false;
    config.server.port = 0;
    let app = App::build(config, &|_name| None).unwrap();
    let settings = app.config.http_settings();
    let server = http::Server::bind(&app.guard, settings, CancellationToken::new()).await;
    let server = server.unwrap();
    let url = server.url();
    tokio::spawn(server.run());
    url
}

async fn send(url: &str, method: &str, params: Value) -> Answer {
    let (headers, body) = request(1, method, &params);
    let mut post = Wire::new(url, Budget::new(1))
        .unwrap()
        .post(body.to_string());
    for (name, value) in headers {
        post = post.set(name, &value);
    }
    post.send().await
}

#[tokio::test]
async fn a_request_is_whole_in_itself() {
    let url = server().await;
    let echo = json!({ "name": "echo", "arguments": { "message": "hi" } });
    let said = send(&url, "tools/call", echo.clone()).await.brief();
    let said = said.trim_end_matches('.');

    let (headers, body) = request(1, "tools/call", &echo);
    let header = |name: &str| {
        let found = headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(
        header("mcp-session-id"),
        None,
        "a server that started a moment ago said: {said}. It never saw this session. 2026-07-28 has no \
         sessions: leave the header out"
    );
    let meta = &body["params"]["_meta"];
    let name = |key: &str| format!("io.modelcontextprotocol/{key}");
    assert_eq!(
        (
            header("mcp-protocol-version"),
            meta[name("protocolVersion")].as_str()
        ),
        (Some("2026-07-28"), Some("2026-07-28")),
        "the server said: {said}. Without a handshake each request names the version, in the header \
         MCP-Protocol-Version and in params._meta, and the two agree"
    );
    assert!(
        meta[name("clientInfo")]["name"].is_string()
            && meta[name("clientInfo")]["version"].is_string()
            && meta[name("clientCapabilities")].is_object(),
        "the server said: {said}. The handshake told it who the client is and what it can do. Now \
         params._meta tells: clientInfo, with a name and a version, and clientCapabilities, an object"
    );
    assert_eq!(
        (header("mcp-method"), header("mcp-name")),
        (Some("tools/call"), Some("echo")),
        "the server said: {said}. The headers Mcp-Method and Mcp-Name repeat what the body says, so that \
         a proxy can route without parsing it"
    );

    let page = json!({ "uri": "docs://glossary", "_meta": { "progressToken": 7 } });
    let (headers, body) = request(2, "resources/read", &page);
    assert!(
        headers.contains(&("mcp-name", "docs://glossary".to_owned())),
        "a resource's name is its URI, and Mcp-Name should say it: {headers:?}"
    );
    assert_eq!(
        body["params"]["_meta"]["progressToken"], 7,
        "the caller had put a progressToken into _meta, and it is gone: add to what is there"
    );
    for (method, params) in [
        ("tools/call", echo),
        ("resources/read", page),
        ("tools/list", json!({})),
    ] {
        let answer = send(&url, method, params).await;
        assert!(
            answer.status == 200 && answer.result().is_some(),
            "the server didn't take the request {method}: {}",
            answer.brief()
        );
    }
}
