//! The fields that a JSON Schema asks for.

use serde_json::{Map, Value};

use crate::editor::Editor;

/// Fields of one form; a schema with more is filled in as JSON.
pub(super) const MAX_FIELDS: usize = 24;

/// What is filled in where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Yes or no.
    Bool,
    /// Anything else, written as JSON.
    Json,
    /// Text that nobody else is to see, not even over a shoulder.
    Secret,
}

/// One field.
#[derive(Clone)]
pub struct Field {
    /// The argument's name.
    pub name: String,
    /// What it is for, in the server's words.
    pub description: String,
    /// What may be written.
    pub kind: Kind,
    /// Whether it must be filled in.
    pub required: bool,
    /// The only values there are, if there is a list.
    pub choices: Vec<String>,
    /// What was typed.
    pub editor: Editor,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What was typed may be a key.
        f.debug_struct("Field")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

fn field(name: &str, schema: &Value, required: bool) -> Field {
    let kind = match schema.get("type").and_then(Value::as_str) {
        Some("string") => Kind::Text,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Bool,
        _ => Kind::Json,
    };
    // A list of values, or of values with a title each.
    let choices = schema
        .get("enum")
        .or_else(|| schema.get("oneOf"))
        .and_then(Value::as_array)
        .map(|all| {
            all.iter()
                .filter_map(|one| one.as_str().or_else(|| one.get("const")?.as_str()))
                .take(50)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    let mut editor = Editor::default();
    match schema.get("default") {
        Some(Value::String(text)) => editor.set(text.as_str()),
        Some(Value::Null) | None => {}
        Some(other) => editor.set(other.to_string()),
    }
    let description = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    Field {
        name: name.to_owned(),
        description,
        kind,
        required,
        choices,
        editor,
    }
}

/// The fields that a schema asks for, the needed ones first. What it can't say in fields becomes one
/// field of JSON.
pub(super) fn fields(schema: &Map<String, Value>) -> Vec<Field> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|r| r.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) if properties.len() <= MAX_FIELDS => {
            let mut fields: Vec<Field> = properties
                .iter()
                .map(|(name, schema)| field(name, schema, required.contains(&name.as_str())))
                .collect();
            fields.sort_by_key(|f| !f.required);
            fields
        }
        Some(_) => vec![json_field("{}")],
        None => Vec::new(),
    }
}

pub(super) fn json_field(text: &str) -> Field {
    let mut editor = Editor::default();
    editor.set(text);
    Field {
        name: String::new(),
        description: "the whole object as JSON".into(),
        kind: Kind::Json,
        required: true,
        choices: Vec::new(),
        editor,
    }
}
