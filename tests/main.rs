//! What crosses crates, tested from the outside. One file per behaviour; this is the table of
//! contents.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole binary is tests"
)]

// A running server to test against, a client that speaks raw messages, and a fake Ollama.
mod support;

// Every version of the protocol is served, over both transports, by the same handler.
mod versions;
// Who is refused, how, and what they are told.
mod refusals;
// Lists show what their reader may use, and nothing else.
mod scopes;
// Resources, prompts, completion, and word of what changes.
mod offers;
// Each request leaves exactly one line in the record, whatever became of it.
mod record;
// Also what the protocol library answers, refuses or drops by itself.
mod unseen;
// Whatever bytes arrive: an answer, a record, and the server goes on.
mod envelope;
// What happens to calls when their record can't be kept.
mod sink;
// How much, how long, how many.
mod limits;
// What a refused request leaves of its connection.
mod connections;
// What a request may cost in memory.
#[cfg(target_os = "linux")]
mod memory;
// Where a caller sits: proxies and networks.
mod addresses;
// A session belongs to who opened it.
mod sessions;
// A key that is revoked stops working within a second, also where it is in use.
mod revocation;
// A task belongs to who began it.
mod owners;
// A model's calls run as the caller who asked it.
mod nested;
// No method passes by the pipeline: every kind of request that rmcp knows is tried.
mod funnel;
// Full load while keys are revoked; then everything is as it was.
mod soak;
// A chat from end to end: streamed, cut, cancelled; with a model and with the tutor.
mod chat;
// The weather: what is asked of the services, and what happens when they fail.
mod weather;
// What a wrong configuration is told.
mod configuration;
// Standard output carries the protocol and nothing else.
mod stdio;
// The command line: keys, policy, audit; and connecting a host.
mod audit_command;
mod command_line;
mod install;
mod keys_command;
// For whoever runs it: TLS, readiness, numbers, pages of other origins.
mod operations;
// A call's place in a larger work goes with it to the engine, and to a collector.
mod traces;
// The way of one call, as its page tells it.
mod journey;
// The seams: a way to sign in, a limit and a handler that this crate doesn't have.
mod seams;
// What the pages say is true.
mod learning_path;
// Each step has the same shape, and each control its chapter.
mod chapters;
mod steps;
mod stop;
// What a newcomer's machine lacks is told, with what to do.
mod ready;
// What is cited of the specification stands there.
mod specification;
// What SECURITY.md names is there.
mod security_page;
// Which crate and module may use which, and that no file uses itself by a detour.
mod boundaries;
mod graph;
