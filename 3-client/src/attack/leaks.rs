//! What a server tells without being asked: keys, paths, stack traces, other doors.

use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Method;
use serde_json::json;

use super::{About, Attack, Finding, Target, Verdict, trail};

/// The family.
pub(super) const ALL: &[&dyn Attack] = &[&Talkative, &KeyEchoed, &SideDoors];

struct Talkative;

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

impl Attack for Talkative {
    fn about(&self) -> &About {
        &About {
            id: "talkative-errors",
            family: "leaks",
            title: "Errors that tell of the inside",
            tried: "Broken JSON, wrong types, unknown methods and unknown URIs; the answers are searched for paths and stack traces.",
            elsewhere: "An error's internal text is given to the caller: file names, versions, queries.",
            advisory: "CWE-209",
            remedy: "two messages for each error: one for the caller, one for the log",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let bodies = [
                "{\"jsonrpc\":".to_owned(),
                "[1,2,3]".into(),
                json!({ "jsonrpc": "2.0", "id": 1, "method": 5 }).to_string(),
                json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": [] } }).to_string(),
                json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": "nothing://" } }).to_string(),
            ];
            for body in bodies {
                let prepared = target.prepare(&target.owner, "tools/list", json!({})).await;
                let answer = prepared.saying(body.clone()).send().await;
                if let Some(word) = INSIDE.iter().find(|word| answer.text.contains(**word)) {
                    return Ok(Verdict::Broken(format!(
                        "given {body}, it says \"{word}\": {}",
                        answer.brief()
                    )));
                }
                if answer.status == 0 {
                    return Ok(Verdict::Unclear(format!(
                        "given {body}: {}",
                        answer.brief()
                    )));
                }
            }
            Ok(Verdict::Held(
                "five kinds of broken messages, no word of the inside".into(),
            ))
        })
    }
}

struct KeyEchoed;

impl Attack for KeyEchoed {
    fn about(&self) -> &About {
        &About {
            id: "leaked-key",
            family: "leaks",
            title: "A key in an answer or in the record",
            tried: "The key is sent rightly and in wrong places; every answer and every line of the record is searched for it.",
            elsewhere: "Headers are logged whole, and errors repeat what they were given.",
            advisory: "OWASP MCP Top 10: token mismanagement and secret exposure; CWE-532",
            remedy: "write fingerprints, never keys",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let key = target.keyed()?.expose();
            if key.len() < 6 {
                return Err(Verdict::NotApplicable(
                    "the key is so short that it could be found anywhere".into(),
                ));
            }
            let mut places = vec![(
                "an answer",
                target
                    .ask(&target.owner, "tools/list", json!({}))
                    .await
                    .text,
            )];
            for uri in target.resources.iter().take(8) {
                let answer = target
                    .ask(&target.owner, "resources/read", json!({ "uri": uri }))
                    .await;
                places.push(("a resource", answer.text));
            }
            let good = || target.prepare(&target.owner, "tools/list", json!({}));
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
            for line in trail::news(target).await {
                places.push(("the record", line));
            }
            Ok(match places.iter().find(|(_, text)| text.contains(key)) {
                Some((place, _)) => Verdict::Broken(format!("the key stands in {place}")),
                None if target.trail.is_there() => Verdict::Held(format!(
                    "it is in none of {} answers and lines",
                    places.len()
                )),
                None => Verdict::Held(format!(
                    "it is in none of {} answers (the record can't be read: --audit-log)",
                    places.len()
                )),
            })
        })
    }
}

struct SideDoors;

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

impl Attack for SideDoors {
    fn about(&self) -> &About {
        &About {
            id: "side-doors",
            family: "leaks",
            title: "Other doors, without a key",
            tried: "GET of paths that frameworks and older protocol versions open, such as /sse and /metrics, without a key.",
            elsewhere: "The new endpoint is protected and the old one beside it still answers.",
            advisory: "CVE-2025-49596 (Inspector), CWE-425",
            remedy: "one check in front of every path",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            target.keyed()?;
            for path in DOORS {
                let request = target
                    .wire
                    .request(Method::GET)
                    .path(path)
                    .wait(Duration::from_secs(2));
                let answer = request.set("accept", "*/*").send().await;
                if answer.status == 200 {
                    return Ok(Verdict::Broken(format!(
                        "{path} answers without a key: {}",
                        answer.header("content-type")
                    )));
                }
            }
            Ok(Verdict::Held(format!(
                "none of {} paths answers without a key",
                DOORS.len()
            )))
        })
    }
}
