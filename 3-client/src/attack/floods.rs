//! Floods, last of all: they use up what a caller may do.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::row::Row;
use super::target::{Target, wait_seconds};
use super::verdict::{Finding, broken, held, is_throttled, not_applicable, unclear};
use crate::raw::{self, Answer, Request};

/// The most requests of one flood, and how many are under way at once.
const FLOOD: usize = 600;
const AT_ONCE: usize = 16;
/// Wrong keys that one address may try. A person needs two or three.
const GUESSES: usize = 60;

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "call-flood",
        family: "floods",
        title: "A flood of calls",
        tried: "One caller sends 600 requests, 16 at once.",
        elsewhere: "Nothing counts, so one caller takes everyone's share, and the bill.",
        advisory: "the specification asks servers to limit tool calls; CWE-770",
        remedy: "limit calls for each identity, before the work is done; say when to come back",
        run: |target| Box::pin(call_flood(target)),
    },
    Row {
        id: "brute-force",
        family: "floods",
        title: "Guessing keys",
        tried: "60 wrong keys, one after the other.",
        elsewhere: "A failed sign-in costs nothing, so keys can be tried at the speed of the network.",
        advisory: "CWE-307",
        remedy: "limit failures for each address, before the key is even looked up",
        run: |target| Box::pin(guess_keys(target, |request, _| request)),
    },
    Row {
        id: "spread-brute-force",
        family: "floods",
        title: "Guessing keys under many addresses",
        tried: "60 wrong keys, each with another X-Forwarded-For.",
        elsewhere: "The limit counts by an address that the client writes into a header itself.",
        advisory: "CWE-307, CWE-348",
        remedy: "believe X-Forwarded-For only of proxies that are listed",
        run: |target| Box::pin(guess_keys(target, with_address)),
    },
];

/// Whether the server has had enough, of this caller or of everybody.
fn has_had_enough(answer: &Answer) -> bool {
    is_throttled(answer) || answer.status == 503
}

async fn call_flood(target: &Target) -> Finding {
    let mut answers = stream::iter(0..FLOOD)
        .map(|_| async {
            let prepared = target.prepare_list(&target.owner).await;
            prepared.request.send().await
        })
        .buffer_unordered(AT_ONCE);
    let mut served = 0;
    while let Some(answer) = answers.next().await {
        if has_had_enough(&answer) {
            let when = answer.header("retry-after");
            let when = if when.is_empty() { "not said" } else { when };
            return held(format!(
                "refused after {served} of {FLOOD}; Retry-After: {when}"
            ));
        }
        if answer.status == 0 {
            return unclear(format!("after {served} of {FLOOD}: {answer}"));
        }
        served += 1;
    }
    broken(format!("all {FLOOD} were served"))
}

/// Tries wrong keys until the server shuts this address out; `disguise` makes each guess look like
/// somebody else's.
async fn guess_keys(target: &Target, disguise: fn(Request, usize) -> Request) -> Finding {
    target.keyed()?;
    // An earlier row may have shut this address out already; that must be over first.
    let mut answer = guess(target, 0, disguise).await;
    for _ in 0..3 {
        if !has_had_enough(&answer) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(wait_seconds(&answer))).await;
        answer = guess(target, 0, disguise).await;
    }
    if answer.result().is_some() {
        return not_applicable("a wrong key is accepted at once, so there is nothing to guess");
    }
    for number in 1..GUESSES {
        let answer = guess(target, number, disguise).await;
        if has_had_enough(&answer) {
            return held(format!("shut out after {number} wrong keys: {answer}"));
        }
        if answer.status == 0 {
            return unclear(answer.brief());
        }
    }
    broken(format!("{GUESSES} wrong keys, and each was looked up"))
}

async fn guess(target: &Target, number: usize, disguise: fn(Request, usize) -> Request) -> Answer {
    let message = raw::stateless(target.id(), "tools/list", &json!({}));
    let request = target
        .wire
        .post(message.to_string())
        .set("mcp-protocol-version", raw::NEWEST)
        .set("mcp-method", "tools/list")
        .set("authorization", &format!("Bearer guess-{number}"));
    disguise(request, number).send().await
}

/// The address that a proxy would have written into the request.
fn with_address(request: Request, number: usize) -> Request {
    let address = format!("203.0.113.{}", number % 250 + 1);
    request
        .set("x-forwarded-for", &address)
        .set("x-real-ip", &address)
}
