//! A form made from a JSON Schema, or from a prompt's arguments.

use std::{cell::Cell, time::Duration};

use serde_json::{Map, Value};

use crate::app::Reading;
use crate::catalog::{Prompt, Resource, Tool};
use crate::editor::Editor;
use crate::session::question::Question;

mod fields;

pub use fields::{Field, Kind};
use fields::{MAX_FIELDS, fields, json_field};

/// What happens with the filled-in form.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// Call a tool by hand.
    Call {
        /// The server's place.
        server: usize,
        /// The tool.
        tool: String,
    },
    /// Fetch a prompt.
    Prompt {
        /// The server's place.
        server: usize,
        /// The prompt.
        prompt: String,
    },
    /// Read a resource whose address has parts to fill in.
    Template {
        /// The server's place.
        server: usize,
        /// The template.
        uri: String,
    },
    /// Call what the model asked for, with other arguments.
    Approve {
        /// The entry of the call, which may be gone when this is sent.
        entry: u64,
    },
    /// Give a server a key.
    SignIn {
        /// The server's place.
        server: usize,
    },
    /// Add a server.
    AddServer,
    /// Answer a server's question.
    Answer {
        /// The question's number.
        number: u64,
    },
}

/// A form.
#[derive(Debug, Clone)]
pub struct Form {
    /// What it is for.
    pub title: String,
    /// What happens with it.
    pub purpose: Purpose,
    /// What stands above the fields.
    pub about: String,
    /// Lines of that which are scrolled away.
    pub scroll: usize,
    /// How many are on screen, and how many can be scrolled away; the screen notes it as it draws.
    pub reading: Cell<Reading>,
    /// Before this, keys aren't meant for it.
    pub armed: Duration,
    /// The fields.
    pub fields: Vec<Field>,
    /// The field under the cursor.
    pub focus: usize,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Values that the server proposes for the field under the cursor.
    pub proposals: Vec<String>,
}

impl Form {
    fn new(title: String, purpose: Purpose, fields: Vec<Field>) -> Self {
        Self {
            title,
            purpose,
            about: String::new(),
            scroll: 0,
            reading: Cell::default(),
            armed: Duration::ZERO,
            fields,
            focus: 0,
            error: None,
            proposals: Vec::new(),
        }
    }

    /// A form for a tool. What the schema can't say in fields becomes one field of JSON.
    #[must_use]
    pub fn for_tool(server: usize, tool: &Tool) -> Self {
        let fields = fields(&tool.schema);
        Self::new(
            tool.name.clone(),
            Purpose::Call {
                server,
                tool: tool.name.clone(),
            },
            fields,
        )
    }

    /// A form for a prompt.
    #[must_use]
    pub fn for_prompt(server: usize, prompt: &Prompt) -> Self {
        let fields = prompt.arguments.iter().take(MAX_FIELDS).map(|a| Field {
            name: a.name.clone(),
            description: a.description.clone(),
            kind: Kind::Text,
            required: a.required,
            choices: Vec::new(),
            editor: Editor::default(),
        });
        Self::new(
            prompt.name.clone(),
            Purpose::Prompt {
                server,
                prompt: prompt.name.clone(),
            },
            fields.collect(),
        )
    }

