//! Custom rules, for a server that needs more than this crate knows: hours in which nobody may call,
//! a quota, a list of countries. [`PipelineBuilder::rule`](super::PipelineBuilder::rule) adds them.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use rmcp::model::JsonObject;

use super::{call::CallInfo, denial::Denial};

/// A check on every call.
#[async_trait]
pub trait Rule: Send + Sync + 'static {
    /// Decides before the call goes on.
    ///
    /// # Errors
    /// The refusal. Nothing after this rule runs then.
    async fn check(&self, call: &CallInfo, arguments: Option<&JsonObject>) -> Result<(), Denial>;
}

/// The rules that were added, in the order in which they came.
#[derive(Clone, Default)]
pub(super) struct CustomRules(Arc<[Arc<dyn Rule>]>);

impl CustomRules {
    /// The rules, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Rule>> {
        self.0.iter()
    }

    /// The same rules and one more.
    pub(super) fn and(&self, rule: impl Rule) -> Self {
        let one: Arc<dyn Rule> = Arc::new(rule);
        Self(self.0.iter().cloned().chain([one]).collect())
    }
}

impl fmt::Debug for CustomRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomRules({})", self.0.len())
    }
}
