//! ② May this call go on? The interceptor: one pipeline that every message passes.
//!
//! ```text
//! transport ─▶ Guard ─▶ Audit( Authenticate → RateLimit → Authorize → TaskOwners → CustomRules ) ─▶ your handler
//! ```
//!
//! It stands in front of **any** rmcp handler, over any transport, and decides on the parsed
//! message, never on a header.
//!
//! # One call, step by step
//!
//! The way of a `tools/call` over HTTP, and of its answer:
//!
//! 1. `serve` in `transport/http/listener.rs` accepts the connection.
//! 2. `handle` in `transport/edge.rs` begins the [`Exchange`], which every later step fills in.
//! 3. `admit` in `interceptor/guard.rs` signs the caller in and charges it, before the body is read.
//! 4. `sign_in` in `interceptor/identity/sign_in.rs` turns the credential into a [`Principal`].
//! 5. `charge` in `interceptor/limit/local.rs` takes one from its budget, and a place among its calls.
//! 6. `read` in `transport/body.rs` reads the body, within its size and time.
//! 7. `answer` in `transport/mcp/fast_path/mod.rs` reads the call; what isn't plain goes through rmcp.
//! 8. `pass` in `interceptor/guard.rs` gathers what is known of the call, and sends it down the layers.
//! 9. `handle` in `interceptor/layers.rs`, once a layer: still signed in, charged, allowed, agreed.
//! 10. `call_tool` in `features/handler.rs` finds the tool, or whatever your handler does.
//! 11. `close` in `interceptor/exchange.rs` ends the exchange as the outermost layer returns, and
//!     `record` in `interceptor/audit/journal.rs` writes its line.
//! 12. `finish` in `transport/edge.rs` gives the answer its status, and holds the exchange until the
//!     last byte is out.
//!
//! A refusal at any step is a [`Denial`]: it ends the exchange with `deny`, and step 12 renders it.
//!
//! # Guard a server of your own
//!
//! Its `Cargo.toml` names this folder without the product, and rmcp in the version that it has:
//!
//! ```toml
//! [dependencies]
//! mcp-server = { path = "../learn-mcp/2-server", default-features = false }
//! rmcp = { version = "3.11", features = ["macros", "server"] }
//! serde = { version = "1", features = ["derive"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! Here is a server as rmcp's own guide writes one, and in `main` the guard in front of it:
//!
//! ```no_run
//! use mcp_server::interceptor::{Catalogue, Grant, Grants, Guard, Pipeline, Scope};
//! use mcp_server::transport::{HttpSettings, Settings, serve};
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
//!         a.saturating_add(b).to_string()
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let pipeline = Pipeline::builder()
//!         .anonymous(Grants::new(vec![Grant::parse("tools:math:*")?]))
//!         .catalogue(Catalogue::new().tool("add", Scope::parse("tools:math:add")?))
//!         .build()?;
//!     let guarded = Guard::new(Calculator, &pipeline);
//!     serve(guarded, Settings::Http(HttpSettings::default())).await?;
//!     Ok(())
//! }
//! ```
//!
//! [`serve`](crate::transport::serve) is the one door to stdio and HTTP. A transport of your own
//! begins an [`Exchange`] for each message, or goes inside of a
//! [`RecordedTransport`](crate::transport::RecordedTransport); without either, nothing passes.
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
