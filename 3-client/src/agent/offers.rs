//! What the model may ask for, and where each name leads.

use serde_json::{Value, json};

use crate::catalog::Tool;
use crate::chat::Offer;

/// The tool that this client itself offers.
pub const READ_RESOURCE: &str = "read-resource";

/// Where an offered tool leads.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A server's tool.
    Tool {
        /// The server's place.
        server: usize,
        /// The tool's name there.
        tool: String,
        /// The hash of what was offered, so that an approval belongs to exactly this definition.
        fingerprint: String,
        /// Whether the server claims that it changes nothing.
        read_only: bool,
    },
    /// Reading a resource, by its URI.
    Resource,
    /// Nothing: the model made the name up.
    Unknown,
}

impl Target {
    /// Whether it changes nothing; of a tool, that is the server's own claim.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Tool { read_only, .. } => *read_only,
            Self::Resource => true,
            Self::Unknown => false,
        }
    }
}

/// A tool as it is offered, and where it leads.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    /// What the model sees.
    pub offer: Offer,
    /// Where a call goes.
    pub target: Target,
}

/// Builds what the model is offered: every tool of every connected server except the chat's own
/// family, and reading a resource. With several servers, names carry the server's.
pub fn offers<'a>(
    servers: impl Iterator<Item = (usize, &'a str, Vec<&'a Tool>)>,
    several: bool,
    uris: &[(String, usize)],
) -> Vec<Offered> {
    let mut all: Vec<Offered> = servers
        .flat_map(|(server, name, tools)| {
            tools
                .into_iter()
                .filter(|t| !t.name.starts_with("ollama-"))
                .map(move |tool| Offered {
                    offer: Offer {
                        name: if several {
                            format!("{name}__{}", tool.name)
                        } else {
                            tool.name.clone()
                        },
                        description: tool.description.clone(),
                        parameters: Value::Object(tool.schema.clone()),
                    },
                    target: Target::Tool {
                        server,
                        tool: tool.name.clone(),
                        fingerprint: tool.fingerprint(),
                        read_only: tool.hints.read_only == Some(true),
                    },
                })
        })
        .collect();
    if !uris.is_empty() {
        let known: Vec<&str> = uris.iter().take(40).map(|(uri, _)| uri.as_str()).collect();
        let offer = Offer {
            name: READ_RESOURCE.into(),
            description: format!("Reads a resource by its URI. Known: {}", known.join(", ")),
            parameters: json!({"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]}),
        };
        all.push(Offered {
            offer,
            target: Target::Resource,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::catalog::Hints;

    fn tool(name: &str) -> Tool {
        Tool {
            name: name.into(),
            title: None,
            description: String::new(),
            schema: Map::new(),
            hints: Hints::default(),
            scope: None,
        }
    }

    #[test]
    fn the_model_is_never_offered_another_model() {
        let tools = [
            tool("echo"),
            tool("ollama-chat"),
            tool("ollama-list-models"),
        ];
        let offered = offers(
            [(0, "local", tools.iter().collect())].into_iter(),
            false,
            &[],
        );
        assert_eq!(
            offered
                .iter()
                .map(|o| o.offer.name.as_str())
                .collect::<Vec<_>>(),
            ["echo"]
        );
    }

    #[test]
    fn with_several_servers_two_tools_of_one_name_stay_apart() {
        let tools = [tool("echo")];
        let offered = offers(
            [
                (0, "a", tools.iter().collect()),
                (1, "b", tools.iter().collect()),
            ]
            .into_iter(),
            true,
            &[],
        );
        assert_eq!(
            offered
                .iter()
                .map(|o| o.offer.name.as_str())
                .collect::<Vec<_>>(),
            ["a__echo", "b__echo"]
        );
        assert!(matches!(offered[1].target, Target::Tool { server: 1, .. }));
    }

    #[test]
    fn reading_resources_is_offered_only_when_there_are_some() {
        assert!(offers(std::iter::empty(), false, &[]).is_empty());
        assert_eq!(
            offers(std::iter::empty(), false, &[("config://server".into(), 0)])[0]
                .offer
                .name,
            READ_RESOURCE
        );
    }
}
