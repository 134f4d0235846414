//! A server under full load while keys are revoked, for a minute, or for as many seconds as it is
//! told. Then every table must be empty, and the record whole.
//!
//! ```text
//! cargo run --release --package mcp-server --example soak -- 60
//! ```
#![allow(
    unreachable_pub,
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "it shares its code with the tests, and is one"
)]

use std::{io::Write as _, process::ExitCode, time::Duration};

#[path = "../../tests/support/soak.rs"]
mod soak;
#[path = "../../tests/support/wire.rs"]
mod wire;

#[tokio::main]
async fn main() -> ExitCode {
    let seconds = std::env::args().nth(1).map_or(Ok(60), |text| text.parse());
    let Ok(seconds) = seconds else {
        return say("usage: soak [SECONDS]", 2);
    };
    match soak::soak(Duration::from_secs(seconds), 16).await {
        Ok(report) => say(&format!("{report:#?}"), 0),
        Err(wrong) => say(&wrong, 1),
    }
}

fn say(text: &str, code: u8) -> ExitCode {
    // Whoever closed the pipe has read enough.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::from(code)
}
