//! Tools that answer at once, with every kind of content.

use rmcp::{
    ErrorData,
    model::{AudioContent, CallToolResult, ContentBlock, JsonObject, ResourceContents, Tool},
};
use serde_json::json;

use crate::common::{no_arguments, text, tool};

/// A red dot: a PNG of one pixel.
pub(crate) const IMAGE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==";
/// No sound: a WAV of no samples.
const AUDIO: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

pub(crate) fn tools() -> Vec<Tool> {
    let plain = |name, description| tool(name, description, no_arguments());
    vec![
        plain("test_simple_text", "Answers with a text"),
        plain("test_image_content", "Answers with an image"),
        plain("test_audio_content", "Answers with a sound"),
        plain("test_embedded_resource", "Answers with a resource"),
        plain(
            "test_multiple_content_types",
            "Answers with a text, an image and a resource",
        ),
        plain("test_error_handling", "Fails"),
        tool(
            "json_schema_2020_12_tool",
            "Has a schema that uses what only JSON Schema 2020-12 has",
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "$defs": { "address": {
                    "$anchor": "address",
                    "type": "object",
                    "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
                } },
                "properties": {
                    "name": { "type": "string" },
                    "address": { "$ref": "#/$defs/address" },
                },
                "allOf": [{ "anyOf": [{ "required": ["name"] }, { "required": ["address"] }] }],
                "if": { "required": ["address"] },
                "then": { "properties": { "address": { "required": ["street"] } } },
                "else": { "required": ["name"] },
                "additionalProperties": false,
            }),
        ),
        tool(
            "test_custom_header",
            "Takes an argument that the client repeats in an HTTP header",
            json!({
                "type": "object",
                "properties": { "value": { "type": "string", "x-mcp-header": "Value" } },
                "required": ["value"],
            }),
        ),
    ]
}

/// Answers, when it is one of these tools.
pub(crate) fn call(
    name: &str,
    arguments: &JsonObject,
) -> Result<Option<CallToolResult>, ErrorData> {
    let content = match name {
        "test_simple_text" => vec![ContentBlock::text(
            "This is a simple text response for testing.",
        )],
        "test_image_content" => vec![ContentBlock::image(IMAGE, "image/png")],
        "test_audio_content" => vec![ContentBlock::Audio(AudioContent::new(AUDIO, "audio/wav"))],
        "test_embedded_resource" => vec![resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        )],
        "test_multiple_content_types" => vec![
            ContentBlock::text("Multiple content types test:"),
            ContentBlock::image(IMAGE, "image/png"),
            resource(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#,
            ),
        ],
        "test_error_handling" => {
            let why = "This tool intentionally returns an error for testing";
            return Ok(Some(CallToolResult::error(vec![ContentBlock::text(why)])));
        }
        "json_schema_2020_12_tool" => {
            let name = text(arguments, "name", "you at that address");
            vec![ContentBlock::text(format!("Hello, {name}!"))]
        }
        "test_custom_header" => {
            let value = arguments
                .get("value")
                .and_then(|value| value.as_str())
                .ok_or_else(|| ErrorData::invalid_params("value must be a text", None))?;
            vec![ContentBlock::text(value)]
        }
        _ => return Ok(None),
    };
    Ok(Some(CallToolResult::success(content)))
}

fn resource(uri: &str, mime_type: &str, text: &str) -> ContentBlock {
    ContentBlock::resource(ResourceContents::text(text, uri).with_mime_type(mime_type))
}
