//! Messages that two readers read differently: the one that checks, and the one that obeys.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::target::{Era, harmless};
use super::{About, Attack, Finding, Target, Verdict, must_be_refused};
use crate::raw::Request;

const DISAGREE: &str = "A proxy or a policy decides on the header, and the server obeys the body.";
const DISAGREE_WHERE: &str = "2026-07-28, transports: -32020 HeaderMismatch; CWE-436";

/// A stateless request whose headers don't say what its body says.
struct Disagreement {
    about: About,
    change: fn(Request) -> Request,
}

const fn disagreement(
    id: &'static str,
    title: &'static str,
    tried: &'static str,
    change: fn(Request) -> Request,
) -> Disagreement {
    Disagreement {
        about: About {
            id,
            family: "messages",
            title,
            tried,
            elsewhere: DISAGREE,
            advisory: DISAGREE_WHERE,
            remedy: "decide on the parsed body, once, and refuse a request whose headers disagree with it",
        },
        change,
    }
}

/// The family.
pub(super) const ALL: &[&dyn Attack] = &[
    &disagreement(
        "method-mismatch",
        "A header that names another method",
        "Mcp-Method says ping, and the body calls a tool.",
        |request| request.set("mcp-method", "ping").without("mcp-name"),
    ),
    &disagreement(
        "name-mismatch",
        "A header that names another tool",
        "Mcp-Name says a harmless name, and the body calls another tool.",
        |request| request.set("mcp-name", "harmless"),
    ),
    &disagreement(
        "missing-headers",
        "No headers at all",
        "The body calls a tool of 2026-07-28, and the headers that a policy would read are left out.",
        |request| request.without("mcp-method").without("mcp-name"),
    ),
    &disagreement(
        "version-mismatch",
        "A header that claims an older version",
        "MCP-Protocol-Version says 2025-06-18, and the body speaks 2026-07-28.",
        |request| request.set("mcp-protocol-version", "2025-06-18"),
    ),
    &DuplicateKeys,
    &FoldedKeys,
    &Batch,
];

impl Attack for Disagreement {
    fn about(&self) -> &About {
        &self.about
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            if target.era == Era::Sessions {
                return Err(Verdict::NotApplicable(
                    "the server doesn't speak 2026-07-28, which has these headers".into(),
                ));
            }
            let tools: Vec<&Value> = target.tools.iter().collect();
            let name = harmless(&tools)?;
            let call = json!({ "name": name, "arguments": {} });
            let prepared = target.prepare(&target.owner, "tools/call", call).await;
            let answer = (self.change)(prepared.request).send().await;
            // An error about the arguments proves that the tool was reached.
            Ok(if answer.status == 200 && answer.error().is_some() {
                Verdict::Broken(format!(
                    "the call went through to the tool: {}",
                    answer.brief()
                ))
            } else {
                must_be_refused(&answer)
            })
        })
    }
}

struct DuplicateKeys;

impl Attack for DuplicateKeys {
    fn about(&self) -> &About {
        &About {
            id: "duplicate-keys",
            family: "messages",
            title: "One key, twice",
            tried: "A message with \"method\" twice, and a call with \"name\" twice, in both orders.",
            elsewhere: "One JSON parser takes the first, another the last; the one that checks isn't the one that obeys.",
            advisory: "CVE-2017-12635 (CouchDB), RFC 8259 section 4, CWE-436",
            remedy: "refuse a message with a doubled key, or hand on what was parsed and never the text",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
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
                let prepared = target.prepare(&target.owner, "tools/list", json!({})).await;
                let body = prepared.message.to_string().replacen(old, new, 1);
                let answer = prepared.saying(body).send().await;
                match must_be_refused(&answer) {
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
                    let answer = prepared.saying(body).send().await;
                    if answer.status == 200
                        && answer.error().is_none_or(|error| error["code"] != -32600)
                    {
                        return Ok(Verdict::Broken(format!(
                            "a call with two names was served: {}",
                            answer.brief()
                        )));
                    }
                    if answer.status == 0 {
                        return Ok(Verdict::Unclear(answer.brief()));
                    }
                }
            }
            Ok(Verdict::Held(refusals.join("; ")))
        })
    }
}

struct FoldedKeys;

impl Attack for FoldedKeys {
    fn about(&self) -> &About {
        &About {
            id: "folded-keys",
            family: "messages",
            title: "Keys in another case",
            tried: "A message whose keys are written Method and PARAMS.",
            elsewhere: "Some JSON libraries match keys in any case; a policy in front that doesn't is blind to the message.",
            advisory: "CVE-2026-27896 (Go SDK)",
            remedy: "match keys exactly, as JSON-RPC asks",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let prepared = target.prepare(&target.owner, "tools/list", json!({})).await;
            let body = prepared
                .message
                .to_string()
                .replace("\"method\":", "\"Method\":")
                .replace("\"params\":", "\"PARAMS\":");
            Ok(must_be_refused(&prepared.saying(body).send().await))
        })
    }
}

struct Batch;

impl Attack for Batch {
    fn about(&self) -> &About {
        &About {
            id: "batch-smuggling",
            family: "messages",
            title: "A batch with a stowaway",
            tried: "A caller with fewer rights sends a batch: a good request first, then a call of a hidden tool.",
            elsewhere: "The check looks at the first message and lets the batch through.",
            advisory: "removed from the protocol in 2025-06-18; CWE-799",
            remedy: "serve no batches, or check each message",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let name = harmless(&target.hidden()?)?;
            let caller = target.lesser()?;
            let good = target.prepare(caller, "tools/list", json!({})).await;
            let call = json!({ "name": name, "arguments": {} });
            let stowaway = target.prepare(caller, "tools/call", call).await.message;
            let id = stowaway["id"].clone();
            let batch = json!([good.message, stowaway]).to_string();
            let answer = good.saying(batch).send().await;
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
            Ok(if served {
                Verdict::Broken(format!(
                    "{name} was called from within a batch: {}",
                    answer.brief()
                ))
            } else if answer.status == 0 || answer.status >= 500 {
                Verdict::Unclear(answer.brief())
            } else {
                Verdict::Held(answer.brief())
            })
        })
    }
}
