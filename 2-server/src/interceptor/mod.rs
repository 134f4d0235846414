//! ② May this call go on? The interceptor: one pipeline that every message passes.
//!
//! ```text
//! transport ─▶ Guard ─▶ Audit( Authenticate → RateLimit → Authorize → OwnTasks → OwnRules ) ─▶ your handler
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
//! `guarded` goes where the handler went, and [`transport`](crate::transport) serves it over stdio
//! and HTTP. A transport of your own attaches an [`Arrival`] to each message, or goes inside of a
//! [`Witness`]; without either, nothing passes. The example `guarded` is the whole program:
//! `cargo run --package mcp-server --example guarded`.
//!
//! With [`keys_file`](PipelineBuilder::keys_file) in place of `anonymous`, callers need keys, which
//! `mcp-server keys add` makes. The file is read once, unless the server follows it: without these
//! two lines a revoked key goes on working until the next start.
//!
//! ```
//! # use std::sync::Arc;
//! # fn after_build(pipeline: &mcp_server::interceptor::Pipeline) {
//! let keys = Arc::clone(pipeline.authenticator.keys());
//! tokio::spawn(async move { keys.follow().await });
//! # }
//! ```
//!
//! A check of your own is a [`Rule`], and [`PipelineBuilder::rule`] adds it.

// What is asked: a call, and every kind of it.
pub mod call;
pub mod operations;
// The only tower plumbing. A check is a `Rule`, which is two plain functions.
pub mod policy;
// The layers, in the order in which a call meets them.
pub mod audit;
pub mod authenticate;
pub mod authorize;
pub mod own_rules;
pub mod own_tasks;
pub mod rate_limit;
// The end of the pipeline: the handler.
mod dispatch;
// The way back in, for a tool that calls other tools as its caller.
mod funnel;
mod guard;
// What the layers decide on and with.
pub mod argument_rule;
mod bounded_store;
mod builder;
pub mod catalogue;
pub mod denial;
pub mod hex;
pub mod keys;
pub mod scope;
pub mod ticket;
mod trace;
mod witness;

use std::{sync::Arc, time::Duration};

use tower::Layer;

pub use audit::{Audit, Journal, JournalSettings};
pub use authenticate::{Authenticate, Authenticator, Peer, Principal};
pub use authorize::Authorize;
pub use builder::{BuildError, PipelineBuilder};
pub use call::Arrival;
pub use catalogue::{Catalogue, Target};
pub use denial::{Denial, DenialKind, DenialSlot};
pub use dispatch::caller;
pub use funnel::Funnel;
pub use guard::Guard;
pub use keys::KeyStore;
pub use own_rules::OwnRules;
pub use own_tasks::OwnTasks;
pub use policy::{Policy, Rule};
pub use rate_limit::{FailureLimit, LimitSettings, Rate, RateLimit};
pub use scope::{Grant, Grants, Scope};
pub use ticket::Ticket;
pub use trace::Trace;
pub use witness::Witness;

/// **The order.** `Layer` is implemented for tuples, outermost first: a call goes down this list,
/// and its answer comes back up.
pub type Layers = (
    // First, and so last to let go: it must write the refusals of all the others too.
    Audit,
    // Who is it? Everything below needs to know.
    Policy<Authenticate>,
    // Before the scopes, so that probing for scopes costs something.
    Policy<RateLimit>,
    // The most particular questions come last, asked only of callers that are known and within
    // limits.
    Policy<Authorize>,
    Policy<OwnTasks>,
    Policy<OwnRules>,
);

type Stack<H> = <Layers as Layer<dispatch::Dispatch<H>>>::Service;

/// The parts of the pipeline, built once and shared by every session.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Where records go.
    pub journal: Arc<Journal>,
    /// Who may come in.
    pub authenticator: Arc<Authenticator>,
    /// How much they may ask.
    pub limits: RateLimit,
    /// What each operation needs.
    pub catalogue: Arc<Catalogue>,
    /// Checks of your own, asked last.
    pub rules: OwnRules,
    /// How long a call may take.
    pub time_out: Duration,
}

/// What a pipeline remembers, table by table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls that run.
    pub running: usize,
    /// Budgets that aren't full again yet.
    pub budgets: usize,
    /// Peers that failed to sign in.
    pub failing_peers: usize,
    /// Bytes of the record that wait to be written.
    pub unwritten: usize,
    /// Floods of refusals that are being counted.
    pub floods: usize,
}

impl Pipeline {
    /// Begins a pipeline. Whatever isn't said is the strict choice.
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder::default()
    }

    /// What the pipeline remembers right now. All of it goes back to nothing when nobody calls.
    pub fn load(&self) -> Load {
        let (budgets, running) = self.limits.sweep();
        let (unwritten, floods) = self.journal.waiting();
        Load {
            running,
            budgets,
            failing_peers: self.authenticator.remembered(),
            unwritten,
            floods,
        }
    }

    fn layers(&self) -> Layers {
        (
            Audit(Arc::clone(&self.journal)),
            Policy(Authenticate),
            Policy(self.limits.clone()),
            Policy(Authorize::new(Arc::clone(&self.catalogue))),
            Policy(OwnTasks::default()),
            Policy(self.rules.clone()),
        )
    }
}
