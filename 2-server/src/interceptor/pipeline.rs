//! The parts of the pipeline, built once and shared by every guard and every session.

use std::{sync::Arc, time::Duration};

use super::{
    access::catalogue::Catalogue,
    audit::journal::Journal,
    identity::sign_in::SignIn,
    layers::{Audit, Authenticate, Authorize, RateLimit},
    limit::charge::Limit,
    rules::CustomRules,
    tasks::TaskOwners,
};

/// **The order.** `Layer` is implemented for tuples, outermost first: a call goes down this list,
/// and its answer comes back up. Over HTTP the second and the third happen before the message is
/// read ([`Guard::admit`](super::Guard::admit)), so that a stranger costs nothing; what they do and
/// what they leave in the record is the same.
pub(super) type Layers = (
    // First, and so last to let go: it must write the refusals of all the others too.
    Audit,
    // Who is it? Everything below needs to know.
    Authenticate,
    // Before the scopes, so that probing for scopes costs something.
    RateLimit,
    // The most particular questions come last, asked only of callers that are known and within
    // limits.
    Authorize,
    TaskOwners,
    CustomRules,
);

/// The parts of the pipeline. Clones are the same parts. Begin with [`Pipeline::builder`].
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub(super) journal: Arc<Journal>,
    pub(super) sign_in: Arc<SignIn>,
    pub(super) limit: Arc<dyn Limit>,
    pub(super) catalogue: Catalogue,
    pub(super) tasks: TaskOwners,
    pub(super) rules: CustomRules,
    pub(super) timeout: Duration,
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
    /// Tasks whose owners are known.
    pub tasks: usize,
    /// Bytes of the audit log that wait to be written.
    pub unwritten: usize,
    /// Floods of refusals that are being counted.
    pub floods: usize,
}

impl Pipeline {
    /// Who signs callers in.
    pub fn authenticator(&self) -> &Arc<SignIn> {
        &self.sign_in
    }

    /// Where records go.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// What each operation needs.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What the pipeline remembers right now. All of it goes back to nothing when nobody calls, but
    /// for tasks, which last as long as they say.
    pub fn load(&self) -> Load {
        let limit = self.limit.load();
        let (unwritten, floods) = self.journal.waiting();
        Load {
            running: limit.running,
            budgets: limit.budgets,
            failing_peers: self.sign_in.remembered(),
            tasks: self.tasks.len(),
            unwritten,
            floods,
        }
    }

    pub(super) fn layers(&self) -> Layers {
        (
            Audit(Arc::clone(&self.journal)),
            Authenticate(Arc::clone(&self.sign_in)),
            RateLimit(Arc::clone(&self.limit)),
            Authorize(self.catalogue.clone()),
            self.tasks.clone(),
            self.rules.clone(),
        )
    }
}
