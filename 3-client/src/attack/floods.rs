//! Floods, last of all: they use up what a caller may do.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::{About, Attack, Finding, Target, Verdict};
use crate::raw::{Answer, Request};

/// The most requests of one flood, and how many are under way at once.
const FLOOD: usize = 600;
const AT_ONCE: usize = 16;
/// Wrong keys that one address may try. A person needs two or three.
const GUESSES: usize = 60;

/// The family.
pub(super) const ALL: &[&dyn Attack] = &[
    &CallFlood,
    &BruteForce {
        about: About {
            id: "brute-force",
            family: "floods",
            title: "Guessing keys",
            tried: "60 wrong keys, one after the other.",
            elsewhere: "A failed sign-in costs nothing, so keys can be tried at the speed of the network.",
            advisory: "CWE-307",
            remedy: "limit failures for each address, before the key is even looked up",
        },
        disguise: |request, _| request,
    },
    &BruteForce {
        about: About {
            id: "spread-brute-force",
            family: "floods",
            title: "Guessing keys under many addresses",
            tried: "60 wrong keys, each with another X-Forwarded-For.",
            elsewhere: "The limit counts by an address that the client writes into a header itself.",
            advisory: "CWE-307, CWE-348",
            remedy: "believe X-Forwarded-For only of proxies that are listed",
        },
        disguise: |request, number| {
            let address = format!("203.0.113.{}", number % 250 + 1);
            request
                .set("x-forwarded-for", &address)
                .set("x-real-ip", &address)
        },
    },
];

fn is_throttled(answer: &Answer) -> bool {
    answer.status == 429 || answer.code() == Some(429) || answer.status == 503
}

struct CallFlood;

impl Attack for CallFlood {
    fn about(&self) -> &About {
        &About {
            id: "call-flood",
            family: "floods",
            title: "A flood of calls",
            tried: "One caller sends 600 requests, 16 at once.",
            elsewhere: "Nothing counts, so one caller takes everyone's share, and the bill.",
            advisory: "the specification asks servers to limit tool calls; CWE-770",
            remedy: "limit calls for each identity, before the work is done; say when to come back",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let mut answers = stream::iter(0..FLOOD)
                .map(|_| async {
                    let prepared = target.prepare(&target.owner, "tools/list", json!({})).await;
                    prepared.request.send().await
                })
                .buffer_unordered(AT_ONCE);
            let mut served = 0;
            while let Some(answer) = answers.next().await {
                if is_throttled(&answer) {
                    let when = answer.header("retry-after");
                    let when = if when.is_empty() { "not said" } else { when };
                    return Ok(Verdict::Held(format!(
                        "refused after {served} of {FLOOD}; Retry-After: {when}"
                    )));
                }
                if answer.status == 0 {
                    return Ok(Verdict::Unclear(format!(
                        "after {served} of {FLOOD}: {}",
                        answer.brief()
                    )));
                }
                served += 1;
            }
            Ok(Verdict::Broken(format!("all {FLOOD} were served")))
        })
    }
}

struct BruteForce {
    about: About,
    disguise: fn(Request, usize) -> Request,
}

impl Attack for BruteForce {
    fn about(&self) -> &About {
        &self.about
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            target.keyed()?;
            // What was done before may have shut this address out already; that must be over first.
            let mut answer = self.guess(target, 0).await;
            for _ in 0..3 {
                if !is_throttled(&answer) {
                    break;
                }
                let seconds = answer
                    .header("retry-after")
                    .parse()
                    .unwrap_or(1)
                    .clamp(1, 10);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                answer = self.guess(target, 0).await;
            }
            if answer.result().is_some() {
                return Err(Verdict::NotApplicable(
                    "a wrong key is accepted at once, so there is nothing to guess".into(),
                ));
            }
            for number in 1..GUESSES {
                let answer = self.guess(target, number).await;
                if is_throttled(&answer) {
                    return Ok(Verdict::Held(format!(
                        "shut out after {number} wrong keys: {}",
                        answer.brief()
                    )));
                }
                if answer.status == 0 {
                    return Ok(Verdict::Unclear(answer.brief()));
                }
            }
            Ok(Verdict::Broken(format!(
                "{GUESSES} wrong keys, and each was looked up"
            )))
        })
    }
}

impl BruteForce {
    async fn guess(&self, target: &Target, number: usize) -> Answer {
        let message = target
            .wire
            .post(crate::raw::stateless(target.id(), "tools/list", &json!({})).to_string());
        let request = message
            .set("mcp-protocol-version", crate::raw::NEWEST)
            .set("mcp-method", "tools/list")
            .set("authorization", &format!("Bearer guess-{number}"));
        (self.disguise)(request, number).send().await
    }
}
