//! Access control: what a list doesn't show must not be callable either.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::target::harmless;
use super::{About, Attack, Finding, Target, Verdict};
use crate::raw::Answer;

/// A name that no server has.
pub(super) const MADE_UP: &str = "no-such-tool-7f3a";

/// The family.
pub(super) const ALL: &[&dyn Attack] = &[
    &HiddenTool,
    &Oracle,
    &HiddenResource,
    &NameTricks,
    &OpenList,
    &UnknownMethod,
];

/// Whether the server turned a call away before the tool saw it: it says so, or it says exactly
/// what it says of a tool that doesn't exist.
pub(super) fn was_refused(answer: &Answer, name: &str, made_up: &Answer) -> bool {
    if matches!(answer.status, 401 | 403 | 404) || matches!(answer.code(), Some(401 | 403)) {
        return true;
    }
    let said = said(answer);
    // Words are only looked for in what complains: a tool's good answer may hold any of them.
    let complains = answer
        .result()
        .is_none_or(|result| result["isError"] == true);
    let refusing = [
        "forbidden",
        "not allowed",
        "unauthorized",
        "permission",
        "denied",
        "scope",
    ];
    if complains && refusing.iter().any(|word| said.contains(word)) {
        return true;
    }
    said == self::said(made_up).replace(MADE_UP, &name.to_lowercase())
        || said.replace(&name.to_lowercase(), MADE_UP) == self::said(made_up)
}

fn said(answer: &Answer) -> String {
    let text = match (answer.error(), answer.result()) {
        (Some(error), _) => format!("{} {}", error["code"], error["message"]),
        (None, Some(result)) => result["content"].to_string(),
        (None, None) => answer.text.clone(),
    };
    text.to_lowercase()
}

struct HiddenTool;

impl Attack for HiddenTool {
    fn about(&self) -> &About {
        &About {
            id: "hidden-tool",
            family: "access",
            title: "A hidden tool, called by its name",
            tried: "A caller with fewer rights calls a tool by name that its list doesn't show.",
            elsewhere: "Servers filter the list and take that for access control; the call itself isn't checked.",
            advisory: "OWASP MCP Top 10: excessive permissions; CWE-862",
            remedy: "one funnel that every method passes; list and call ask the same rule",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let name = harmless(&target.hidden()?)?;
            let caller = target.lesser()?;
            let made_up = target
                .ask(
                    caller,
                    "tools/call",
                    json!({ "name": MADE_UP, "arguments": {} }),
                )
                .await;
            let answer = target
                .ask(
                    caller,
                    "tools/call",
                    json!({ "name": name, "arguments": {} }),
                )
                .await;
            Ok(reached(name, &answer, &made_up))
        })
    }
}

/// A tool that was reached is a break, also when it only complains about its arguments.
pub(super) fn reached(name: &str, answer: &Answer, made_up: &Answer) -> Verdict {
    if answer.status == 429 || answer.code() == Some(429) {
        return Verdict::Unclear(format!("throttled: {}", answer.brief()));
    }
    if was_refused(answer, name, made_up) {
        Verdict::Held(format!("{name}: {}", answer.brief()))
    } else {
        Verdict::Broken(format!("{name} was reached: {}", answer.brief()))
    }
}

struct Oracle;

impl Attack for Oracle {
    fn about(&self) -> &About {
        &About {
            id: "tool-oracle",
            family: "access",
            title: "Finding out which tools exist",
            tried: "A caller with fewer rights calls a hidden tool and one that doesn't exist, and compares the answers.",
            elsewhere: "\"Forbidden\" for one and \"unknown\" for the other is a list of everything that is worth stealing.",
            advisory: "CWE-204",
            remedy: "refuse both with the same words and the same code",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let name = harmless(&target.hidden()?)?;
            let caller = target.lesser()?;
            let mut answers = Vec::new();
            for tool in [name, MADE_UP] {
                answers.push(
                    target
                        .ask(
                            caller,
                            "tools/call",
                            json!({ "name": tool, "arguments": {} }),
                        )
                        .await,
                );
            }
            let shape = |answer: &Answer| (answer.status, answer.code(), answer.result().is_some());
            let (real, made_up) = (&answers[0], &answers[1]);
            Ok(if shape(real) == shape(made_up) {
                Verdict::Held(format!("both are answered alike: {}", made_up.brief()))
            } else {
                Verdict::Broken(format!(
                    "{name} gives \"{}\", an invented name gives \"{}\"",
                    real.brief(),
                    made_up.brief()
                ))
            })
        })
    }
}

struct HiddenResource;