    /// A form for the `{parts}` of a resource template.
    #[must_use]
    pub fn for_template(server: usize, resource: &Resource) -> Self {
        let names = resource
            .uri
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next());
        let fields = names.take(MAX_FIELDS).map(|name| Field {
            name: name
                .trim_start_matches(['+', '/', '?', '&', '#', '.', ';'])
                .to_owned(),
            description: String::new(),
            kind: Kind::Text,
            required: true,
            choices: Vec::new(),
            editor: Editor::default(),
        });
        Self::new(
            resource.uri.clone(),
            Purpose::Template {
                server,
                uri: resource.uri.clone(),
            },
            fields.collect(),
        )
    }

    /// A form to change the arguments of a call before it is made. Nothing when they don't fit: cut
    /// arguments would be others.
    #[must_use]
    pub fn for_arguments(entry: u64, name: &str, arguments: &Map<String, Value>) -> Option<Self> {
        let text = serde_json::to_string_pretty(arguments).ok()?;
        let form = Self::new(
            format!("arguments of {name}"),
            Purpose::Approve { entry },
            vec![json_field(&text)],
        );
        let field = form.fields.first()?;
        (field.editor.text().len() == text.len()).then_some(form)
    }

    /// A form for a server's key.
    #[must_use]
    pub fn for_key(server: usize, name: &str) -> Self {
        let key = own_field(
            "key",
            "what the server knows you by; kept until you leave",
            Kind::Secret,
        );
        Self::new(
            format!("sign in to {name}"),
            Purpose::SignIn { server },
            vec![key],
        )
    }

    /// A form for one more server.
    #[must_use]
    pub fn for_server() -> Self {
        let fields = vec![
            own_field("name", "letters, digits or -", Kind::Text),
            own_field(
                "address",
                "http://host/mcp, or a program and its arguments",
                Kind::Text,
            ),
        ];
        Self::new("add a server".into(), Purpose::AddServer, fields)
    }

    /// A form for a server's question.
    #[must_use]
    pub fn for_question(number: u64, question: &Question) -> Self {
        Self {
            about: format!(
                "{}\n\nWhat you write goes to the server: no passwords, no keys. Ctrl-N says no.",
                question.message
            ),
            ..Self::new(
                format!("{} asks", question.server),
                Purpose::Answer { number },
                fields(&question.schema),
            )
        }
    }

    /// The field under the cursor.
    pub fn current(&mut self) -> Option<&mut Field> {
        self.fields.get_mut(self.focus)
    }

    /// Reads the fields.
    ///
    /// # Errors
    /// What is wrong with which field.
    pub fn arguments(&self) -> Result<Map<String, Value>, String> {
        if let [only] = &self.fields[..]
            && only.name.is_empty()
        {
            return serde_json::from_str(only.editor.text())
                .map_err(|e| format!("not a JSON object: {e}"));
        }
        let mut arguments = Map::new();
        for field in &self.fields {
            let text = field.editor.text();
            if text.trim().is_empty() {
                if field.required {
                    return Err(format!("{} is needed", field.name));
                }
                continue;
            }
            let wrong = |what: &str| format!("{}: {text:?} is no {what}", field.name);
            let value = match field.kind {
                Kind::Text | Kind::Secret => Value::String(text.to_owned()),
                Kind::Integer => text
                    .trim()
                    .parse::<i64>()
                    .map(Value::from)
                    .map_err(|_| wrong("whole number"))?,
                Kind::Number => text
                    .trim()
                    .parse::<f64>()
                    .map(Value::from)
                    .map_err(|_| wrong("number"))?,
                Kind::Bool => match text.trim() {
                    "true" | "yes" | "y" => Value::Bool(true),
                    "false" | "no" | "n" => Value::Bool(false),
                    _ => return Err(wrong("yes or no")),
                },
                Kind::Json => serde_json::from_str(text)
                    .map_err(|e| format!("{}: not JSON: {e}", field.name))?,
            };
            if !field.choices.is_empty()
                && value
                    .as_str()
                    .is_some_and(|v| !field.choices.iter().any(|c| c == v))
            {
                return Err(format!(
                    "{}: one of {}",
                    field.name,
                    field.choices.join(", ")
                ));
            }
            arguments.insert(field.name.clone(), value);
        }
        Ok(arguments)
    }

    /// The template's URI with its parts filled in, each encoded so that it can't leave its place.
    #[must_use]
    pub fn uri(&self, template: &str) -> String {
        let mut uri = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            uri.push_str(before);
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            let name = name.trim_start_matches(['+', '/', '?', '&', '#', '.', ';']);
            if let Some(field) = self.fields.iter().find(|f| f.name == name) {
                uri.extend(
                    url::form_urlencoded::byte_serialize(field.editor.text().as_bytes())
                        .map(|part| part.replace('+', "%20")),
                );
            }
            rest = tail;
        }
        uri.push_str(rest);
        uri
    }
}

/// A field of this program's own.
fn own_field(name: &str, description: &str, kind: Kind) -> Field {
    Field {
        name: name.into(),
        description: description.into(),
        kind,
        required: true,
        choices: Vec::new(),
        editor: Editor::default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Hints;

    fn tool(schema: &Value) -> Tool {
        Tool {
            name: "t".into(),
            title: None,
            description: String::new(),
            schema: schema.as_object().unwrap().clone(),
            hints: Hints::default(),
            scope: None,
        }
    }

    #[test]
    fn a_form_asks_for_what_the_schema_asks_for_and_needed_fields_come_first() {
        let schema = json!({"properties": {"a": {"type": "integer"}, "z": {"type": "string"}}, "required": ["z"]});
        let mut form = Form::for_tool(0, &tool(&schema));
        assert_eq!(form.fields[0].name, "z");
        assert!(form.arguments().unwrap_err().contains("z is needed"));
        form.fields[0].editor.set("x");
        form.fields[1].editor.set("seven");
        assert!(form.arguments().unwrap_err().contains("whole number"));
        form.fields[1].editor.set("7");
        assert_eq!(
            Value::Object(form.arguments().unwrap()),
            json!({"z": "x", "a": 7})
        );
    }

    #[test]
    fn a_value_that_is_not_in_the_list_is_refused_with_the_list() {
        let schema = json!({"properties": {"unit": {"type": "string", "enum": ["C", "F"]}}});
        let mut form = Form::for_tool(0, &tool(&schema));
        form.fields[0].editor.set("K");
        assert!(form.arguments().unwrap_err().contains("C, F"));
    }

    #[test]
    fn a_question_is_a_form_of_its_schema_with_the_servers_words_above() {
        let schema = json!({"type": "object", "properties": {
            "size": {"type": "string", "oneOf": [{"const": "s", "title": "Small"}, {"const": "l", "title": "Large"}]},
        }, "required": ["size"]});
        let question = Question {
            server: "shop".into(),
            message: "Which size?".into(),
            schema: schema.as_object().unwrap().clone(),
        };
        let mut form = Form::for_question(7, &question);
        assert!(form.about.starts_with("Which size?"));
        assert_eq!(form.fields[0].choices, ["s", "l"]);
        form.fields[0].editor.set("m");
        assert!(form.arguments().is_err());
    }

    #[test]
    fn a_template_part_cannot_break_out_of_its_place() {
        let resource = Resource {
            uri: "docs://{page}/x".into(),
            name: String::new(),
            description: String::new(),
            mime: None,
            template: true,
        };
        let mut form = Form::for_template(0, &resource);
        form.fields[0].editor.set("../a b?c");
        assert_eq!(form.uri(&resource.uri), "docs://..%2Fa%20b%3Fc/x");
    }
}
