//! `mcp-llm`: look at the engine, fetch a model, ask a question.

// What each command does, one file each.
mod cli;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run().await
}
