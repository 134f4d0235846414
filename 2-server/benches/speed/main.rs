//! The project's own benchmark: what the product costs beside what it stands on.
//!
//! `cargo bench -p mcp-server --bench speed -- compare --quick`
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program of its own, which computes with measured figures"
)]

// A server as a process, and what the kernel says of it.
mod process;
// Requests, byte for byte, and the client that sends them.
mod wire;
// A window of load, and what many of them say.
mod window;
// Who is measured: the product's settings, and the servers that it is compared with.
mod contenders;
mod peers;
// The measurements.
mod chat;
mod compare;
mod costs;
mod growth;
mod instructions;
mod old_sessions;
mod others;
mod soak;
mod stdio;
// What they say.
mod plot;
mod report;

use std::time::Duration;

use anyhow::bail;
use tokio::runtime::Runtime;

/// How much time may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A look, in seconds.
    Quick,
    /// What BENCHMARKS.md is made from.
    Full,
}

impl Effort {
    fn pick<T: Copy>(self, quick: &[T], full: &[T]) -> Vec<T> {
        if self == Self::Quick {
            quick.to_vec()
        } else {
            full.to_vec()
        }
    }

    /// How many windows of each server, and how long each is: short and many, because a machine that
    /// others share is slower for a second or two, and neighbours should suffer alike.
    fn rounds(self) -> (usize, Duration) {
        match self {
            Self::Quick => (10, Duration::from_millis(200)),
            Self::Full => (40, Duration::from_millis(200)),
        }
    }
}

const USAGE: &str = "speed [SECTION] [--quick]

Sections: compare (the default), stdio, costs, chat, growth, sessions, soak [SECONDS], others (FastMCP and the
TypeScript SDK, installed before), profile (instructions by function), check [--write] (have they
become more?), all (all but soak and others), report (writes BENCHMARKS.md from the sections that
have been run).";

fn main() -> anyhow::Result<()> {
    // `cargo bench` adds `--bench` of its own.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Servers of their own, started by the measurements, and the checks that need no load.
    match words.as_slice() {
        ["serve", name, ..] => {
            let rest = &arguments[2..];
            return many_threads()?.block_on(peers::serve(name, rest));
        }
        ["serve-stdio"] => return many_threads()?.block_on(peers::serve_stdio()),
        ["exercise", requests, name, ..] => {
            let work = instructions::exercise(requests.parse()?, name, &arguments[3..]);
            return one_thread()?.block_on(work);
        }
        ["check"] => return instructions::check(false),
        ["check", "--write"] => return instructions::check(true),
        ["report"] => return report::write(),
        _ => {}
    }
    let quick = words.contains(&"--quick");
    words.retain(|word| *word != "--quick");
    let effort = if quick { Effort::Quick } else { Effort::Full };
    process::pin_the_load();
    one_thread()?.block_on(run(&words, effort))
}

async fn run(words: &[&str], effort: Effort) -> anyhow::Result<()> {
    match words {
        [] | ["compare"] => compare::run(effort).await?.finish(),
        ["stdio"] => stdio::run(effort)?.finish(),
        ["costs"] => costs::run(effort).await?.finish(),
        ["chat"] => chat::run(effort).await?.finish(),
        ["growth"] => growth::run(effort).await?.finish(),
        ["sessions"] => old_sessions::run(effort).await?.finish(),
        ["soak"] => soak::run(Duration::from_secs(600)).await?.finish(),
        ["soak", seconds] => soak::run(Duration::from_secs(seconds.parse()?))
            .await?
            .finish(),
        ["others"] => others::run(effort).await?.finish(),
        ["profile"] => instructions::profile()?.finish(),
        ["all"] => {
            compare::run(effort).await?.finish()?;
            stdio::run(effort)?.finish()?;
            costs::run(effort).await?.finish()?;
            chat::run(effort).await?.finish()?;
            growth::run(effort).await?.finish()?;
            old_sessions::run(effort).await?.finish()?;
            instructions::profile()?.finish()
        }
        _ => bail!(USAGE),
    }
}

fn one_thread() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// What `#[tokio::main]` gives: the servers are measured as people run them.
fn many_threads() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}
