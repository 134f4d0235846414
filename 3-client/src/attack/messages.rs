//! Messages that two readers read differently: the one that checks, and the one that obeys.

use serde_json::{Value, json};

use super::row::{Row, Run};
use super::target::{Era, Target, harmless};
use super::verdict::{Finding, Verdict, broken, held, must_be_refused, not_applicable, unclear};
use crate::raw::Request;

const DISAGREE: &str = "A proxy or a policy decides on the header, and the server obeys the body.";
const DISAGREE_WHERE: &str = "2026-07-28, transports: -32020 HeaderMismatch; CWE-436";

/// A row about a request whose headers disagree with its body.
const fn disagreement(id: &'static str, title: &'static str, tried: &'static str, run: Run) -> Row {
    Row {
        id,
        family: "messages",
        title,
        tried,
        elsewhere: DISAGREE,
        advisory: DISAGREE_WHERE,
        remedy: "decide on the parsed body, once, and refuse a request whose headers disagree with it",
        run,
    }
}

pub(super) const ROWS: &[Row] = &[
    disagreement(
        "method-mismatch",
        "A header that names another method",
        "Mcp-Method says ping, and the body calls a tool.",
        |target| {
            Box::pin(call_with(target, |request| {
                request.set("mcp-method", "ping").without("mcp-name")
            }))
        },
    ),
    disagreement(
        "name-mismatch",
        "A header that names another tool",
        "Mcp-Name says a harmless name, and the body calls another tool.",
        |target| {
            Box::pin(call_with(target, |request| {
                request.set("mcp-name", "harmless")
            }))
        },
    ),
    disagreement(
        "missing-headers",
        "No headers at all",
        "The body calls a tool of 2026-07-28, and the headers that a policy would read are left out.",
        |target| {
            Box::pin(call_with(target, |request| {
                request.without("mcp-method").without("mcp-name")
            }))
        },
    ),
    disagreement(
        "version-mismatch",
        "A header that claims an older version",
        "MCP-Protocol-Version says 2025-06-18, and the body speaks 2026-07-28.",
        |target| {
            Box::pin(call_with(target, |request| {
                request.set("mcp-protocol-version", "2025-06-18")
            }))
        },
    ),
    Row {
        id: "duplicate-keys",
        family: "messages",
        title: "One key, twice",
        tried: "A message with \"method\" twice, and a call with \"name\" twice, in both orders.",
        elsewhere: "One JSON parser takes the first, another the last; the one that checks isn't the one that obeys.",
        advisory: "CVE-2017-12635 (CouchDB), RFC 8259 section 4, CWE-436",
        remedy: "refuse a message with a doubled key, or hand on what was parsed and never the text",
        run: |target| Box::pin(duplicate_keys(target)),
    },
    Row {
        id: "folded-keys",
        family: "messages",
        title: "Keys in another case",
        tried: "A message whose keys are written Method and PARAMS.",
        elsewhere: "Some JSON libraries match keys in any case; a policy in front that doesn't is blind to the message.",
        advisory: "CVE-2026-27896 (Go SDK)",
        remedy: "match keys exactly, as JSON-RPC asks",
        run: |target| Box::pin(folded_keys(target)),
    },
    Row {
        id: "batch-smuggling",
        family: "messages",
        title: "A batch with a stowaway",
        tried: "A caller with fewer rights sends a batch: a good request first, then a call of a hidden tool.",
        elsewhere: "The check looks at the first message and lets the batch through.",
        advisory: "removed from the protocol in 2025-06-18; CWE-799",
        remedy: "serve no batches, or check each message",
        run: |target| Box::pin(batch_smuggling(target)),
    },
];

/// Calls a tool by a stateless request whose headers were changed.
async fn call_with(target: &Target, change: fn(Request) -> Request) -> Finding {
    if target.era == Era::Sessions {
        return not_applicable("the server doesn't speak 2026-07-28, which has these headers");
    }
    let tools: Vec<&Value> = target.tools.iter().collect();
    let name = harmless(&tools)?;
    let call = json!({ "name": name, "arguments": {} });
    let prepared = target.prepare(&target.owner, "tools/call", call).await;
    let answer = change(prepared.request).send().await;
    // An error about the arguments proves that the tool was reached.
    if answer.status == 200 && answer.error().is_some() {
        broken(format!("the call went through to the tool: {answer}"))
    } else {
        must_be_refused(&answer)
    }
}

async fn duplicate_keys(target: &Target) -> Finding {
    let mut refusals = Vec::new();
    for (old, new) in [
        (
            r#""method":"tools/list""#,
            r#""method":"ping","method":"tools/list""#,
        ),
        (
            r#""method":"tools/list""#,
            r#""method":"tools/list","method":"ping""#,
        ),
    ] {
        let prepared = target.prepare_list(&target.owner).await;
        let body = prepared.message.to_string().replacen(old, new, 1);
        let answer = prepared.with_body(body).send().await;
        match must_be_refused(&answer)? {
            Verdict::Held(text) => refusals.push(text),
            other => return Ok(other),
        }
    }
    let tools: Vec<&Value> = target.tools.iter().collect();
    if let Ok(name) = harmless(&tools) {
        let call = json!({ "name": name, "arguments": {} });
        let field = format!("\"name\":{}", json!(name));
        for body in [
            format!("\"name\":\"harmless\",{field}"),
            format!("{field},\"name\":\"harmless\""),
        ] {
            let prepared = target
                .prepare(&target.owner, "tools/call", call.clone())
                .await;
            let body = prepared.message.to_string().replacen(&field, &body, 1);
            let answer = prepared.with_body(body).send().await;
            if answer.status == 200 && answer.error().is_none_or(|error| error["code"] != -32600) {
                return broken(format!("a call with two names was served: {answer}"));
            }
            if answer.status == 0 {
                return unclear(answer.brief());
            }
        }
    }
    held(refusals.join("; "))
}

async fn folded_keys(target: &Target) -> Finding {
    let prepared = target.prepare_list(&target.owner).await;
    let body = prepared
        .message
        .to_string()
        .replace("\"method\":", "\"Method\":")
        .replace("\"params\":", "\"PARAMS\":");
    must_be_refused(&prepared.with_body(body).send().await)
}

async fn batch_smuggling(target: &Target) -> Finding {
    let name = harmless(&target.hidden()?)?;
    let caller = target.lesser()?;
    let good = target.prepare_list(caller).await;
    let call = json!({ "name": name, "arguments": {} });
    let stowaway = target.prepare(caller, "tools/call", call).await.message;
    let id = stowaway["id"].clone();
    let batch = json!([good.message, stowaway]).to_string();
    let answer = good.with_body(batch).send().await;
    let served = answer
        .messages
        .iter()
        .flat_map(|message| {
            message
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![message.clone()])
        })
        .any(|message| message["id"] == id && message.get("result").is_some());
    if served {
        broken(format!("{name} was called from within a batch: {answer}"))
    } else if answer.status == 0 || answer.status >= 500 {
        unclear(answer.brief())
    } else {
        held(answer.brief())
    }
}
