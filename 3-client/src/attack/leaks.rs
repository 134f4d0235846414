//! What a server tells without being asked: keys, paths, stack traces, other doors.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::row::Row;
use super::target::Target;
use super::verdict::{Finding, broken, held, not_applicable, unclear};

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "talkative-errors",
        family: "leaks",
        title: "Errors that tell of the inside",
        tried: "Broken JSON, wrong types, unknown methods and unknown URIs; the answers are searched for paths and stack traces.",
        elsewhere: "An error's internal text is given to the caller: file names, versions, queries.",
        advisory: "CWE-209",
        remedy: "two messages for each error: one for the caller, one for the log",
        run: |target| Box::pin(talkative_errors(target)),
    },
    Row {
        id: "leaked-key",
        family: "leaks",
        title: "A key in an answer or in the record",
        tried: "The key is sent rightly and in wrong places; every answer and every line of the record is searched for it.",
        elsewhere: "Headers are logged whole, and errors repeat what they were given.",
        advisory: "OWASP MCP Top 10: token mismanagement and secret exposure; CWE-532",
        remedy: "write fingerprints, never keys",
        run: |target| Box::pin(leaked_key(target)),
    },
    Row {
        id: "side-doors",
        family: "leaks",
        title: "Other doors, without a key",
        tried: "GET of paths that frameworks and older protocol versions open, such as /sse and /metrics, without a key.",
        elsewhere: "The new endpoint is protected and the old one beside it still answers.",
        advisory: "CVE-2025-49596 (Inspector), CWE-425",
        remedy: "one check in front of every path",
        run: |target| Box::pin(side_doors(target)),
    },
];

/// What only the inside of a program says.
const INSIDE: [&str; 10] = [
    "Traceback (most recent call last)",
    "panicked at",
    "/root/",
    "/home/",
    "/Users/",
    "site-packages",
    "node_modules",
    ".rs:",
    ".py\", line",
    "stack backtrace",
];

async fn talkative_errors(target: &Target) -> Finding {
    let message = |method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
    };
    let bodies = [
        "{\"jsonrpc\":".to_owned(),
        "[1,2,3]".to_owned(),
        json!({ "jsonrpc": "2.0", "id": 1, "method": 5 }).to_string(),
        message("tools/call", json!({ "name": [] })),
        message("resources/read", json!({ "uri": "nothing://" })),
    ];
    for body in bodies {
        let prepared = target.prepare_list(&target.owner).await;
        let answer = prepared.with_body(body.clone()).send().await;
        if let Some(word) = INSIDE.iter().find(|word| answer.text.contains(**word)) {
            return broken(format!("given {body}, it says \"{word}\": {answer}"));
        }
        if answer.status == 0 {
            return unclear(format!("given {body}: {answer}"));
        }
    }
    held("five kinds of broken messages, no word of the inside")
}

async fn leaked_key(target: &Target) -> Finding {
    let key = target.keyed()?.expose();
    if key.len() < 6 {
        return not_applicable("the key is so short that it could be found anywhere");
    }
    let mut places = vec![("an answer", target.list_tools(&target.owner).await.text)];
    for uri in target.resources.iter().take(8) {
        let answer = target.read(&target.owner, uri).await;
        places.push(("a resource", answer.text));
    }
    let good = || target.prepare_list(&target.owner);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("key", key)
        .finish();
    places.push((
        "the answer to a key in the address",
        good().await.request.query(&query).send().await.text,
    ));
    let basic = good()
        .await
        .request
        .set("authorization", &format!("Basic {key}"));
    places.push((
        "the answer to a malformed credential",
        basic.send().await.text,
    ));
    for line in target.new_records().await {
        places.push(("the record", line));
    }
    match places.iter().find(|(_, text)| text.contains(key)) {
        Some((place, _)) => broken(format!("the key stands in {place}")),
        None if target.trail.is_there() => held(format!(
            "it is in none of {} answers and lines",
            places.len()
        )),
        None => held(format!(
            "it is in none of {} answers (the record can't be read: --audit-log)",
            places.len()
        )),
    }
}

/// Paths that frameworks, inspectors and older versions of the protocol open.
const DOORS: [&str; 8] = [
    "/sse",
    "/messages",
    "/message",
    "/metrics",
    "/debug",
    "/admin",
    "/docs",
    "/openapi.json",
];

async fn side_doors(target: &Target) -> Finding {
    target.keyed()?;
    for path in DOORS {
        let request = target
            .wire
            .request(Method::GET)
            .path(path)
            .wait(Duration::from_secs(2));
        let answer = request.set("accept", "*/*").send().await;
        if answer.status == 200 {
            return broken(format!(
                "{path} answers without a key: {}",
                answer.header("content-type")
            ));
        }
    }
    held(format!(
        "none of {} paths answers without a key",
        DOORS.len()
    ))
}
