//! ② May this call go on? The interceptor: one pipeline that every message passes.
//!
//! ```text
//! transport ─▶ Guard ─▶ Audit( Authenticate → RateLimit → Authorize ) ─▶ your handler
//! ```
//!
//! It stands in front of **any** rmcp handler, over any transport, and decides on the parsed
//! message, never on a header.

// What is asked: a call, and every kind of it.
pub mod call;
pub mod operations;
// The only tower plumbing. A check is a `Rule`, which is two plain functions.
pub mod policy;
// The layers, in the order in which a call meets them.
pub mod audit;
pub mod authenticate;
pub mod authorize;
pub mod rate_limit;
// The end of the pipeline: the handler.
mod dispatch;
mod guard;
// What the layers decide on and with.
pub mod argument_rule;
mod bounded_store;
pub mod catalogue;
pub mod denial;
pub mod keys;
pub mod scope;

use std::{sync::Arc, time::Duration};

use tower::Layer;

pub use audit::{Audit, Journal, JournalSettings};
pub use authenticate::{Authenticate, Authenticator, Peer, Principal};
pub use authorize::Authorize;
pub use call::Arrival;
pub use catalogue::{Catalogue, Target};
pub use denial::{Denial, DenialKind, DenialSlot};
pub use dispatch::caller;
pub use guard::Guard;
pub use keys::KeyStore;
pub use policy::{Policy, Rule};
pub use rate_limit::{FailureLimit, LimitSettings, Rate, RateLimit};
pub use scope::{Grant, Grants, Scope};

/// **The order.** `Layer` is implemented for tuples, outermost first: a call goes down this list,
/// and its answer comes back up.
pub type Layers = (
    // First, and so last to let go: it must write the refusals of all the others too.
    Audit,
    // Who is it? Everything below needs to know.
    Policy<Authenticate>,
    // Before the scopes, so that probing for scopes costs something.
    Policy<RateLimit>,
    // Last: the most particular question, asked only of callers that are known and within limits.
    Policy<Authorize>,
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
    /// How long a call may take.
    pub time_out: Duration,
}

impl Pipeline {
    fn layers(&self) -> Layers {
        (
            Audit(Arc::clone(&self.journal)),
            Policy(Authenticate),
            Policy(self.limits.clone()),
            Policy(Authorize::new(Arc::clone(&self.catalogue))),
        )
    }
}
