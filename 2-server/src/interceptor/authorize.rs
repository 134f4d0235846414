//! May this caller do this? Checks the scopes that a call takes, and hides from lists what the
//! caller couldn't use: both ask [`Grants`](super::scope::Grants), so they can't disagree.

use std::sync::Arc;

use rmcp::model::JsonObject;

use super::{
    call::{Facts, Operation},
    catalogue::{Catalogue, Target},
    denial::{Denial, DenialKind},
    policy::Rule,
    scope::{Decision, Scope},
};

/// How many scopes one call may need. Only a stream that watches resources needs more than one.
const MOST_SCOPES: usize = 32;

/// The rule: every scope that the operation takes must be granted.
#[derive(Debug, Clone)]
pub struct Authorize {
    catalogue: Arc<Catalogue>,
}

impl Authorize {
    /// Authorizes by this catalogue.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue }
    }
}

impl Rule for Authorize {
    type Permit = ();

    fn check(&self, facts: &Facts, arguments: Option<&JsonObject>) -> Result<(), Denial> {
        let grants = facts.principal()?.grants();
        if facts.is_nested()
            && let Some(tool) = facts.tool()
            && self.catalogue.is_closed_to_models(Target::Tool(tool))
        {
            return Err(Denial::new(
                DenialKind::Forbidden,
                "a model may not ask for this tool: only its caller may",
            ));
        }
        if facts.requires().len() > MOST_SCOPES {
            // Written out, they would make a record and a header of any length.
            return Err(Denial::new(
                DenialKind::TooLarge,
                format!("one call may need at most {MOST_SCOPES} scopes: ask in several"),
            ));
        }
        for scope in facts.requires() {
            match grants.decide(scope, arguments) {
                Decision::Allowed(_) => {}
                Decision::Bounded(_, breach) => {
                    let reason = format!(
                        "your key allows this only with {} {}",
                        breach.argument,
                        expected(&breach.expected)
                    );
                    // The scope isn't what is missing, so none is asked for.
                    return Err(Denial::new(DenialKind::Forbidden, reason));
                }
                Decision::Missing => return Err(lacks(facts)),
            }
        }
        Ok(())
    }

    fn review<Op: Operation>(&self, facts: &Facts, output: &mut Op::Output) -> Result<(), Denial> {
        let grants = facts.principal()?.grants();
        let may_use = |target: Target<'_>| {
            !(facts.is_nested() && self.catalogue.is_closed_to_models(target))
                && self
                    .catalogue
                    .needs(target)
                    .iter()
                    .all(|scope| grants.reach(scope))
        };
        Op::prune(output, &may_use);
        Ok(())
    }
}

fn expected(what: &str) -> String {
    if what == "given" {
        "given".to_owned()
    } else {
        format!("being {what}")
    }
}

/// The same words for what is forbidden and for what doesn't exist.
fn lacks(facts: &Facts) -> Denial {
    let scopes: Vec<&str> = facts.requires().iter().map(Scope::as_str).collect();
    let reason = format!(
        "this takes the scope {}, which you don't have: ask the operator for it",
        scopes.join(" and ")
    );
    Denial::forbidden(reason, facts.shared_requires())
}
