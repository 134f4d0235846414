//! Servers that mean ill, and models that do: what each tries, and that the client, its key and its
//! person come through. `make attack-client` runs these.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic in a test is its report"
)]

mod bounds;
mod pins;
mod program;
#[path = "../support/ran.rs"]
mod ran;
mod screen;
mod server;
mod who;
