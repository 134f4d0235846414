//! The attack lab: what real MCP servers have fallen to, tried against a server that you own.
//!
//! Each family of attacks is a file below, each attack a row with the same shape: what is tried, why
//! it works elsewhere, and the function that tries it. An attack knows nothing of the server but
//! what MCP tells it, so it works against any server; where it can't, it says so instead of passing.

// What came of an attack.
mod verdict;
// The audit log that the server keeps.
pub mod trail;
// Who calls the server under attack.
mod caller;
// That server: what it offers, and how to ask it.
pub mod target;
// An attack, described and tried.
mod row;
// The families: one file for each, in the order in which they run.
// Web pages that reach a server on their reader's machine.
mod rebinding;
// Signing in without a key, or with a wrong one.
mod credentials;
// What a list hides, called all the same.
mod access;
// Somebody with more rights, made to act for somebody with fewer.
mod deputy;
// Sessions, stolen, guessed and hoarded.
mod sessions;
// Messages that two readers read differently.
mod messages;
// Bodies that cost more than they should.
mod bodies;
// Text that is taken for a path, an address, a command.
mod injection;
// Descriptions that a model takes for orders.
mod trust;
// What a server gives away unasked.
mod leaks;
// Clients that are slow on purpose.
mod slow;
// Floods, last of all.
mod floods;
// All of them,
mod catalogue;
// and those that were chosen.
mod choice;
// What the person typed, and the run from the first row to the exit code.
mod command;
pub mod run;
// What is reported of it.
pub mod report;
pub mod sarif;

pub use catalogue::catalogue;
pub use command::Args;
pub use row::Row;
pub use verdict::{Finding, Verdict};
