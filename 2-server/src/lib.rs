//! Step 2 of the learning path: an MCP server whose interceptor enforces security.
//!
//! Read the modules in this order; it is the order in which a request travels.

#![deny(clippy::print_stdout, reason = "standard output is the protocol")]

// ① How bytes arrive.
pub mod transport;
// ② May this call go on? One pipeline that every message passes.
pub mod interceptor;
// ③ What can be asked? One file per tool; what can be read, and picked; what an argument could be;
// what is told of by itself; and the handler that offers them.
pub mod changes;
pub mod completion;
pub mod handler;
pub mod paging;
pub mod prompts;
pub mod resources;
pub mod tools;
// How the server's own requests leave.
mod outbound;
// For whoever runs it: can it do its work, how much does it do, and as part of what?
pub mod metrics;
pub mod readiness;
#[cfg(feature = "otlp")]
pub mod traces;
// The parts put together.
pub mod app;
// What people type.
pub mod cli;
// What an operator may set, and what the server says of itself.
pub mod config;
pub mod telemetry;
// Weak on purpose, for the attack lab; never part of what people run.
#[cfg(feature = "lab")]
pub mod lab;
