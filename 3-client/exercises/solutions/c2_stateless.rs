//! What the session remembered, each request says.

use serde_json::{Value, json};

const VERSION: &str = "2026-07-28";

/// The headers and the body of a request.
pub fn request(id: u64, method: &str, params: &Value) -> (Vec<(&'static str, String)>, Value) {
    let mut headers = vec![
        ("mcp-protocol-version", VERSION.to_owned()),
        ("mcp-method", method.to_owned()),
    ];
    let about = match method {
        "tools/call" | "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        _ => None,
    };
    if let Some(about) = about {
        headers.push(("mcp-name", about.to_owned()));
    }

    let mut params = params.clone();
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = VERSION.into();
    meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "learner", "version": "1" });
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    (headers, body)
}
