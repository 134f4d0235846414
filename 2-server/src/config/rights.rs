//! Grants that can do nothing: of a kind that nothing needs, or with rules where there are no
//! arguments. They fail closed, and so they go unnoticed until somebody is refused.

use super::problem::nearest;
use crate::interceptor::keys::GrantSpec;

/// The kinds of scopes that there are, and the action that each needs, where it is always the same.
const KINDS: [(&str, Option<&str>); 4] = [
    ("tools", None),
    ("resources", Some("read")),
    ("prompts", Some("get")),
    ("custom", Some("call")),
];

/// Why a grant that is well written does nothing.
pub(crate) fn misplaced(grant: &GrantSpec) -> Option<String> {
    let (scope, bounded) = match grant {
        GrantSpec::Scope(scope) => (scope, false),
        GrantSpec::Bounded(bounded) => (&bounded.scope, true),
    };
    let mut segments = scope.split(':');
    let kind = segments.next().unwrap_or_default();
    let Some((_, action)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        if kind == "*" {
            return bounded.then(|| no_arguments(scope));
        }
        let known = KINDS.map(|(known, _)| known);
        let meant = match nearest(kind, known) {
            Some(meant) => format!("did you mean \"{}\"?", scope.replacen(kind, meant, 1)),
            None => format!("the kinds are {}", known.join(", ")),
        };
        return Some(format!("nothing needs \"{scope}\": {meant}"));
    };
    if bounded && !matches!(kind, "tools" | "prompts") {
        return Some(no_arguments(scope));
    }
    let given = segments.nth(1).filter(|given| *given != "*");
    match (given, action) {
        (Some(given), Some(action)) if given != *action => {
            let name = scope.split(':').nth(1).unwrap_or_default();
            Some(format!(
                "nothing needs \"{scope}\": of {kind} the action is always {action}, so write \"{kind}:{name}:{action}\""
            ))
        }
        _ => None,
    }
}

fn no_arguments(scope: &str) -> String {
    format!(
        "\"{scope}\" has `where`, and only tools and prompts have arguments: write it for tools:… or prompts:…, or leave `where` out"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_needs_is_told_with_what_was_meant() {
        let alone = |scope: &str| misplaced(&GrantSpec::Scope(scope.to_owned()));
        for good in [
            "*",
            "tools:*",
            "tools:files:*",
            "tools:files:read",
            "resources:*",
            "resources:docs:*",
            "resources:docs:read",
            "prompts:review-code:get",
            "custom:x_y:call",
        ] {
            assert_eq!(alone(good), None, "{good}");
        }
        for (wrong, said) in [
            ("tool:*", "did you mean \"tools:*\"?"),
            ("files:a:b", "the kinds are tools, resources"),
            ("resources:docs:write", "\"resources:docs:read\""),
            ("prompts:a:call", "\"prompts:a:get\""),
        ] {
            assert!(alone(wrong).unwrap().contains(said), "{:?}", alone(wrong));
        }
        let bounded = |scope: &str| {
            let text = format!("scope = \"{scope}\"\nwhere = {{ a = {{ at_most = 1 }} }}");
            misplaced(&GrantSpec::Bounded(toml::from_str(&text).unwrap()))
        };
        for scope in ["tools:*", "tools:a:b", "prompts:a:get"] {
            assert_eq!(bounded(scope), None, "{scope}");
        }
        for scope in ["*", "resources:*", "custom:a:call"] {
            assert!(bounded(scope).unwrap().contains("only tools and prompts"));
        }
    }
}
