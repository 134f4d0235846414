//! ② May this call go on? The interceptor: one pipeline that every message passes.
//!
//! ```text
//! transport ─▶ Guard ─▶ Audit( Authenticate → RateLimit → Authorize → TaskOwners → CustomRules ) ─▶ your handler
//! ```
//!
//! It stands in front of **any** rmcp handler, over any transport, and decides on the parsed
//! message, never on a header.
//!
//! # Guard a server of your own
//!
//! Its `Cargo.toml` names this folder, and rmcp in the version that this package has:
//!
//! ```toml
//! [dependencies]
//! mcp-server = { path = "../learn-mcp/2-server" }
//! rmcp = { version = "3.11", features = ["macros", "server"] }
//! serde = { version = "1", features = ["derive"] }
//! ```
//!
//! Here is a server as rmcp's own guide writes one, and then the guard in front of it:
//!
//! ```
//! use mcp_server::interceptor::{Catalogue, Grants, Grant, Guard, Pipeline, Scope};
//! use rmcp::{handler::server::wrapper::Parameters, schemars, tool, tool_router};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Numbers { a: i32, b: i32 }
//!
//! #[derive(Clone)]
//! struct Calculator;
//!
//! #[tool_router(server_handler)]
//! impl Calculator {
//!     #[tool(description = "Adds two numbers")]
//!     fn add(&self, Parameters(Numbers { a, b }): Parameters<Numbers>) -> String {
//!         (a + b).to_string()
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pipeline = Pipeline::builder()
//!     .anonymous(Grants::new(vec![Grant::parse("tools:math:*")?]))
//!     .catalogue(Catalogue::new().tool("add", Scope::parse("tools:math:add")?))
//!     .build()?;
//! let guarded = Guard::new(Calculator, &pipeline);
//! # let _ = guarded;
//! # Ok(())
//! # }
//! ```
//!
//! `guarded` goes where the handler went, and [`transport::serve`](crate::transport::serve) serves it
//! over stdio or HTTP. A transport of your own begins an [`Exchange`] for each message, or goes
//! inside of a [`RecordedTransport`](crate::transport::RecordedTransport); without either, nothing
//! passes. The example `guarded` is the whole program:
//! `cargo run --package mcp-server --example guarded`.
//!
//! With [`keys_file`](PipelineBuilder::keys_file) in place of `anonymous`, callers need keys, which
//! `mcp-server keys add` makes, and a key that is revoked stops working within a second.
//!
//! A check of your own is a [`Rule`], a way to sign in an [`Authenticate`], a budget that is counted
//! elsewhere a [`Limit`]; the [`PipelineBuilder`] takes each of them.

// One message, from its first byte to its record.
pub(crate) mod exchange;
// THE order, and the parts that it is made of.
pub(crate) mod pipeline;
// The page to read: the one way of every message.
pub(crate) mod guard;
// Each method of a handler, sent that way.
mod forward;
// What each layer does, in the order in which a call meets them, down to the handler.
mod layers;
// What is known of a call.
pub(crate) mod call;
// What the layers decide with, in the same order: what happened,
pub mod audit;
// who is it,
pub mod identity;
// not too often,
pub mod limit;
// may they,
pub mod access;
// whose task is it,
pub(crate) mod tasks;
// whatever else.
pub(crate) mod rules;
// The way back in, for a tool that calls other tools as its caller.
pub(crate) mod nested;
// Changed rights, announced.
mod rights;
// What can be asked: the table of methods.
pub mod protocol;
// What is said: a refusal,
pub(crate) mod denial;
// and text of a caller's own.
pub mod text;
// A pipeline in a few lines.
pub(crate) mod builder;

pub use access::{Catalogue, Grant, Grants, Scope, Target};
pub use audit::{Journal, JournalSettings, Outcome};
pub use builder::{BuildError, PipelineBuilder};
pub use call::CallInfo;
pub use denial::{AuditNote, Denial, DenialKind};
pub use exchange::{Exchange, method_of};
pub use guard::Guard;
pub use identity::{Authenticate, Credential, Identity, KeyStore, Peer, Principal, SignIn, keys};
pub use limit::{Charge, Limit, LimitSettings, Permit, Rate};
pub use nested::NestedCalls;
pub use pipeline::{Load, Pipeline};
pub use protocol::Trace;
pub use rules::Rule;
