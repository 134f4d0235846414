//! Bodies that cost more than they should: too long, too deep, too many headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use serde_json::json;

use super::row::Row;
use super::target::Target;
use super::verdict::{Finding, Verdict, broken, held, must_be_refused, unclear};

/// The most that is ever sent in one request.
const GIANT: usize = 32 << 20;
/// What may be on its way in the system's buffers when a server stops reading.
const CHUNK: usize = 64 << 10;
const DEPTH: usize = 100_000;

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "oversized-body",
        family: "bodies",
        title: "A giant body",
        tried: "One message of 32 MiB, with its length said beforehand.",
        elsewhere: "The whole body is read into memory before anything looks at it; a few callers fill the machine.",
        advisory: "CWE-770, CWE-400",
        remedy: "cap the body, and refuse by Content-Length before reading",
        run: |target| Box::pin(send_giant(target, true)),
    },
    Row {
        id: "endless-body",
        family: "bodies",
        title: "A body without a length",
        tried: "One message of 32 MiB in chunks, with no length said.",
        elsewhere: "The cap looks at Content-Length, and a chunked body has none.",
        advisory: "CWE-770",
        remedy: "count what is read, not what is announced",
        run: |target| Box::pin(send_giant(target, false)),
    },
    Row {
        id: "deep-body",
        family: "bodies",
        title: "A body of a hundred thousand brackets",
        tried: "A small message whose arguments are nested 100,000 deep, then a good one.",
        elsewhere: "A parser that calls itself for each bracket runs out of stack and takes the process along.",
        advisory: "CWE-674",
        remedy: "parse with a limit on depth",
        run: |target| Box::pin(deep_body(target)),
    },
    Row {
        id: "giant-header",
        family: "bodies",
        title: "A giant header",
        tried: "A good request with 1 MiB of headers.",
        elsewhere: "Headers are kept for the whole request, and some servers bound only the body.",
        advisory: "CVE-2018-12121 (Node.js), CWE-770",
        remedy: "cap the headers and answer 431",
        run: |target| Box::pin(giant_header(target)),
    },
    Row {
        id: "amplified-error",
        family: "bodies",
        title: "An error that repeats what it was sent",
        tried: "A call of a tool whose name has 24 KiB.",
        elsewhere: "The unknown name is put into the error, the log line and the record, so each byte sent is written several times.",
        advisory: "CWE-405, CWE-779",
        remedy: "cut what a caller sent before it is written or given back",
        run: |target| Box::pin(amplified_error(target)),
    },
];

/// A body that is made as it is read, and a count of how much was taken.
fn giant() -> (
    impl futures_util::Stream<Item = Result<Bytes, std::io::Error>>,
    Arc<AtomicUsize>,
) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let head =
        Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":""#);
    let filler = Bytes::from(vec![b'a'; CHUNK]);
    let chunks = std::iter::once(head).chain(std::iter::repeat_n(filler, GIANT / CHUNK));
    let body = stream::iter(chunks.map(move |chunk| {
        count.fetch_add(chunk.len(), Ordering::Relaxed);
        Ok(chunk)
    }));
    (body, taken)
}

/// How often a server is asked that hung up before its answer was heard: it may be lost when there
/// is more on its way than anybody reads.
const ATTEMPTS: usize = 5;

async fn send_giant(target: &Target, declared: bool) -> Finding {
    let (mut verdict, mut was_heard) = send_giant_once(target, declared).await;
    for _ in 1..ATTEMPTS {
        if was_heard {
            break;
        }
        (verdict, was_heard) = send_giant_once(target, declared).await;
    }
    Ok(verdict)
}

/// What became of it, and whether that was heard, or only seen from a connection that broke.
async fn send_giant_once(target: &Target, declared: bool) -> (Verdict, bool) {
    let (body, taken) = giant();
    let prepared = target.prepare(&target.owner, "ping", json!({})).await;
    let mut request = prepared
        .with_body(reqwest::Body::wrap_stream(body))
        .wait(Duration::from_secs(20));
    if declared {
        let length =
            GIANT + br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":""#.len();
        request = request.set("content-length", &length.to_string());
    }
    let answer = request.send().await;
    let taken = taken.load(Ordering::Relaxed);
    let all = taken >= GIANT;
    let mib = taken >> 20;
    let (whole, said) = (GIANT >> 20, answer.brief());
    if answer.status == 413 || answer.code() == Some(413) {
        let held = format!("refused after {mib} of {whole} MiB were on their way: {said}");
        (Verdict::Held(held), true)
    } else if all {
        let broken = format!("all {whole} MiB were read: {said}");
        (Verdict::Broken(broken), true)
    } else {
        let held = format!("cut off after {mib} of {whole} MiB: {said}");
        (Verdict::Held(held), false)
    }
}

async fn deep_body(target: &Target) -> Finding {
    let prepared = target.prepare_list(&target.owner).await;
    let nest = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let body = prepared
        .message
        .to_string()
        .replacen("\"params\":{", &format!("\"params\":{{\"deep\":{nest},"), 1)
        .replace(",}", "}");
    let answer = prepared.with_body(body).send().await;
    let after = target.list_tools(&target.owner).await;
    if after.result().is_none() {
        broken(format!("afterwards the server doesn't serve: {after}"))
    } else {
        must_be_refused(&answer)
    }
}

async fn giant_header(target: &Target) -> Finding {
    let mut request = target.prepare_list(&target.owner).await.request;
    let filler = "a".repeat(64 << 10);
    for _ in 0..16 {
        request = request.add("x-filler", &filler);
    }
    let answer = request.send().await;
    if answer.status == 0 {
        // Cut off in the middle: held, if the server still serves.
        let after = target.list_tools(&target.owner).await;
        return if after.result().is_some() {
            held(format!("cut off: {answer}"))
        } else {
            unclear(after.brief())
        };
    }
    must_be_refused(&answer)
}

const LONG_NAME: usize = 24 << 10;

async fn amplified_error(target: &Target) -> Finding {
    // Below what servers allow for headers, because the name stands in one too.
    let name = "long-name".repeat(LONG_NAME / 9 + 1);
    let answer = target.call(&target.owner, &name).await;
    let given_back = answer.text.len();
    if given_back >= LONG_NAME {
        broken(format!(
            "{} KiB of it came back in the error",
            given_back >> 10
        ))
    } else if answer.status == 0 {
        unclear(answer.brief())
    } else {
        held(format!("{given_back} bytes came back: {answer}"))
    }
}
