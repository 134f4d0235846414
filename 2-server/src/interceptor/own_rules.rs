//! Whatever else? Checks of your own, for a server that needs more than this crate knows: hours in
//! which nobody may call, a quota, a list of countries. [`PipelineBuilder::rule`] adds them.
//!
//! [`PipelineBuilder::rule`]: super::PipelineBuilder::rule

use std::{fmt, sync::Arc};

use rmcp::model::JsonObject;

use super::{call::Facts, denial::Denial, policy::Rule};

/// The rule: every rule that was added agrees. They are asked in the order in which they came, and
/// the first one that refuses has the word.
#[derive(Clone, Default)]
pub struct OwnRules(Arc<[Arc<dyn Check>]>);

impl OwnRules {
    /// The same rules and one more. A rule of one's own decides before the call goes on; it holds
    /// nothing while the call runs, and doesn't see the answer.
    #[must_use]
    pub fn and(&self, rule: impl Rule<Permit = ()>) -> Self {
        let one: Arc<dyn Check> = Arc::new(rule);
        Self(self.0.iter().cloned().chain([one]).collect())
    }
}

impl fmt::Debug for OwnRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnRules({})", self.0.len())
    }
}

impl Rule for OwnRules {
    type Permit = ();

    fn check(&self, facts: &Facts, arguments: Option<&JsonObject>) -> Result<(), Denial> {
        self.0
            .iter()
            .try_for_each(|rule| rule.allows(facts, arguments))
    }
}

/// A rule whose type is gone.
trait Check: Send + Sync {
    fn allows(&self, facts: &Facts, arguments: Option<&JsonObject>) -> Result<(), Denial>;
}

impl<R: Rule<Permit = ()>> Check for R {
    fn allows(&self, facts: &Facts, arguments: Option<&JsonObject>) -> Result<(), Denial> {
        self.check(facts, arguments)
    }
}
