//! Custom rules, for a server that needs more than this crate knows: hours in which nobody may call,
//! a quota, a list of countries. [`PipelineBuilder::rule`](super::PipelineBuilder::rule) adds them.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use rmcp::model::JsonObject;

use super::{
    call::{CallInfo, Failure},
    denial::Denial,
    layer::{Call, Handle, stacks},
    protocol::operation::Operation,
};

/// A check on every call.
#[async_trait]
pub trait Rule: Send + Sync + 'static {
    /// Decides before the call goes on.
    ///
    /// # Errors
    /// The refusal. Nothing after this rule runs then.
    async fn check(&self, call: &CallInfo, arguments: Option<&JsonObject>) -> Result<(), Denial>;
}

/// The layer: every rule that was added agrees. They are asked in the order in which they came, and
/// the first one that refuses has the word.
#[derive(Clone, Default)]
pub(super) struct CustomRules(Arc<[Arc<dyn Rule>]>);

stacks!(CustomRules as Ruled);

impl CustomRules {
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

impl<Op: Operation, S: Handle<Op>> Handle<Op> for Ruled<S> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        for rule in self.layer.0.iter() {
            let arguments = Op::arguments(&call.params);
            let checked = rule.check(&call.info, arguments).await;
            checked.map_err(Failure::Denied)?;
        }
        self.inner.handle(call).await
    }
}