impl Attack for HiddenResource {
    fn about(&self) -> &About {
        &About {
            id: "hidden-resource",
            family: "access",
            title: "A hidden resource, read by its URI",
            tried: "A caller with fewer rights reads a URI that its list doesn't show, as it is and with the scheme in capitals.",
            elsewhere: "Resources pass by another code path than tools, and the check was written for tools.",
            advisory: "OWASP MCP Top 10: excessive permissions; CWE-639",
            remedy: "check resources in the same funnel, on the normalised scheme",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let caller = target.lesser()?;
            let listed = target.ask(caller, "resources/list", json!({})).await;
            let seen: Vec<&str> = listed
                .result()
                .and_then(|result| result["resources"].as_array())
                .into_iter()
                .flatten()
                .filter_map(|resource| resource["uri"].as_str())
                .collect();
            let uri = target
                .resources
                .iter()
                .find(|uri| !seen.contains(&uri.as_str()))
                .ok_or_else(|| {
                    Verdict::NotApplicable("both callers see the same resources".into())
                })?;
            let shouted = match uri.split_once(':') {
                Some((scheme, rest)) => format!("{}:{rest}", scheme.to_uppercase()),
                None => uri.clone(),
            };
            for uri in [uri, &shouted] {
                let answer = target
                    .ask(caller, "resources/read", json!({ "uri": uri }))
                    .await;
                if answer.result().is_some() {
                    return Ok(Verdict::Broken(format!(
                        "{uri} was read: {}",
                        answer.brief()
                    )));
                }
            }
            Ok(Verdict::Held(format!(
                "{uri} can't be read, nor as {shouted}"
            )))
        })
    }
}

struct NameTricks;

impl Attack for NameTricks {
    fn about(&self) -> &About {
        &About {
            id: "name-tricks",
            family: "access",
            title: "A hidden tool under a name that looks like it",
            tried: "The hidden tool's name in capitals, with spaces, with a NUL, with a zero-width space and with a full-width letter.",
            elsewhere: "The check compares the name as sent and the dispatcher a trimmed or folded one, so the two disagree.",
            advisory: "CWE-178, CWE-180",
            remedy: "decide on the parsed name, once, and dispatch on the very same string",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let name = harmless(&target.hidden()?)?;
            let caller = target.lesser()?;
            let made_up = target
                .ask(
                    caller,
                    "tools/call",
                    json!({ "name": MADE_UP, "arguments": {} }),
                )
                .await;
            for trick in tricks(name) {
                // No header can hold some of these; what is asked stands in the body.
                let prepared = target
                    .prepare(
                        caller,
                        "tools/call",
                        json!({ "name": trick, "arguments": {} }),
                    )
                    .await;
                let answer = prepared.request.send().await;
                let refused = answer.status >= 400 || answer.error().is_some();
                if !refused && !was_refused(&answer, &trick, &made_up) {
                    return Ok(Verdict::Broken(format!(
                        "{trick:?} reached it: {}",
                        answer.brief()
                    )));
                }
            }
            Ok(Verdict::Held(format!(
                "no spelling of {name} but its own means it"
            )))
        })
    }
}

fn tricks(name: &str) -> Vec<String> {
    let first = name.chars().next().unwrap_or('a');
    let full_width = char::from_u32(u32::from(first) + 0xFEE0).unwrap_or(first);
    vec![
        name.to_uppercase(),
        format!(" {name} "),
        format!("{name}\0"),
        format!("{name}\u{200b}"),
        name.replacen(first, &full_width.to_string(), 1),
    ]
}

struct OpenList;

impl Attack for OpenList {
    fn about(&self) -> &About {
        &About {
            id: "open-list",
            family: "access",
            title: "A list that shows what isn't for its reader",
            tried: "A caller with fewer rights lists the tools and calls what it finds.",
            elsewhere: "One list for everyone tells each caller, and each model, about every tool that there is.",
            advisory: "OWASP MCP Top 10: excessive permissions; CWE-200",
            remedy: "take out of each list what its reader couldn't use",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let caller = target.lesser()?;
            let made_up = target
                .ask(
                    caller,
                    "tools/call",
                    json!({ "name": MADE_UP, "arguments": {} }),
                )
                .await;
            let mut tried = 0;
            // Those that fail on their arguments are safe to try; a long list is sampled.
            let safe = target
                .lesser_tools
                .iter()
                .filter(|tool| harmless(&[*tool]).is_ok());
            for tool in safe.take(8) {
                let name = tool["name"].as_str().unwrap_or_default();
                let answer = target
                    .ask(
                        caller,
                        "tools/call",
                        json!({ "name": name, "arguments": {} }),
                    )
                    .await;
                if was_refused(&answer, name, &made_up) {
                    return Ok(Verdict::Broken(format!(
                        "{name} is listed and then refused: {}",
                        answer.brief()
                    )));
                }
                tried += 1;
            }
            Ok(if tried == 0 {
                Verdict::NotApplicable(
                    "none of the listed tools can be called without doing something".into(),
                )
            } else {
                Verdict::Held(format!("each of {tried} listed tools can be called"))
            })
        })
    }
}

struct UnknownMethod;

impl Attack for UnknownMethod {
    fn about(&self) -> &About {
        &About {
            id: "unknown-method",
            family: "access",
            title: "A method past the policy",
            tried: "Methods that the specification doesn't have, such as admin/shutdown and tools/call/.",
            elsewhere: "The policy knows a list of methods and lets through what it doesn't know.",
            advisory: "CWE-636",
            remedy: "refuse every method that isn't known",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            for method in [
                "admin/shutdown",
                "tools/call/",
                "TOOLS/LIST",
                "rpc.discover",
            ] {
                let answer = target.ask(&target.owner, method, Value::Null).await;
                if answer.result().is_some() {
                    return Ok(Verdict::Broken(format!(
                        "{method} was served: {}",
                        answer.brief()
                    )));
                }
                if answer.status == 0 {
                    return Ok(Verdict::Unclear(format!("{method}: {}", answer.brief())));
                }
            }
            Ok(Verdict::Held("each is refused".into()))
        })
    }
}
