//! Access control: what a list doesn't show must not be callable either.

use serde_json::{Value, json};

use super::row::Row;
use super::target::{Target, harmless};
use super::verdict::{Finding, Verdict, broken, held, is_throttled, not_applicable, unclear};
use crate::raw::Answer;

/// A name that no server has.
pub(super) const MADE_UP: &str = "no-such-tool-7f3a";

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "hidden-tool",
        family: "access",
        title: "A hidden tool, called by its name",
        tried: "A caller with fewer rights calls a tool by name that its list doesn't show.",
        elsewhere: "Servers filter the list and take that for access control; the call itself isn't checked.",
        advisory: "OWASP MCP Top 10: excessive permissions; CWE-862",
        remedy: "one funnel that every method passes; list and call ask the same rule",
        run: |target| Box::pin(hidden_tool(target)),
    },
    Row {
        id: "tool-oracle",
        family: "access",
        title: "Finding out which tools exist",
        tried: "A caller with fewer rights calls a hidden tool and one that doesn't exist, and compares the answers.",
        elsewhere: "\"Forbidden\" for one and \"unknown\" for the other is a list of everything that is worth stealing.",
        advisory: "CWE-204",
        remedy: "refuse both with the same words and the same code",
        run: |target| Box::pin(tool_oracle(target)),
    },
    Row {
        id: "hidden-resource",
        family: "access",
        title: "A hidden resource, read by its URI",
        tried: "A caller with fewer rights reads a URI that its list doesn't show, as it is and with the scheme in capitals.",
        elsewhere: "Resources pass by another code path than tools, and the check was written for tools.",
        advisory: "OWASP MCP Top 10: excessive permissions; CWE-639",
        remedy: "check resources in the same funnel, on the normalised scheme",
        run: |target| Box::pin(hidden_resource(target)),
    },
    Row {
        id: "name-tricks",
        family: "access",
        title: "A hidden tool under a name that looks like it",
        tried: "The hidden tool's name in capitals, with spaces, with a NUL, with a zero-width space and with a full-width letter.",
        elsewhere: "The check compares the name as sent and the dispatcher a trimmed or folded one, so the two disagree.",
        advisory: "CWE-178, CWE-180",
        remedy: "decide on the parsed name, once, and dispatch on the very same string",
        run: |target| Box::pin(name_tricks(target)),
    },
    Row {
        id: "open-list",
        family: "access",
        title: "A list that shows what isn't for its reader",
        tried: "A caller with fewer rights lists the tools and calls what it finds.",
        elsewhere: "One list for everyone tells each caller, and each model, about every tool that there is.",
        advisory: "OWASP MCP Top 10: excessive permissions; CWE-200",
        remedy: "take out of each list what its reader couldn't use",
        run: |target| Box::pin(open_list(target)),
    },
    Row {
        id: "unknown-method",
        family: "access",
        title: "A method past the policy",
        tried: "Methods that the specification doesn't have, such as admin/shutdown and tools/call/.",
        elsewhere: "The policy knows a list of methods and lets through what it doesn't know.",
        advisory: "CWE-636",
        remedy: "refuse every method that isn't known",
        run: |target| Box::pin(unknown_method(target)),
    },
];

/// Whether the server turned a call away before the tool saw it: it says so, or it says exactly
/// what it says of a tool that doesn't exist.
pub(super) fn was_refused(answer: &Answer, name: &str, made_up: &Answer) -> bool {
    if matches!(answer.status, 401 | 403 | 404) || matches!(answer.code(), Some(401 | 403)) {
        return true;
    }
    let text = shown_text(answer);
    // Only a complaint is searched for words: a tool's good answer may hold any of them.
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
    if complains && refusing.iter().any(|word| text.contains(word)) {
        return true;
    }
    let (unknown, name) = (shown_text(made_up), name.to_lowercase());
    text == unknown.replace(MADE_UP, &name) || text.replace(&name, MADE_UP) == unknown
}

