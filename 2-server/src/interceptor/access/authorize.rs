//! May this caller do this? Checks the scopes that a call requires, and hides from lists what the
//! caller couldn't use: both ask [`Grants`](super::scope::Grants), so they can't disagree.

use rmcp::model::JsonObject;

use super::{
    catalogue::{Catalogue, Target},
    scope::{Decision, Scope},
};
use crate::interceptor::{
    call::{CallInfo, Failure},
    denial::{Denial, DenialKind},
    layer::{Call, Handle, stacks},
    protocol::operation::Operation,
};

/// How many scopes one call may need. Only a stream that watches resources needs more than one.
const MOST_SCOPES: usize = 32;

/// The layer: every scope that the operation requires must be granted.
#[derive(Debug, Clone)]
pub(in super::super) struct Authorize(pub(in super::super) Catalogue);

stacks!(Authorize as Authorized);

impl<Op: Operation, S: Handle<Op>> Handle<Op> for Authorized<S> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        let info = call.info.clone();
        self.layer
            .check(&info, Op::arguments(&call.params))
            .map_err(Failure::Denied)?;
        let mut output = self.inner.handle(call).await?;
        self.layer
            .hide::<Op>(&info, &mut output)
            .map_err(Failure::Denied)?;
        Ok(output)
    }
}

impl Authorize {
    fn check(&self, call: &CallInfo, arguments: Option<&JsonObject>) -> Result<(), Denial> {
        let grants = call.principal()?.grants();
        if call.is_nested()
            && let Some(tool) = call.tool()
            && self.0.is_closed_to_models(Target::Tool(tool))
        {
            return Err(Denial::new(
                DenialKind::Forbidden,
                "a model may not ask for this tool: only its caller may",
            ));
        }
        if call.requires().len() > MOST_SCOPES {
            // Written out, they would make a record and a header of any length.
            return Err(Denial::new(
                DenialKind::TooLarge,
                format!("one call may need at most {MOST_SCOPES} scopes: ask in several"),
            ));
        }
        for scope in call.requires().iter() {
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
                Decision::Missing => return Err(lacks(call)),
            }
        }
        Ok(())
    }

    /// Takes out of a list what the caller couldn't use.
    fn hide<Op: Operation>(&self, call: &CallInfo, output: &mut Op::Output) -> Result<(), Denial> {
        let grants = call.principal()?.grants();
        let may_use = |target: Target<'_>| {
            !(call.is_nested() && self.0.is_closed_to_models(target))
                && self.0.needs(target).iter().all(|scope| grants.reach(scope))
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
fn lacks(call: &CallInfo) -> Denial {
    let scopes: Vec<&str> = call.requires().iter().map(Scope::as_str).collect();
    let reason = format!(
        "this takes the scope {}, which you don't have: ask the operator for it",
        scopes.join(" and ")
    );
    Denial::forbidden(reason, call.requires().clone())
}
