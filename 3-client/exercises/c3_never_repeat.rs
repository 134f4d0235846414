//! # c3 · Never repeat a call
//!
//! The connection broke while a request was out. Nobody knows whether the server got it. Sending it
//! again is what HTTP libraries like to do by themselves, and for `tools/list` that is right. But a
//! tool may pay a bill or delete a file, and then once more is once too often.
//!
//! `after_a_break` below decides what the client does with each request when it is connected again.
//! Make it careful: what only reads may go out again, a call is for a person to judge, and so is what
//! it doesn't know.
//!
//! - In the real code: `3-client/src/link.rs`, which never repeats a call, and `3-client/src/failure.rs`
//!   for the words.
//! - Specification: <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery>,
//!   which 2026-07-28 no longer has; <https://modelcontextprotocol.io/specification/2026-07-28/server/tools#tool>:
//!   hints are untrusted unless the server is trusted.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod c3 {
    use serde_json::Value;

    /// What to do with a request after a break.
    #[derive(Debug, PartialEq, Eq)]
    pub enum Next {
        /// Send it again.
        Again,
        /// Tell the person this, and let them decide.
        Ask(String),
    }

    /// `was_sent` tells whether any byte of the request had left before the connection broke.
    pub fn after_a_break(request: &Value, was_sent: bool) -> Next {
        match request["method"].as_str() {
            Some(_) => Next::Again,
            None => Next::Ask(format!("this is no request (sent: {was_sent})")),
        }
    }
}

use serde_json::{Value, json};

use crate::c3::{Next, after_a_break};

fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

#[test]
fn what_may_have_run_is_not_run_again() {
    let call = request("tools/call", &json!({ "name": "invoice-pay" }));
    let Next::Ask(words) = after_a_break(&call, true) else {
        panic!(
            "the connection broke after invoice-pay was sent, and the client sent it again. It may have \
             run: nobody should pay twice because of a cable. Ask the person"
        )
    };
    assert!(
        words.contains("invoice-pay") && words.contains("may"),
        "the person reads {words:?}. Name the tool, and say that it may have run: only they can find out"
    );

    assert_eq!(
        after_a_break(&call, false),
        Next::Again,
        "no byte of this call had left, so it can't have run: sending it now is the first time"
    );
    for method in [
        "tools/list",
        "resources/list",
        "resources/read",
        "prompts/get",
        "ping",
    ] {
        assert_eq!(
            after_a_break(&request(method, &json!({})), true),
            Next::Again,
            "{method} only reads: nobody has to be asked"
        );
    }

    let harmless = json!({ "name": "echo", "annotations": { "idempotentHint": true } });
    assert!(
        matches!(
            after_a_break(&request("tools/call", &harmless), true),
            Next::Ask(_)
        ),
        "the call was repeated because of a hint. Hints come from the server, and a hint is no proof"
    );
    let unknown = request("bank/transfer", &json!({}));
    assert!(
        matches!(after_a_break(&unknown, true), Next::Ask(_)),
        "bank/transfer is no method that this client knows, and it was repeated. List what may be \
         repeated, not what mayn't: tomorrow's method isn't on either list"
    );
}
