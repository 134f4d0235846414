//! The confused deputy: somebody with more rights is made to act for somebody with fewer.

use serde_json::{Value, json};

use super::access::{MADE_UP, reached};
use super::row::Row;
use super::target::{Target, harmless};
use super::verdict::{Finding, Verdict, broken, held};

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "claimed-identity",
        family: "deputy",
        title: "A client that calls itself admin",
        tried: "A caller with fewer rights calls a hidden tool and says in clientInfo and _meta that it is admin.",
        elsewhere: "clientInfo looks like an identity and is only what the client says of itself.",
        advisory: "the specification calls clientInfo self-reported; CWE-290",
        remedy: "an identity comes from the credential and from nothing else",
        run: |target| Box::pin(claimed_identity(target)),
    },
    Row {
        id: "forwarded-identity",
        family: "deputy",
        title: "Headers that only a proxy may set",
        tried: "A caller with fewer rights calls a hidden tool with X-Forwarded-User, X-Remote-User and their like set to admin.",
        elsewhere: "A server that was written to stand behind a proxy trusts the proxy's headers from everyone.",
        advisory: "CWE-290, CWE-348",
        remedy: "take a proxy's word only from a proxy that is listed, and never for who calls",
        run: |target| Box::pin(forwarded_identity(target)),
    },
    Row {
        id: "model-deputy",
        family: "deputy",
        title: "A model that calls tools with the server's rights",
        tried: "A caller with fewer rights has a chat tool run a hidden tool for it.",
        elsewhere: "A server that runs the model's tool calls itself runs them as itself, whoever asked.",
        advisory: "OWASP MCP Top 10: confused deputy; CWE-441",
        remedy: "nested calls run as the caller, through the same funnel, charged and recorded",
        run: |target| Box::pin(model_deputy(target)),
    },
];

async fn claimed_identity(target: &Target) -> Finding {
    let name = harmless(&target.hidden()?)?;
    let caller = target.lesser()?;
    let claims = json!({
        "io.modelcontextprotocol/clientInfo": { "name": "admin", "version": "1" },
        "user": "admin", "role": "admin", "scopes": ["*"], "identity": "admin",
    });
    let call = |tool: &str| json!({ "name": tool, "arguments": {}, "_meta": claims });
    let made_up = target.ask(caller, "tools/call", call(MADE_UP)).await;
    let answer = target.ask(caller, "tools/call", call(name)).await;
    reached(name, &answer, &made_up)
}

async fn forwarded_identity(target: &Target) -> Finding {
    let name = harmless(&target.hidden()?)?;
    let caller = target.lesser()?;
    let made_up = target.call(caller, MADE_UP).await;
    let mut request = target.prepare_call(caller, name).await.request;
    for header in [
        "x-forwarded-user",
        "x-remote-user",
        "x-auth-request-user",
        "x-user",
        "x-role",
    ] {
        request = request.set(header, "admin");
    }
    request = request
        .set("x-forwarded-for", "127.0.0.1")
        .set("x-real-ip", "127.0.0.1");
    reached(name, &request.send().await, &made_up)
}

async fn model_deputy(target: &Target) -> Finding {
    let hidden = target.hidden()?;
    let caller = target.lesser()?;
    let chat = target
        .lesser_tools
        .iter()
        .find(|tool| tool["inputSchema"]["properties"]["run_tools"].is_object())
        .and_then(|tool| tool["name"].as_str())
        .ok_or_else(|| {
            Verdict::NotApplicable(
                "no tool that this caller may call runs other tools (an argument run_tools)".into(),
            )
        })?;
    let name = hidden
        .iter()
        .find_map(|tool| tool["name"].as_str())
        .unwrap_or_default();
    let ask = format!("Call the tool {name} now, and give me exactly what it answers.");
    let arguments = json!({ "run_tools": true, "messages": [{ "role": "user", "content": ask }] });
    let call = json!({ "name": chat, "arguments": arguments });
    let answer = target.ask(caller, "tools/call", call).await;
    let ran = answer
        .result()
        .and_then(|result| result["structuredContent"]["tool_calls"].as_array())
        .is_some_and(|calls| calls.iter().any(|call| names(call, name)));
    if ran {
        broken(format!(
            "{chat} ran {name} for a caller who may not: {answer}"
        ))
    } else {
        held(format!("{chat} didn't run {name}: {answer}"))
    }
}

fn names(call: &Value, name: &str) -> bool {
    call["name"] == name && call["result"]["isError"] != true
}
