//! # c1 · Read a progress notification
//!
//! MCP has no partial results. A server that streams a model's answer sends it as
//! `notifications/progress` while the call runs, to callers that put a `progressToken` into the
//! request's `_meta`. A client usually has several calls in flight on one connection.
//!
//! `Watch` below listens for one of them and gives the pieces of its text. It believes everything it
//! hears: pieces of other calls, and pieces that come twice. The specification has a rule for each.
//!
//! - In the real code: `3-client/src/tap.rs` and `3-client/src/session/mod.rs`, `request`.
//! - Specification: <https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/progress#progress-flow>: the token is
//!   a string or a number, and `progress` must grow with each notification.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod c1 {
    use serde_json::Value;

    /// Listens for the progress of one call.
    pub struct Watch {
        token: Value,
    }

    impl Watch {
        /// `token` is what the request had in `_meta.progressToken`.
        pub fn new(token: Value) -> Self {
            Self { token }
        }

        /// The piece of text that a message brings, if it is progress of this call.
        pub fn hear(&mut self, message: &Value) -> Option<String> {
            if message["method"] != "notifications/progress" || self.token.is_null() {
                return None;
            }
            Some(message["params"]["message"].as_str()?.to_owned())
        }
    }
}

use serde_json::{Value, json};

use crate::c1::Watch;

fn progress(token: &Value, progress: f64, text: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": {
        "progressToken": token, "progress": progress, "message": text } })
}

#[test]
fn a_call_hears_its_own_progress_once_and_in_order() {
    let mine = json!(7);
    let mut watch = Watch::new(mine.clone());
    let first = watch.hear(&progress(&mine, 1.0, "Osl"));
    assert_eq!(
        first.as_deref(),
        Some("Osl"),
        "this is the call's own progress"
    );

    for other in [json!(8), json!("7")] {
        assert_eq!(
            watch.hear(&progress(&other, 2.0, "The weather")),
            None,
            "a piece with the token {other} was shown in the answer to the call with the token {mine}. \
             Several calls share a connection: compare the tokens, as JSON, so that 7 isn't \"7\""
        );
    }

    let second = watch.hear(&progress(&mine, 2.0, "o is"));
    assert_eq!(second.as_deref(), Some("o is"));
    for late in [2.0, 1.0] {
        assert_eq!(
            watch.hear(&progress(&mine, late, "o is")),
            None,
            "progress {late} came after progress 2, and its text was shown again. Progress must grow: \
             what doesn't is a repetition, or came too late"
        );
    }

    let silent = json!({ "method": "notifications/progress",
        "params": { "progressToken": 7, "progress": 5, "total": 10 } });
    assert_eq!(watch.hear(&silent), None, "it has no text");
    assert_eq!(
        watch.hear(&progress(&mine, 4.0, "!")),
        None,
        "progress 5 came without a text, and then progress 4 was shown. Progress without a text counts \
         as progress all the same"
    );
    let last = watch.hear(&progress(&mine, 6.0, " fine."));
    assert_eq!(last.as_deref(), Some(" fine."), "what grows goes on");
}
