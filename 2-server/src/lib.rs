//! Step 2 of the learning path: an MCP server whose interceptor enforces security.
//!
//! Read the modules in this order; it is the order in which a request travels.

#![deny(clippy::print_stdout, reason = "standard output is the protocol")]

// ① How bytes arrive.
pub mod transport;
// ② May this call go on? One pipeline that every message passes.
pub mod interceptor;
// The rest is the product, behind the cargo feature of that name.
// ③ What can be asked: tools, resources and prompts.
#[cfg(feature = "product")]
pub mod features;
// For whoever runs it: can it do its work, how much does it do, and as part of what?
#[cfg(feature = "product")]
pub mod operations;
// The parts put together, from what an operator may set, by what people type.
#[cfg(feature = "product")]
pub mod app;
#[cfg(feature = "product")]
pub mod cli;
#[cfg(feature = "product")]
pub mod config;
// How the server's own requests leave.
#[cfg(feature = "product")]
mod outbound;
// Weak on purpose, for the attack lab; never part of what people run.
#[cfg(feature = "lab")]
pub mod lab;
