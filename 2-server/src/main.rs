//! The server's command line; `mcp-server --help` tells what it can do.

use std::process::ExitCode;

use mcp_server::cli;

/// A call allocates a few hundred times; this allocator takes about half as long for that as the
/// system's. See BENCHMARKS.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main().await
}
