//! The token says whose it is, the number says whether it is new, and then comes the text.

use serde_json::Value;

/// Listens for the progress of one call.
pub struct Watch {
    token: Value,
    last: Option<f64>,
}

impl Watch {
    /// `token` is what the request had in `_meta.progressToken`.
    pub fn new(token: Value) -> Self {
        Self { token, last: None }
    }

    /// The piece of text that a message brings, if it is progress of this call.
    pub fn hear(&mut self, message: &Value) -> Option<String> {
        let params = &message["params"];
        if message["method"] != "notifications/progress" || params["progressToken"] != self.token {
            return None;
        }
        let progress = params["progress"].as_f64()?;
        if self.last.is_some_and(|last| progress <= last) {
            return None;
        }
        self.last = Some(progress);
        Some(params["message"].as_str()?.to_owned())
    }
}
