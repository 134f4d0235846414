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

use std::{collections::HashMap, sync::Arc};

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

/// Names mapped to the scopes that they need, once, when the server is built.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    tools: HashMap<Box<str>, Arc<[Scope]>>,
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
    pub fn tool(mut self, name: &str, scope: Scope) -> Self {
        self.tools.insert(name.into(), [scope].into());
        self
    }

    /// Names the scope that every resource of a URI scheme needs.
    #[must_use]
    pub fn resources(mut self, scheme: &str, scope: Scope) -> Self {
        self.schemes
            .insert(scheme.to_ascii_lowercase().into(), [scope].into());
        self
    }

    /// Names the scope that a prompt needs.
    #[must_use]
    pub fn prompt(mut self, name: &str, scope: Scope) -> Self {
        self.prompts.insert(name.into(), [scope].into());
        self
    }

    /// Closes all tools whose names begin like this to models: a caller may call them, but not a
    /// model in the caller's name, so that a model can't call itself.
    #[must_use]
    pub fn closed_to_models(mut self, prefix: &str) -> Self {
        self.closed_to_models
            .push(prefix.to_ascii_lowercase().into());
        self
    }

    /// Whether a model may not ask for it.
    pub(super) fn is_closed_to_models(&self, target: Target<'_>) -> bool {
        let Target::Tool(name) = target else {
            return false;
        };
        let name = name.trim().to_ascii_lowercase();
        self.closed_to_models
            .iter()
            .any(|prefix| name.starts_with(&**prefix))
    }

    /// The scopes that a target needs; never empty.
    pub fn needs(&self, target: Target<'_>) -> Arc<[Scope]> {
        let known = match target {
            Target::Tool(name) => self.tools.get(name),
            Target::Resource(uri) => self.schemes.get(scheme(uri).as_str()),
            Target::Prompt(name) => self.prompts.get(name),
            Target::Custom(_) => None,
        };
        known.cloned().unwrap_or_else(|| [derived(target)].into())
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
