//! The schemas that clients see: what the types say, in words that every host understands.

use std::sync::Arc;

use rmcp::model::JsonObject;
use serde_json::{Value, json};

/// Rust's own names for the sizes of numbers. JSON Schema doesn't know them, and hosts that check
/// formats warn of each.
const SIZES: [&str; 12] = [
    "int8", "int16", "int32", "int64", "int", "uint8", "uint16", "uint32", "uint64", "uint",
    "float", "double",
];

/// The schema of what a tool takes. Some hosts and model APIs refuse one without `properties`, also
/// where there are none.
pub(super) fn of_input(schema: &JsonObject) -> Arc<JsonObject> {
    let mut schema = plain(schema);
    schema.entry("properties").or_insert_with(|| json!({}));
    Arc::new(schema)
}

/// The schema of what a tool gives.
pub(super) fn of_output(schema: &JsonObject) -> Arc<JsonObject> {
    Arc::new(plain(schema))
}

fn plain(schema: &JsonObject) -> JsonObject {
    let mut schema = schema.clone();
    // The specification names the dialect; hosts that know another refuse the whole tool for it.
    schema.remove("$schema");
    without_sizes(&mut schema);
    schema
}

fn without_sizes(schema: &mut JsonObject) {
    // An argument may be called `format`; what stands under that name is an object then.
    let is_size = |format: &Value| format.as_str().is_some_and(|it| SIZES.contains(&it));
    if schema.get("format").is_some_and(is_size) {
        schema.remove("format");
    }
    for (keyword, value) in schema {
        // These hold values, not schemas.
        if !matches!(keyword.as_str(), "const" | "default" | "enum" | "examples") {
            inside(value);
        }
    }
}

fn inside(value: &mut Value) {
    match value {
        Value::Object(schema) => without_sizes(schema),
        Value::Array(items) => items.iter_mut().for_each(inside),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{config::Config, features::tools};

    /// Every format that stands anywhere in it.
    fn formats(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(
                    fields
                        .get("format")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                );
                fields.values().for_each(|value| formats(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| formats(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_is_one_that_hosts_understand() {
        let config = Config {
            llm: serde_json::from_value(json!({ "provider": "tutor" })).unwrap(),
            ..Config::default()
        };
        let provider = mcp_llm::connect(&config.llm, &|_name| None).unwrap();
        for tool in tools::all(&config, &Arc::clone(&provider)).unwrap() {
            let name = &tool.definition.name;
            let input = Value::Object((*tool.definition.input_schema).clone());
            let output = tool.definition.output_schema.as_deref().unwrap().clone();
            assert!(input["properties"].is_object(), "{name}: {input}");
            for schema in [input, Value::Object(output)] {
                assert!(schema.get("$schema").is_none(), "{name}: {schema}");
                let mut found = Vec::new();
                formats(&schema, &mut found);
                assert!(found.is_empty(), "{name}: {found:?}");
            }
        }
    }

    #[test]
    fn only_sizes_go_and_an_argument_called_format_stays() {
        let schema = json!({
            "type": "object",
            "properties": {
                "format": { "type": "string", "format": "date-time" },
                "count": { "type": "integer", "format": "uint64", "minimum": 0 },
                "list": { "items": [{ "format": "double" }], "default": { "format": "uint8" } }
            }
        });
        let plain = of_input(schema.as_object().unwrap());
        assert_eq!(
            Value::Object((*plain).clone()),
            json!({
                "type": "object",
                "properties": {
                    "format": { "type": "string", "format": "date-time" },
                    "count": { "type": "integer", "minimum": 0 },
                    "list": { "items": [{}], "default": { "format": "uint8" } }
                }
            })
        );
    }
}
