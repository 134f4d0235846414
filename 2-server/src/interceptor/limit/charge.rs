//! What a caller is charged for, and by whom.

use std::fmt;

use async_trait::async_trait;

use crate::interceptor::{denial::Denial, identity::principal::Principal};

/// Charges callers for what they ask.
#[async_trait]
pub trait Limit: fmt::Debug + Send + Sync {
    /// Charges `who` for `what`, or refuses. What is refused is charged nothing.
    ///
    /// # Errors
    /// [`DenialKind::Throttled`](crate::interceptor::DenialKind::Throttled) when the budget is used up, with the
    /// time to wait; [`DenialKind::Unavailable`](crate::interceptor::DenialKind::Unavailable) when the limit
    /// can't be asked.
    async fn charge(&self, who: &Principal, what: Charge<'_>) -> Result<Permit, Denial>;

    /// What it remembers right now.
    fn load(&self) -> LimitLoad {
        LimitLoad::default()
    }
}

/// What a caller is charged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge<'a> {
    /// A message that may run: one of the caller's budget, and a place among its calls at once.
    Call,
    /// A request that runs nothing, such as one that opens a stream: one of the budget alone.
    Request,
    /// The tool of a call that was charged already, where the tool has a rate of its own.
    Tool(&'a str),
}

/// What a limit gave: how much is left, and what goes back when the call is over.
#[derive(Default)]
pub struct Permit {
    /// How many more calls like this one the caller could make right now, where that is known.
    pub left: Option<u32>,
    held: Option<Box<dyn Send + Sync>>,
}

impl Permit {
    /// A permit that gives nothing back.
    pub fn new(left: Option<u32>) -> Self {
        Self { left, held: None }
    }

    /// A permit that drops `held` when the call is over: then a place is free again.
    #[must_use]
    pub fn holding(mut self, held: impl Send + Sync + 'static) -> Self {
        self.held = Some(Box::new(held));
        self
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("left", &self.left)
            .field("holds", &self.held.is_some())
            .finish()
    }
}

/// What a limit remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitLoad {
    /// Calls that run.
    pub running: usize,
    /// Budgets that aren't full again yet.
    pub budgets: usize,
}
