//! The server's command line; `mcp-server --help` tells what it can do.

use std::process::ExitCode;

use mcp_server::cli;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main().await
}
