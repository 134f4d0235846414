//! What a server offers, in this client's own types: lists are read once and drawn often.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// A title for people.
    pub title: Option<String>,
    /// What the server says it does. Untrusted.
    pub description: String,
    /// Its arguments as JSON Schema.
    pub schema: Map<String, Value>,
    /// What the server says about its effects. Hints, never proof.
    pub hints: Hints,
    /// The scope that it needs, when the server tells.
    pub scope: Option<String>,
}

/// What a server claims about a tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hints {
    /// Changes nothing.
    pub read_only: Option<bool>,
    /// May destroy something.
    pub destructive: Option<bool>,
    /// Calling twice is calling once.
    pub idempotent: Option<bool>,
    /// Talks to the outside world.
    pub open_world: Option<bool>,
}

impl Hints {
    /// The claims in words.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        for (hint, yes, no) in [
            (self.read_only, "read-only", "changes things"),
            (self.destructive, "destructive", "only adds"),
            (self.idempotent, "idempotent", "not idempotent"),
            (self.open_world, "open world", "closed world"),
        ] {
            match hint {
                Some(true) => words.push(yes),
                Some(false) => words.push(no),
                None => {}
            }
        }
        words.join(" · ")
    }
}

/// A hash as hexadecimal digits.
pub(crate) fn sha256(text: &str) -> String {
    use std::fmt::Write as _;
    let digits = String::with_capacity(64);
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(digits, |mut hex, byte| {
            // Writing to a String can't fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

impl Tool {
    /// A hash over everything that a person approved when approving this tool, its owner included:
    /// the same words from somebody else are another tool.
    #[must_use]
    pub fn fingerprint(&self, owner: &str) -> String {
        sha256(&format!("{owner}\n{}", self.definition()))
    }

    /// The text that is pinned, and shown as a diff when it changes.
    ///
    /// Each part can only be read in one way: the title is quoted and the hints are one line, so that
    /// no text can move from one part to another without a difference.
    #[must_use]
    pub fn definition(&self) -> String {
        let schema = serde_json::to_string_pretty(&self.schema).unwrap_or_default();
        let title = self.title.as_ref().map_or_else(
            || "no title".to_owned(),
            |title| format!("title: {}", Value::String(title.clone())),
        );
        let hints = self.hints.words();
        let hints = if hints.is_empty() { "no hints" } else { &hints };
        format!(
            "{}\n{title}\n{}\n{hints}\n{schema}",
            self.name, self.description
        )
    }
}

/// A resource, or a template of resources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Its URI, or its URI template.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// What the server says about it.
    pub description: String,
    /// Its type.
    pub mime: Option<String>,
    /// True when `uri` is a template with `{names}` to fill in.
    pub template: bool,
}

/// A prompt's argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it must be given.
    pub required: bool,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it takes.
    pub arguments: Vec<PromptArgument>,
}

/// A model that the server can chat with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Size on disk in bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// Such as `8B`.
    #[serde(default)]
    pub parameters: Option<String>,
    /// Such as `Q4_K_M`.
    #[serde(default)]
    pub quantization: Option<String>,
    /// Such as `tools`, `thinking`.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// The models, and who provides them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Models {
    /// Who provides them.
    #[serde(default)]
    pub provider: String,
    /// The one that is used when none is named.
    #[serde(default)]
    pub default_model: Option<String>,
    /// All of them.
    #[serde(default)]
    pub models: Vec<Model>,
}

/// Everything that one server offers to this caller.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// The server's name for itself. Self-reported.
    pub server_name: String,
    /// Its version. Self-reported.
    pub server_version: String,
    /// The protocol version that was agreed.
    pub protocol: String,
    /// Tools, in the server's order.
    pub tools: Vec<Tool>,
    /// Resources and templates.
    pub resources: Vec<Resource>,
    /// Prompts.
    pub prompts: Vec<Prompt>,
    /// Models, when the server tells.
    pub models: Models,
    /// Whether the server announces changes of its resources.
    #[serde(default)]
    pub announces_updates: bool,
}

impl Catalog {
    /// Finds a tool.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|t| t.name == name)
    }

    /// Who the server says that it is, as text to pin and to compare. Quoted, so that no word can move
    /// from the name to the version unseen.
    #[must_use]
    pub fn owner(&self) -> String {
        let quoted = |text: &str| Value::String(text.to_owned());
        format!(
            "name: {}\nversion: {}",
            quoted(&self.server_name),
            quoted(&self.server_version)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool() -> Tool {
        Tool {
            name: "echo".into(),
            title: Some("Echo".into()),
            description: "Says it back".into(),
            schema: Map::new(),
            hints: Hints {
                read_only: Some(true),
                ..Hints::default()
            },
            scope: None,
        }
    }

    #[test]
    fn any_change_that_a_model_or_person_would_see_changes_the_fingerprint() {
        let of_a = |tool: &Tool| tool.fingerprint("a");
        assert_eq!(of_a(&tool()), of_a(&tool()));
        assert_ne!(of_a(&tool()), tool().fingerprint("b"), "another owner");
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        let hints = |change: fn(&mut Hints)| {
            let mut hints = tool().hints;
            change(&mut hints);
            Tool { hints, ..tool() }
        };
        let changed = [
            Tool {
                title: None,
                ..tool()
            },
            Tool {
                title: Some("Echo, safe".into()),
                ..tool()
            },
            Tool {
                description: "Says it back.".into(),
                ..tool()
            },
            Tool { schema, ..tool() },
            hints(|h| h.read_only = Some(false)),
            hints(|h| h.read_only = None),
            hints(|h| h.destructive = Some(false)),
            hints(|h| h.idempotent = Some(true)),
            hints(|h| h.open_world = Some(true)),
        ];
        let all: std::collections::BTreeSet<String> =
            changed.iter().chain([&tool()]).map(of_a).collect();
        assert_eq!(all.len(), changed.len() + 1, "one of them went unnoticed");
    }

    #[test]
    fn text_that_moves_from_the_title_to_the_description_is_a_change() {
        let before = Tool {
            title: Some("Echo\nSays".into()),
            description: "it back".into(),
            ..tool()
        };
        let after = Tool {
            title: Some("Echo".into()),
            description: "Says\nit back".into(),
            ..tool()
        };
        assert_ne!(before.definition(), after.definition());
    }
}