/// The part of an answer that its reader is shown, in lower case.
fn shown_text(answer: &Answer) -> String {
    let text = match (answer.error(), answer.result()) {
        (Some(error), _) => format!("{} {}", error["code"], error["message"]),
        (None, Some(result)) => result["content"].to_string(),
        (None, None) => answer.text.clone(),
    };
    text.to_lowercase()
}

async fn hidden_tool(target: &Target) -> Finding {
    let name = harmless(&target.hidden()?)?;
    let caller = target.lesser()?;
    let made_up = target.call(caller, MADE_UP).await;
    let answer = target.call(caller, name).await;
    reached(name, &answer, &made_up)
}

/// A tool that was reached is a break, also when it only complains about its arguments.
pub(super) fn reached(name: &str, answer: &Answer, made_up: &Answer) -> Finding {
    if is_throttled(answer) {
        return unclear(format!("throttled: {answer}"));
    }
    if was_refused(answer, name, made_up) {
        held(format!("{name}: {answer}"))
    } else {
        broken(format!("{name} was reached: {answer}"))
    }
}

async fn tool_oracle(target: &Target) -> Finding {
    let name = harmless(&target.hidden()?)?;
    let caller = target.lesser()?;
    let mut answers = Vec::new();
    for tool in [name, MADE_UP] {
        answers.push(target.call(caller, tool).await);
    }
    let shape = |answer: &Answer| (answer.status, answer.code(), answer.result().is_some());
    let (real, made_up) = (&answers[0], &answers[1]);
    if shape(real) == shape(made_up) {
        held(format!("both are answered alike: {made_up}"))
    } else {
        broken(format!(
            "{name} gives \"{real}\", an invented name gives \"{made_up}\""
        ))
    }
}

async fn hidden_resource(target: &Target) -> Finding {
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
        .ok_or_else(|| Verdict::NotApplicable("both callers see the same resources".into()))?;
    let shouted = match uri.split_once(':') {
        Some((scheme, rest)) => format!("{}:{rest}", scheme.to_uppercase()),
        None => uri.clone(),
    };
    for uri in [uri, &shouted] {
        let answer = target.read(caller, uri).await;
        if answer.result().is_some() {
            return broken(format!("{uri} was read: {answer}"));
        }
    }
    held(format!("{uri} can't be read, nor as {shouted}"))
}

async fn name_tricks(target: &Target) -> Finding {
    let name = harmless(&target.hidden()?)?;
    let caller = target.lesser()?;
    let made_up = target.call(caller, MADE_UP).await;
    for trick in tricks(name) {
        // No header can hold some of these; what is asked stands in the body.
        let prepared = target.prepare_call(caller, &trick).await;
        let answer = prepared.request.send().await;
        let refused = answer.status >= 400 || answer.error().is_some();
        if !refused && !was_refused(&answer, &trick, &made_up) {
            return broken(format!("{trick:?} reached it: {answer}"));
        }
    }
    held(format!("no spelling of {name} but its own means it"))
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

async fn open_list(target: &Target) -> Finding {
    let caller = target.lesser()?;
    let made_up = target.call(caller, MADE_UP).await;
    let mut tried = 0;
    // Those that fail on their arguments are safe to try; a long list is sampled.
    let safe = target
        .lesser_tools
        .iter()
        .filter(|tool| harmless(&[*tool]).is_ok());
    for tool in safe.take(8) {
        let name = tool["name"].as_str().unwrap_or_default();
        let answer = target.call(caller, name).await;
        if was_refused(&answer, name, &made_up) {
            return broken(format!("{name} is listed and then refused: {answer}"));
        }
        tried += 1;
    }
    if tried == 0 {
        not_applicable("none of the listed tools can be called without doing something")
    } else {
        held(format!("each of {tried} listed tools can be called"))
    }
}

async fn unknown_method(target: &Target) -> Finding {
    for method in [
        "admin/shutdown",
        "tools/call/",
        "TOOLS/LIST",
        "rpc.discover",
    ] {
        let answer = target.ask(&target.owner, method, Value::Null).await;
        if answer.result().is_some() {
            return broken(format!("{method} was served: {answer}"));
        }
        if answer.status == 0 {
            return unclear(format!("{method}: {answer}"));
        }
    }
    held("each is refused")
}
