//! ① How bytes arrive. A transport signs its caller in, attaches an
//! [`Arrival`](crate::interceptor::Arrival) to each message, and hands it to rmcp. It decides on
//! nothing else.

// One caller, on standard input and output: how a host launches the server.
mod lines;
pub mod stdio;
// Many callers, over HTTP: connections, encrypted or not.
pub mod http;
// What is common to all paths: is the request meant for us, who sends it, can it be read?
mod cors;
mod credentials;
mod edge;
mod headers;
pub(crate) mod origin;
mod proxies;
// `/mcp` with its fast path, and `/sse` for old hosts.
mod mcp;
mod sessions;
mod sse;
