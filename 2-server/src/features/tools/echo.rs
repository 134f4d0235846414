//! `echo`: gives back what it was given. The smallest tool, and a model for the next one.

use rmcp::model::ToolAnnotations;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Tool, ToolContext, ToolError};

/// The tool.
#[derive(Debug)]
pub struct Echo;

/// What it takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The text to give back.
    message: String,
}

/// What it gives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The same text.
    message: String,
}

impl Tool for Echo {
    type Input = Input;
    type Output = Output;

    const NAME: &'static str = "echo";
    const TITLE: &'static str = "Echo";
    const DESCRIPTION: &'static str =
        "Gives back the message. Good for a first try of the connection.";

    fn annotations(&self) -> ToolAnnotations {
        ToolAnnotations::new()
            .read_only(true)
            .idempotent(true)
            .open_world(false)
    }

    async fn call(&self, input: Input, _context: ToolContext) -> Result<Answer<Output>, ToolError> {
        Ok(Answer {
            text: input.message.clone(),
            data: Output {
                message: input.message,
            },
        })
    }
}
