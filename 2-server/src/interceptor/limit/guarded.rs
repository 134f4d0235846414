//! A limit that is somewhere else, and what happens while it can't be asked.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    charge::{Charge, Limit, LimitLoad, Permit},
    local::LocalLimit,
};
use crate::interceptor::{
    denial::{Denial, DenialKind},
    identity::principal::Principal,
};

/// What happens while a remote limit can't be asked. There is no "let everybody pass".
#[derive(Debug)]
pub enum FailureMode {
    /// Calls are refused: 503.
    Closed,
    /// This process counts by itself, with what it has been given as its share.
    Local(Box<LocalLimit>),
}

/// A remote limit within a deadline, with its [`FailureMode`].
#[derive(Debug)]
pub struct Guarded {
    remote: Arc<dyn Limit>,
    deadline: Duration,
    mode: FailureMode,
}

impl Guarded {
    /// Asks `remote`, which must answer within `deadline`.
    pub fn new(remote: Arc<dyn Limit>, deadline: Duration, mode: FailureMode) -> Self {
        Self {
            remote,
            deadline,
            mode,
        }
    }
}

#[async_trait]
impl Limit for Guarded {
    async fn charge(&self, who: &Principal, what: Charge<'_>) -> Result<Permit, Denial> {
        let asked = tokio::time::timeout(self.deadline, self.remote.charge(who, what)).await;
        let failure = match asked {
            Ok(Err(denial)) if denial.kind == DenialKind::Unavailable => denial,
            Ok(answer) => return answer,
            Err(_elapsed) => Denial::new(
                DenialKind::Unavailable,
                "the server can't count calls right now, so it refuses them: try again later",
            ),
        };
        match &self.mode {
            FailureMode::Closed => Err(failure),
            FailureMode::Local(local) => local.charge(who, what).await,
        }
    }

    fn limits(&self, tool: &str) -> bool {
        let here = match &self.mode {
            FailureMode::Closed => false,
            FailureMode::Local(local) => local.limits(tool),
        };
        here || self.remote.limits(tool)
    }

    fn load(&self) -> LimitLoad {
        match &self.mode {
            FailureMode::Closed => self.remote.load(),
            FailureMode::Local(local) => {
                let (here, there) = (local.load(), self.remote.load());
                LimitLoad {
                    running: here.running + there.running,
                    budgets: here.budgets + there.budgets,
                }
            }
        }
    }
}
