//! A running server to test against, and a client that speaks raw messages.

// Used by several crates; this one uses a part of it.
pub mod fake_ollama;
pub mod odd;
mod process;
mod server;
pub mod soak;
pub mod sources;
mod talk;
mod wire;

pub use process::Process;
pub use server::{Server, keys};
pub use talk::{Talk, whole};
pub use wire::{NEWEST, Wire, next, read};
