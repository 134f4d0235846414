//! Everything in the definition counts, and nothing else does.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A fingerprint of what a person approved: it changes when the tool does.
pub fn fingerprint(tool: &Value) -> [u8; 32] {
    // serde_json sorts an object's fields, so the same definition is always the same text.
    Sha256::digest(tool.to_string()).into()
}
