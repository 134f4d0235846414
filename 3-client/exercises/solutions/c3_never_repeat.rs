//! A list of what may be repeated; everything else is for the person.

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
    if !was_sent {
        return Next::Again;
    }
    let method = request["method"].as_str().unwrap_or_default();
    match method {
        "ping"
        | "tools/list"
        | "resources/list"
        | "resources/templates/list"
        | "resources/read"
        | "prompts/list"
        | "prompts/get"
        | "completion/complete" => Next::Again,
        _ => {
            let what = request["params"]["name"].as_str().unwrap_or(method);
            Next::Ask(format!(
                "The connection broke while {what} was running. It may have run. Look before you \
                 ask for it again."
            ))
        }
    }
}
