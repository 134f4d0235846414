//! Scopes: what an operation needs, and what a caller holds.
//!
//! A scope is `kind:name:action`, lower case, such as `tools:weather:get`. A grant is a scope too,
//! or ends in `*`, which stands for one or more whole segments: `tools:weather:*`, `tools:*`, `*`.
//! Matching is by whole segments, so `tools:we*` is no grant at all, and `tools:weather:get` never
//! covers `tools:weather:get-all`.

use std::{fmt, sync::Arc};

use super::argument_rule::{ArgumentRules, Breach};
use rmcp::model::JsonObject;

/// The longest segment that a scope may have. Names beyond it are cut, so that a hostile name
/// can't make a long log line.
const MAX_SEGMENT: usize = 64;

/// What an operation needs: `kind:name:action`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Parses a whole scope, without wildcards.
    ///
    /// # Errors
    /// [`ScopeError`] when it is not three segments of `a-z 0-9 . _ -`.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let segments = text.split(':').count();
        if segments != 3 || !text.split(':').all(is_segment) {
            return Err(ScopeError(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// Builds a scope from parts that come from outside. Whatever isn't allowed in a segment is
    /// replaced, so the result is always a scope, and never one that a grant didn't mean.
    pub fn build(kind: &str, name: &str, action: &str) -> Self {
        let mut text = String::with_capacity(kind.len() + name.len() + action.len() + 2);
        for (index, part) in [kind, name, action].into_iter().enumerate() {
            if index > 0 {
                text.push(':');
            }
            push_segment(&mut text, part);
        }
        Self(text.into())
    }

    /// The scope as it is written in a configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that a caller may do: a scope or a wildcard, bounded by rules on the arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    pattern: Box<str>,
    rules: ArgumentRules,
}

impl Grant {
    /// Parses a grant: a scope, or a wildcard that ends in `*`.
    ///
    /// # Errors
    /// [`ScopeError`] when it is neither.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let fixed = text.strip_suffix(":*").unwrap_or(text);
        let segments = fixed.split(':').count();
        let fits = if fixed == text {
            segments == 3
        } else {
            segments < 3
        };
        let whole = text == "*" || fits && fixed.split(':').all(is_segment);
        if whole {
            Ok(Self {
                pattern: text.into(),
                rules: ArgumentRules::default(),
            })
        } else {
            Err(ScopeError(text.to_owned()))
        }
    }

    /// The same grant, holding only while the arguments keep these rules.
    #[must_use]
    pub fn with_rules(mut self, rules: ArgumentRules) -> Self {
        self.rules = rules;
        self
    }

    /// Whether the grant reaches this scope, whatever the arguments are.
    pub fn covers(&self, scope: &Scope) -> bool {
        match self.pattern.strip_suffix('*') {
            // What stays of `tools:*` is `tools:`: the colon keeps the match to whole segments.
            Some(prefix) => scope.as_str().starts_with(prefix),
            None => *self.pattern == *scope.as_str(),
        }
    }

    /// The grant as it is written in a configuration.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

/// Everything that a caller may do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grants(Vec<Grant>);

/// What the grants say about one scope.
#[derive(Debug, PartialEq)]
pub enum Decision<'a> {
    /// This grant allows it.
    Allowed(&'a Grant),
    /// A grant reaches the scope, but its rule on this argument is broken.
    Bounded(&'a Grant, Breach),
    /// No grant reaches the scope.
    Missing,
}

impl Grants {
    /// Collects grants; the order doesn't matter.
    pub fn new(grants: Vec<Grant>) -> Self {
        Self(grants)
    }

    /// Decides on one scope. One grant that allows is enough; a broken argument rule is reported
    /// only when no other grant allows the call.
    pub fn decide(&self, scope: &Scope, arguments: Option<&JsonObject>) -> Decision<'_> {
        let mut bounded = None;
        for grant in self.0.iter().filter(|grant| grant.covers(scope)) {
            match grant.rules.check(arguments) {
                Ok(()) => return Decision::Allowed(grant),
                Err(breach) => bounded = bounded.or(Some((grant, breach))),
            }
        }
        match bounded {
            Some((grant, breach)) => Decision::Bounded(grant, breach),
            None => Decision::Missing,
        }
    }

    /// Whether some grant reaches this scope, whatever the arguments will be. Lists show what this
    /// says, so that a tool with bounded arguments is still listed.
    pub fn reach(&self, scope: &Scope) -> bool {
        self.0.iter().any(|grant| grant.covers(scope))
    }

    /// The grants, as they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }
}

/// A text that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no scope: write kind:name:action in lower case, such as tools:weather:get, or end whole segments with *, such as tools:*"
)]
pub struct ScopeError(String);

fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_SEGMENT && text.bytes().all(is_plain)
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')
}

fn push_segment(text: &mut String, part: &str) {
    let start = text.len();
    for byte in part.bytes().take(MAX_SEGMENT) {
        let lower = byte.to_ascii_lowercase();
        text.push(if is_plain(lower) {
            char::from(lower)
        } else {
            '_'
        });
    }
    if text.len() == start {
        text.push('_');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(text: &str) -> Grant {
        Grant::parse(text).unwrap()
    }

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn a_wildcard_stands_for_whole_segments() {
        let weather = scope("tools:weather:get");
        for covering in ["*", "tools:*", "tools:weather:*", "tools:weather:get"] {
            assert!(grant(covering).covers(&weather), "{covering}");
        }
        for other in [
            "resources:*",
            "tools:weath:*",
            "tools:weather:set",
            "tools:weather:get2",
        ] {
            assert!(!grant(other).covers(&weather), "{other}");
        }
        assert!(!grant("tools:weather:get").covers(&scope("tools:weather:get-all")));
    }

    #[test]
    fn what_is_no_grant_is_refused() {
        for wrong in [
            "",
            "tools",
            "tools:weather",
            "tools:we*",
            "tools:*:get",
            "Tools:weather:get",
            "tools::get",
            ":*",
            "tools:weather:get:*",
            "a:b:c:d",
            "**",
            "tools:weather:g*",
        ] {
            assert!(Grant::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_hostile_name_becomes_a_harmless_scope() {
        assert_eq!(
            Scope::build("tools", "a:b\n*", "GET").as_str(),
            "tools:a_b__:get"
        );
        assert_eq!(Scope::build("tools", "", "get").as_str(), "tools:_:get");
        assert!(
            Scope::build("tools", &"x".repeat(10_000), "get")
                .as_str()
                .len()
                < 100
        );
    }

    proptest! {
        // The definition, written a second way: segment by segment.
        #[test]
        fn matching_is_exact_by_segment(
            pattern in proptest::collection::vec("[ab]{1,2}", 0..=3),
            name in proptest::collection::vec("[ab]{1,2}", 3),
        ) {
            let wildcard = pattern.len() < 3;
            let mut text = pattern.join(":");
            if wildcard {
                text.push_str(if pattern.is_empty() { "*" } else { ":*" });
            }
            let expected = name.starts_with(&pattern);
            prop_assert_eq!(grant(&text).covers(&scope(&name.join(":"))), expected);
        }

        #[test]
        fn a_built_scope_always_parses(kind in ".*", name in ".*", action in ".*") {
            let built = Scope::build(&kind, &name, &action);
            prop_assert!(Scope::parse(built.as_str()).is_ok());
        }
    }
}
