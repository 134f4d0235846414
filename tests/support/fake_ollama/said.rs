//! What the model says, before it is cut into lines.

use serde_json::{Map, Value, json};

use super::{Shared, mode::Mode};

/// What the model says.
#[derive(Default)]
pub(super) struct Said {
    pub(super) thinking: String,
    pub(super) content: String,
    pub(super) tool_calls: Vec<Value>,
}

/// What the model says to this conversation.
pub(super) fn say(shared: &Shared, mode: Mode, body: &Value, messages: &[Value]) -> Said {
    let last = messages.last().cloned().unwrap_or_default();
    let text = last["content"].as_str().unwrap_or_default();
    let mut said = Said::default();
    if mode == Mode::Thinking && body.get("think") != Some(&Value::Bool(false)) {
        said.thinking = "Okay, let me think about <that> & answer.".to_owned();
    }
    if last["role"] == "tool" {
        let tool = last["tool_name"].as_str().unwrap_or("the tool");
        said.content = format!("{tool} says: {text}");
        return said;
    }
    let tools = body
        .get("tools")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let always = matches!(mode, Mode::Tools | Mode::ToolsInDone);
    let lower = text.to_lowercase();
    if let Some(tool) = tools.iter().find(|tool| always || is_about(&lower, tool)) {
        said.tool_calls.push(call(shared, tool, text));
        return said;
    }
    said.content = match body.get("format") {
        Some(Value::String(json)) if json == "json" => json!({"answer": text}).to_string(),
        Some(schema @ Value::Object(_)) => instance_of(schema).to_string(),
        _ => format!("Hej på dig! You said “{text}” — that is <fine> & good 🦙."),
    };
    said
}

/// A question is about a tool when it has one of the longer words of its name.
fn is_about(lower: &str, tool: &Value) -> bool {
    let name = tool["function"]["name"].as_str().unwrap_or_default();
    name.split(['-', '_'])
        .filter(|word| word.len() > 3 && *word != "ollama" && *word != "list")
        .any(|word| lower.contains(word))
}

/// A call with the argument that the tool's schema asks for.
fn call(shared: &Shared, tool: &Value, text: &str) -> Value {
    let function = &tool["function"];
    let mut arguments = Map::new();
    let required = function["parameters"]["required"][0].as_str();
    let first = function["parameters"]["properties"]
        .as_object()
        .and_then(|all| all.keys().next());
    if let Some(argument) = required.or(first.map(String::as_str)) {
        let text = text.trim_end_matches(['?', '.', '!']);
        let value = match text.rsplit_once(" in ") {
            Some((_, place)) => place,
            None => text.split_once(' ').map_or(text, |(_, rest)| rest),
        };
        arguments.insert(argument.to_owned(), value.into());
    }
    let mut now = shared.now();
    let index = now.calls_made;
    now.calls_made += 1;
    json!({"id": format!("call_{index:08x}"),
        "function": {"index": 0, "name": function["name"], "arguments": arguments}})
}

/// The plainest value that a schema allows.
fn instance_of(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") | None => {
            let properties = schema["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            properties
                .iter()
                .map(|(name, inner)| (name.clone(), instance_of(inner)))
                .collect::<Map<_, _>>()
                .into()
        }
        Some("array") => json!([instance_of(&schema["items"])]),
        Some("integer" | "number") => json!(7),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some(_) => schema["enum"]
            .get(0)
            .cloned()
            .unwrap_or_else(|| json!("text")),
    }
}

/// Word by word, each with the space before it, as models do.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = String> {
    let mut words: Vec<String> = Vec::new();
    for (n, word) in text.split(' ').enumerate() {
        words.push(if n == 0 {
            word.to_owned()
        } else {
            format!(" {word}")
        });
    }
    words.into_iter().filter(|word| !word.is_empty())
}
