//! Ollama's JSON, as it stands on the wire, and how it maps to the neutral types.

// Out: what a chat is asked with.
mod request;
// In: a line of its answer.
mod line;

use serde::{Deserialize, Serialize};

pub(crate) use line::{ChatLine, LineMessage, Text};
pub(crate) use request::ChatBody;

/// `GET /api/tags`.
#[derive(Debug, Deserialize)]
pub(crate) struct Tags {
    #[serde(default)]
    pub(crate) models: Option<Vec<Tag>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Tag {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) details: Option<Details>,
    #[serde(default)]
    pub(crate) capabilities: Option<Vec<String>>,
}

/// What Ollama says about a model's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// The architecture's family, such as `llama`.
    pub family: String,
    /// The file format, such as `gguf`.
    pub format: String,
    /// Parameter count in words, such as `3.2B`.
    pub parameter_size: String,
    /// Quantisation, such as `Q4_K_M`.
    pub quantization_level: String,
}

/// `GET /api/version`.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
}
