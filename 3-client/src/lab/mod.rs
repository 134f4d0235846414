//! Protocol labs: a real exchange with a real server, message by message, each with what it means
//! and where the specification says so.

// The server that a lab starts, and the two ways to speak to it.
mod server;
mod talk;
// How an exchange is told.
mod story;
// The labs.
mod cancel;
mod eras;
mod handshake;
mod stdio_vs_http;
mod streaming;
mod tools;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use crate::headless::{FAILED, complain};
use crate::page::Page;
use crate::raw::{Budget, Wire};
use crate::secret::Secret;
use server::Started;
use story::Story;
use talk::Talk;

/// Plays a real exchange with a server, message by message
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which lab
    #[arg(value_enum)]
    lab: Lab,
    /// A server that runs already; left out, the lab starts mcp-server by itself
    #[arg(long)]
    url: Option<String>,
    /// Don't wait for Enter between the steps
    #[arg(long)]
    no_pause: bool,
}

/// The labs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Lab {
    /// How client and server meet: with a session, and without one
    Handshake,
    /// Listing tools, calling one, and the two kinds of failure
    Tools,
    /// An answer that arrives in pieces
    Streaming,
    /// Stopping a call, the new way and the old one
    Cancel,
    /// The same call in 2024-11-05, 2025-11-25 and 2026-07-28
    Eras,
    /// 100 calls over each transport, measured and drawn
    StdioVsHttp,
}

/// What a lab works with.
struct Bench {
    story: Story,
    talk: Talk,
    server: Option<Started>,
}

/// Why a lab can't go on, in words for the person in front of it.
type Trouble = String;

/// The most requests of one lab.
const MAX_REQUESTS: usize = 400;

/// Runs what was typed.
pub async fn main(args: &Args) -> ExitCode {
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => complain(&trouble, FAILED),
    }
}

async fn run(args: &Args) -> Result<(), Trouble> {
    let interactive = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let story = Story::new(Page::of_stdout(), interactive && !args.no_pause);
    let server = match &args.url {
        Some(_) => None,
        None => Some(Started::over_http().await?),
    };
    let url = match (&args.url, &server) {
        (Some(url), _) => url.clone(),
        (None, Some(server)) => server.url.clone(),
        (None, None) => return Err("no server".into()),
    };
    let wire = Wire::new(&url, Budget::new(MAX_REQUESTS)).map_err(|error| error.to_string())?;
    // A server that the lab started asks for no key, and must not be given one.
    let key = match &args.url {
        Some(_) => std::env::var("MCP_CLIENT_KEY")
            .ok()
            .as_deref()
            .and_then(Secret::new),
        None => None,
    };
    let mut bench = Bench {
        story,
        talk: Talk::new(wire, key),
        server,
    };
    bench.story.begin(&url, bench.server.is_some());
    match args.lab {
        Lab::Handshake => handshake::play(&mut bench).await,
        Lab::Tools => tools::play(&mut bench).await,
        Lab::Streaming => streaming::play(&mut bench).await,
        Lab::Cancel => cancel::play(&mut bench).await,
        Lab::Eras => eras::play(&mut bench).await,
        Lab::StdioVsHttp => stdio_vs_http::play(&mut bench).await,
    }
}
