//! A running server to test against, and a client that speaks raw messages.

// Used by several crates; this one uses a part of it.
pub mod fake_ollama;
mod process;
mod server;
mod wire;

pub use process::Process;
pub use server::{Server, keys};
pub use wire::{Wire, read};
