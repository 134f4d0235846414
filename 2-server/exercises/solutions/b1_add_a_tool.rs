//! The types say what is taken and given; the annotations say that nothing is changed.

use mcp_server::features::tools::{Answer, Tool, ToolContext, ToolError};
use rmcp::model::ToolAnnotations;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counts words.
#[derive(Debug)]
pub struct WordCount;

/// What it takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The text whose words are counted.
    text: String,
}

/// What it gives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// How many words there are.
    words: usize,
}

impl Tool for WordCount {
    type Input = Input;
    type Output = Output;

    const NAME: &'static str = "text-count";
    const TITLE: &'static str = "Count words";
    const DESCRIPTION: &'static str = "Counts the words of a text.";

    fn annotations(&self) -> ToolAnnotations {
        ToolAnnotations::new()
            .read_only(true)
            .idempotent(true)
            .open_world(false)
    }

    async fn call(&self, input: Input, _context: ToolContext) -> Result<Answer<Output>, ToolError> {
        let words = input.text.split_whitespace().count();
        Ok(Answer {
            text: format!("{words} words"),
            data: Output { words },
        })
    }
}
