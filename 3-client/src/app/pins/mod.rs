//! What a server offers is pinned: its whole list of tools, and who it says that it is. What is new or
//! different is held back until a person has looked at it. A description is read by a model; changing it
//! after approval is an attack, and so is adding a tool to a list that was looked at.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

use crate::catalog::{Catalog, sha256};

/// Tools of one server that are taken as they are at first sight. More than that nobody has an eye on.
const MAX_PINS: usize = 2000;
/// Bytes of one definition that are kept. Of a longer one, the rest is kept as a hash.
const MAX_DEFINITION: usize = 16 * 1024;

/// What was looked at, by the server's address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Pins {
    servers: BTreeMap<String, Pinned>,
    /// The file was there and couldn't be read: no server is new, whatever is missing here.
    lost: bool,
}

/// What is pinned of one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Pinned {
    /// Nothing when an older version of this program wrote the file.
    owner: Option<String>,
    tools: BTreeMap<String, String>,
    /// Tools that a person turned off.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    off: BTreeSet<String>,
}

/// The file, as this version and the one before wrote it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Now { servers: BTreeMap<String, Pinned> },
    ToolsAlone(BTreeMap<String, BTreeMap<String, String>>),
}

impl From<Stored> for Pins {
    fn from(stored: Stored) -> Self {
        let servers = match stored {
            Stored::Now { servers } => servers,
            Stored::ToolsAlone(servers) => {
                let pinned = |(address, tools)| {
                    let pinned = Pinned {
                        tools,
                        ..Pinned::default()
                    };
                    (address, pinned)
                };
                servers.into_iter().map(pinned).collect()
            }
        };
        Self {
            servers,
            lost: false,
        }
    }
}

impl From<Pins> for Stored {
    fn from(pins: Pins) -> Self {
        Self::Now {
            servers: pins.servers,
        }
    }
}

/// What an item that is held back is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum What {
    /// Who the server says that it is.
    Owner,
    /// A tool.
    Tool(String),
}

/// Something that is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What it is about.
    pub what: What,
    /// What was looked at; nothing when it is new.
    pub before: Option<String>,
    /// What it is now.
    pub now: String,
}

impl Held {
    /// Its name in a list.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.what {
            What::Owner => "the server itself",
            What::Tool(name) => name,
        }
    }

    /// In a few words, what is the matter with it.
    #[must_use]
    pub fn about(&self) -> &'static str {
        match (&self.what, &self.before) {
            (What::Owner, _) => "says that it is another one; nothing of it is used",
            (What::Tool(_), Some(_)) => "its definition changed; the model isn't offered it",
            (What::Tool(_), None) => "new; the model isn't offered it",
        }
    }

    /// What is different, as lines with `-` and `+`.
    #[must_use]
    pub fn difference(&self) -> String {
        diff(self.before.as_deref().unwrap_or_default(), &self.now)
    }
}

/// All that is held back of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    items: Vec<Held>,
    tools: HashSet<String>,
    owner: bool,
}

impl Holding {
    fn of(items: Vec<Held>) -> Self {
        let tools = items.iter().filter_map(|held| match &held.what {
            What::Tool(name) => Some(name.clone()),
            What::Owner => None,
        });
        Self {
            tools: tools.collect(),
            owner: items.iter().any(|held| held.what == What::Owner),
            items,
        }
    }

    /// Each of them.
    #[must_use]
    pub fn items(&self) -> &[Held] {
        &self.items
    }

    /// Whether the server as a whole is held back.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.owner
    }

    /// Whether this tool is held back.
    #[must_use]
    pub fn covers(&self, tool: &str) -> bool {
        self.owner || self.tools.contains(tool)
    }
}

impl Pins {
    /// Pins in place of a file that can't be read: nothing counts as seen for the first time.
    #[must_use]
    pub fn lost() -> Self {
        Self {
            lost: true,
            ..Self::default()
        }
    }

    /// Compares what a server offers with what was looked at. Somebody has to be trusted at first
    /// sight, and a call still has to be approved: of a server that was never seen, the list is taken
    /// as it is, up to a number of tools that a person could have looked at.
    pub fn check(&mut self, address: &str, catalog: &Catalog) -> Holding {
        let is_new = !self.lost && !self.servers.contains_key(address);
        let pinned = self.servers.entry(address.to_owned()).or_default();
        let mut held = Vec::new();
        let owner = catalog.owner();
        let was_seen = !is_new && (pinned.owner.is_some() || self.lost);
        if was_seen && pinned.owner.as_ref() != Some(&owner) {
            held.push(Held {
                what: What::Owner,
                before: pinned.owner.clone(),
                now: owner,
            });
        } else {
            pinned.owner = Some(owner);
        }
        for tool in &catalog.tools {
            let now = pinnable(tool.definition());
            match pinned.tools.get(&tool.name) {
                Some(before) if *before == now => {}
                None if is_new && pinned.tools.len() < MAX_PINS => {
                    pinned.tools.insert(tool.name.clone(), now);
                }
                before => held.push(Held {
                    what: What::Tool(tool.name.clone()),
                    before: before.cloned(),
                    now,
                }),
            }
        }
        Holding::of(held)
    }

    /// Whether a person turned this tool off.
    #[must_use]
    pub fn is_off(&self, address: &str, tool: &str) -> bool {
        let pinned = self.servers.get(address);
        pinned.is_some_and(|pinned| pinned.off.contains(tool))
    }

    /// Turns a tool off, or on again.
    pub fn switch(&mut self, address: &str, tool: &str) {
        if let Some(pinned) = self.servers.get_mut(address)
            && !pinned.off.remove(tool)
        {
            pinned.off.insert(tool.to_owned());
        }
    }

    /// A person has looked at it and takes it.
    pub fn accept(&mut self, address: &str, held: Held) {
        let pinned = self.servers.entry(address.to_owned()).or_default();
        match held.what {
            What::Owner => pinned.owner = Some(held.now),
            What::Tool(name) => {
                pinned.tools.insert(name, held.now);
            }
        }
    }
}

fn pinnable(definition: String) -> String {
    if definition.len() <= MAX_DEFINITION {
        return definition;
    }
    let end = definition.floor_char_boundary(MAX_DEFINITION);
    format!(
        "{}\n[{} bytes in all, SHA-256 {}]",
        &definition[..end],
        definition.len(),
        sha256(&definition)
    )
}

/// The difference, as lines with `-` and `+`.
#[must_use]
pub fn diff(before: &str, now: &str) -> String {
    let mut text = String::new();
    for change in TextDiff::from_lines(before, now).iter_all_changes() {
        let mark = match change.tag() {
            ChangeTag::Delete => "- ",
            ChangeTag::Insert => "+ ",
            ChangeTag::Equal => "  ",
        };
        text.push_str(mark);
        text.push_str(change.value().trim_end_matches('\n'));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
