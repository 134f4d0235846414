//! What each operation needs: a name goes in, the scopes that it takes come out.
//!
//! The scope follows from the name, so a name that nobody registered gets one of the same shape
//! and a refusal never tells whether a tool exists:
//!
//! | name | scope |
//! |---|---|
//! | tool `weather-get` | `tools:weather:get` |
//! | tool `echo` | `tools:util:echo` |
//! | tool `files-read-all` | `tools:files:read`, as `files-read`: words after the second don't count |
//! | resource `config://server` | `resources:config:read` |
//! | prompt `review-code` | `prompts:review-code:get` |
//!
//! Where the rule doesn't fit, or two names would share a scope that shouldn't, [`Catalogue::tool`] and its siblings name the scope.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::scope::Scope;

/// What an operation acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A tool, by name.
    Tool(&'a str),
    /// A resource or resource template, by URI.
    Resource(&'a str),
    /// A prompt, by name.
    Prompt(&'a str),
    /// A method that the specification doesn't know.
    Custom(&'a str),
}

impl<'a> Target<'a> {
    /// Its name, URI or method.
    pub fn text(self) -> &'a str {
        match self {
            Self::Tool(text) | Self::Resource(text) | Self::Prompt(text) | Self::Custom(text) => {
                text
            }
        }
    }
}

/// Names mapped to the scopes that they need. Clones are the same catalogue, which its handler may
/// [replace](Self::replace) while it is served.
#[derive(Debug, Clone, Default)]
pub struct Catalogue(Arc<RwLock<Arc<Entries>>>);

#[derive(Debug, Clone, Default)]
struct Entries {
    tools: HashMap<Arc<str>, Arc<[Scope]>>,
    schemes: HashMap<Box<str>, Arc<[Scope]>>,
    prompts: HashMap<Box<str>, Arc<[Scope]>>,
    closed_to_models: Vec<Box<str>>,
}

impl Catalogue {
    /// An empty catalogue: every scope follows from its name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the scope that a tool needs.
    #[must_use]
    pub fn tool(self, name: &str, scope: Scope) -> Self {
        self.with(|entries| {
            entries.tools.insert(name.into(), [scope].into());
        })
    }

    /// Names the scope that every resource of a URI scheme needs.
    #[must_use]
    pub fn resources(self, scheme: &str, scope: Scope) -> Self {
        let scheme = scheme.to_ascii_lowercase().into();
        self.with(|entries| {
            entries.schemes.insert(scheme, [scope].into());
        })
    }

    /// Names the scope that a prompt needs.
    #[must_use]
    pub fn prompt(self, name: &str, scope: Scope) -> Self {
        self.with(|entries| {
            entries.prompts.insert(name.into(), [scope].into());
        })
    }

    /// Closes all tools whose names begin like this to models: a caller may call them, but not a
    /// model in the caller's name, so that a model can't call itself.
    #[must_use]
    pub fn closed_to_models(self, prefix: &str) -> Self {
        let prefix = prefix.to_ascii_lowercase().into();
        self.with(|entries| entries.closed_to_models.push(prefix))
    }

    /// From now on, and for every clone: what `other` says.
    pub fn replace(&self, other: &Self) {
        let entries = other.entries();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = entries;
    }

    /// The scopes that a target needs; never empty.
    pub fn needs(&self, target: Target<'_>) -> Arc<[Scope]> {
        let entries = self.entries();
        let known = match target {
            Target::Tool(name) => entries.tools.get(name),
            Target::Resource(uri) => entries.schemes.get(scheme(uri).as_str()),
            Target::Prompt(name) => entries.prompts.get(name),
            Target::Custom(_) => None,
        };
        known.cloned().unwrap_or_else(|| [derived(target)].into())
    }

    /// The name of a tool that is in the catalogue now: a label of which there are only so many.
    pub fn tool_name(&self, name: &str) -> Option<Arc<str>> {
        let entries = self.entries();
        entries
            .tools
            .get_key_value(name)
            .map(|(name, _)| Arc::clone(name))
    }

    /// Whether a model may not ask for it.
    pub(in super::super) fn is_closed_to_models(&self, target: Target<'_>) -> bool {
        let Target::Tool(name) = target else {
            return false;
        };
        let name = name.trim().to_ascii_lowercase();
        let prefixes = &self.entries().closed_to_models;
        prefixes.iter().any(|prefix| name.starts_with(&**prefix))
    }

    fn with(self, change: impl FnOnce(&mut Entries)) -> Self {
        change(Arc::make_mut(
            &mut self.0.write().unwrap_or_else(PoisonError::into_inner),
        ));
        self
    }

    fn entries(&self) -> Arc<Entries> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn derived(target: Target<'_>) -> Scope {
    match target {
        Target::Tool(name) => {
            let mut parts = name.splitn(3, '-');
            match (parts.next(), parts.next()) {
                (Some(group), Some(action)) => Scope::build("tools", group, action),
                _ => Scope::build("tools", "util", name),
            }
        }
        Target::Resource(uri) => Scope::build("resources", &scheme(uri), "read"),
        Target::Prompt(name) => Scope::build("prompts", name, "get"),
        Target::Custom(method) => Scope::build("custom", method, "call"),
    }
}

/// The scheme of a URI, normalised: RFC 3986 §3.1 makes it case-insensitive, and white space
/// around it must not be a way past a grant.
fn scheme(uri: &str) -> String {
    uri.trim()
        .split_once(':')
        .map_or("", |(scheme, _)| scheme)
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(target: Target<'_>) -> String {
        Catalogue::new().needs(target)[0].to_string()
    }

    #[test]
    fn a_name_gives_its_scope() {
        assert_eq!(needs(Target::Tool("weather-get")), "tools:weather:get");
        assert_eq!(
            needs(Target::Tool("ollama-list-models")),
            "tools:ollama:list"
        );
        assert_eq!(needs(Target::Tool("echo")), "tools:util:echo");
        assert_eq!(
            needs(Target::Resource("config://server")),
            "resources:config:read"
        );
        assert_eq!(
            needs(Target::Resource(" CONFIG://Server ")),
            "resources:config:read"
        );
        assert_eq!(
            needs(Target::Prompt("review-code")),
            "prompts:review-code:get"
        );
    }

    #[test]
    fn a_name_can_be_given_another_scope() {
        let scope = Scope::parse("tools:danger:run").unwrap();
        let catalogue = Catalogue::new().tool("echo", scope.clone());
        assert_eq!(catalogue.needs(Target::Tool("echo"))[0], scope);
        assert_eq!(
            catalogue.needs(Target::Tool("echo2"))[0].as_str(),
            "tools:util:echo2"
        );
    }
}
