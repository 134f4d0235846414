//! Messages exactly as they are said: the labs show them, and the attacks bend them.
//!
//! The chat's own connection ([`session`](crate::session)) speaks through rmcp, which never says
//! anything wrong. A lab must show each byte of an exchange, and an attack must be able to say what
//! no good client would; both build their messages here.

use serde_json::{Value, json};

mod http;

pub use http::{Answer, Budget, Request, Wire};

/// The newest version of the protocol.
pub const NEWEST: &str = "2026-07-28";
/// The newest version that opens a session with `initialize`.
pub const NEWEST_WITH_SESSIONS: &str = "2025-11-25";

/// How this program names itself in raw messages.
fn client_info() -> Value {
    json!({ "name": "mcp-client", "version": env!("CARGO_PKG_VERSION") })
}

/// A request that is whole in itself, as 2026-07-28 has it: what a session used to remember stands
/// in `_meta`.
#[must_use]
pub fn stateless(id: u64, method: &str, params: &Value) -> Value {
    let mut message = plain(id, method, params);
    let meta = &mut message["params"]["_meta"];
    if !meta.is_object() {
        *meta = json!({});
    }
    for (name, value) in [
        ("protocolVersion", NEWEST.into()),
        ("clientInfo", client_info()),
        ("clientCapabilities", json!({})),
    ] {
        let name = format!("io.modelcontextprotocol/{name}");
        if meta.get(&name).is_none() {
            meta[name] = value;
        }
    }
    message
}

/// A request without `_meta`, as the versions with sessions have it.
#[must_use]
pub fn plain(id: u64, method: &str, params: &Value) -> Value {
    let params = if params.is_object() {
        params.clone()
    } else {
        json!({})
    };
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The handshake of the versions with sessions.
#[must_use]
pub fn initialize(id: u64, version: &str) -> Value {
    plain(
        id,
        "initialize",
        &json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client_info() }),
    )
}

/// What a client says when the handshake is done.
#[must_use]
pub fn initialized() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })
}

/// The HTTP headers that 2026-07-28 asks for beside a message, taken from the message.
#[must_use]
pub fn headers(message: &Value) -> Vec<(&'static str, String)> {
    let method = message["method"].as_str().unwrap_or_default();
    let mut headers = vec![
        ("mcp-protocol-version", NEWEST.to_owned()),
        ("mcp-method", method.to_owned()),
    ];
    let name = match method {
        "tools/call" | "prompts/get" => message["params"]["name"].as_str(),
        "resources/read" => message["params"]["uri"].as_str(),
        _ => None,
    };
    if let Some(name) = name {
        headers.push(("mcp-name", name.to_owned()));
    }
    headers
}

/// Every JSON message in a body: one, or one for each event of a stream.
#[must_use]
pub fn messages(text: &str) -> Vec<Value> {
    if let Ok(message) = serde_json::from_str(text) {
        return vec![message];
    }
    text.lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok())
        .collect()
}

/// Whether a message answers a request.
#[must_use]
pub fn is_response(message: &Value) -> bool {
    message.get("id").is_some()
        && (message.get("result").is_some() || message.get("error").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stateless_request_carries_what_a_session_would_remember() {
        let message = stateless(
            1,
            "tools/call",
            &json!({ "name": "echo", "_meta": { "progressToken": 7 } }),
        );
        let meta = &message["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], NEWEST);
        assert_eq!(meta["progressToken"], 7);
        assert_eq!(
            headers(&message),
            [
                ("mcp-protocol-version", NEWEST.to_owned()),
                ("mcp-method", "tools/call".to_owned()),
                ("mcp-name", "echo".to_owned())
            ]
        );
    }

    #[test]
    fn messages_are_found_in_json_and_in_events() {
        assert_eq!(messages(r#"{"id":1,"result":{}}"#).len(), 1);
        let stream =
            "id: 1\ndata: {\"method\":\"a\"}\n\n: comment\n\ndata:{\"id\":1,\"result\":{}}\n\n";
        let found = messages(stream);
        assert_eq!(found.len(), 2);
        assert!(!is_response(&found[0]) && is_response(&found[1]));
        assert!(messages("no JSON").is_empty());
    }
}
