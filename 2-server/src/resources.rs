//! What can be read: resources, which a host shows to its user or gives to its model.

use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents},
};
use serde_json::json;

use crate::config::Config;

/// The server's configuration, as far as a client may know it.
pub const CONFIG: &str = "config://server";

/// Every resource.
pub fn all() -> Vec<Resource> {
    vec![
        Resource::new(CONFIG, "server-config")
            .with_title("Server configuration")
            .with_description("How this server is set up: its mode, its limits and what it enforces. No secrets, no addresses.")
            .with_mime_type("application/json"),
    ]
}

/// Reads a resource.
///
/// # Errors
/// −32002 when there is none with this URI.
pub fn read(uri: &str, config: &Config, transport: &str) -> Result<ReadResourceResult, ErrorData> {
    match uri {
        CONFIG => {
            let text = serde_json::to_string_pretty(&public(config, transport))
                .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            Ok(ReadResourceResult::new(vec![
                ResourceContents::text(text, CONFIG).with_mime_type("application/json"),
            ]))
        }
        _ => Err(ErrorData::resource_not_found(
            "there is no such resource: resources/list shows what there is",
            Some(json!({ "uri": uri })),
        )),
    }
}

/// What a client may know. Every field is chosen here by hand, so a new setting stays private
/// until somebody decides otherwise.
fn public(config: &Config, transport: &str) -> serde_json::Value {
    json!({
        "name": "mcp-server",
        "version": env!("CARGO_PKG_VERSION"),
        "mode": config.server.mode,
        "transport": transport,
        "keys_needed": !config.anonymous(),
        "audited": config.audit.stderr || config.audit.file.is_some(),
        "limits": {
            "per_minute": config.limits.per_minute,
            "burst": config.limits.burst,
            "concurrent": config.limits.concurrent,
            "max_body_bytes": config.server.max_body_bytes,
            "request_timeout_ms": config.server.request_timeout_ms,
        },
        "llm": { "provider": config.llm.provider },
    })
}
