//! rmcp's types into this client's own.

use rmcp::model::{CallToolResult, ContentBlock, GetPromptResult, MetaObject};
use rmcp::service::{ClientInitializeError, ServiceError};

use super::failure::transport_failure;
use super::{PromptText, ToolResult};
use crate::catalog::{Hints, Prompt, PromptArgument, Resource, Tool};
use crate::failure::Failure;
use crate::untrusted::label;

pub(super) fn service_failure(error: &ServiceError) -> Failure {
    match error {
        ServiceError::McpError(e) => {
            Failure::from_rpc(i64::from(e.code.0), &e.message, e.data.as_ref())
        }
        ServiceError::TransportSend(e) => transport_failure(e),
        ServiceError::TransportClosed => Failure::Lost,
        ServiceError::Cancelled { .. } => Failure::Cancelled,
        ServiceError::Timeout { timeout } => Failure::TimedOut(*timeout),
        other => Failure::Protocol(label(&other.to_string(), 200)),
    }
}

pub(super) fn connect_failure(error: &ClientInitializeError) -> Failure {
    match error {
        ClientInitializeError::TransportError { error, .. } => transport_failure(error),
        ClientInitializeError::JsonRpcError(e) => {
            Failure::from_rpc(i64::from(e.code.0), &e.message, e.data.as_ref())
        }
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => connect_failure(fallback),
        ClientInitializeError::ConnectionClosed(_) => {
            Failure::Away("the connection was closed during the handshake".into())
        }
        ClientInitializeError::Cancelled => Failure::Cancelled,
        ClientInitializeError::NoCompatibleProtocolVersion {
            server_supported, ..
        } => {
            let versions: Vec<String> = server_supported.iter().map(ToString::to_string).collect();
            Failure::Protocol(format!(
                "no protocol version in common; the server speaks {}",
                label(&versions.join(", "), 120)
            ))
        }
        other => Failure::Protocol(label(&other.to_string(), 200)),
    }
}

fn scope(meta: Option<&MetaObject>) -> Option<String> {
    let meta = meta?;
    ["learn-mcp/scope", "learn-mcp/required_scope"]
        .iter()
        .find_map(|key| meta.get(*key))
        .and_then(|v| v.as_str())
        .map(|s| label(s, 120))
}

pub(super) fn tool(tool: rmcp::model::Tool) -> Tool {
    let hints = tool
        .annotations
        .as_ref()
        .map_or_else(Hints::default, |a| Hints {
            read_only: a.read_only_hint,
            destructive: a.destructive_hint,
            idempotent: a.idempotent_hint,
            open_world: a.open_world_hint,
        });
    Tool {
        scope: scope(tool.meta.as_ref()),
        name: tool.name.into_owned(),
        // Older servers put it among the annotations.
        title: tool
            .title
            .or_else(|| tool.annotations.and_then(|a| a.title)),
        description: tool
            .description
            .map(std::borrow::Cow::into_owned)
            .unwrap_or_default(),
        schema: std::sync::Arc::unwrap_or_clone(tool.input_schema),
        hints,
    }
}

pub(super) fn resource(r: rmcp::model::Resource) -> Resource {
    Resource {
        uri: r.uri,
        name: r.name,
        description: r.description.unwrap_or_default(),
        mime: r.mime_type,
        template: false,
    }
}

pub(super) fn template(t: rmcp::model::ResourceTemplate) -> Resource {
    Resource {
        uri: t.uri_template,
        name: t.name,
        description: t.description.unwrap_or_default(),
        mime: t.mime_type,
        template: true,
    }
}

pub(super) fn prompt(p: rmcp::model::Prompt) -> Prompt {
    let argument = |a: rmcp::model::PromptArgument| PromptArgument {
        name: a.name,
        description: a.description.unwrap_or_default(),
        required: a.required.unwrap_or(false),
    };
    Prompt {
        name: p.name,
        description: p.description.unwrap_or_default(),
        arguments: p
            .arguments
            .unwrap_or_default()
            .into_iter()
            .map(argument)
            .collect(),
    }
}

fn block(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => format!("[an image, {}]", label(&image.mime_type, 40)),
        ContentBlock::Audio(audio) => format!("[sound, {}]", label(&audio.mime_type, 40)),
        ContentBlock::Resource(resource) => resource.get_text(),
        ContentBlock::ResourceLink(link) => format!("[resource {}]", link.uri),
        _ => "[a part of a kind that this client doesn't know]".to_owned(),
    }
}

pub(super) fn tool_result(result: CallToolResult) -> ToolResult {
    let mut text = result
        .content
        .iter()
        .map(block)
        .collect::<Vec<_>>()
        .join("\n");
    if let (true, Some(structured)) = (text.is_empty(), &result.structured_content) {
        text = serde_json::to_string_pretty(structured).unwrap_or_default();
    }
    ToolResult {
        text,
        structured: result.structured_content,
        is_error: result.is_error.unwrap_or(false),
    }
}

pub(super) fn prompt_text(result: GetPromptResult) -> PromptText {
    let messages = result
        .messages
        .iter()
        .map(|m| (format!("{:?}", m.role).to_lowercase(), block(&m.content)));
    PromptText {
        messages: messages.collect(),
        description: result.description.unwrap_or_default(),
    }
}
