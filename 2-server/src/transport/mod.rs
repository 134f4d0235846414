//! ① How bytes arrive. A transport signs its caller in, attaches an
//! [`Arrival`](crate::interceptor::Arrival) to each message, and hands it to rmcp. It decides on
//! nothing else.

// One caller, on standard input and output: how a host launches the server.
mod lines;
pub mod stdio;
// Many callers, over HTTP: connections, encrypted or not; which web pages may call; what is common
// to all paths; then `/mcp` with its fast path, and `/sse` for old hosts.
mod cors;
mod credentials;
mod edge;
mod fast_path;
pub mod http;
mod names;
mod proxies;
mod sessions;
mod site;
mod sse;
mod streamable;
pub mod tls;
// For whoever runs it: readiness and numbers.
pub mod operations;
