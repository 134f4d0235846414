//! May this caller do this? Checks the scopes that a call requires, and hides from lists what the
//! caller couldn't use: both ask [`Grants`](super::scope::Grants), so they can't disagree.

use rmcp::model::JsonObject;

use super::{
    catalogue::{Catalogue, Target},
    scope::{Decision, Scope},
};
use crate::interceptor::{
    call::CallInfo,
    denial::{Denial, DenialKind},
    protocol::operation::Operation,
};

/// How many scopes one call may need. Only a stream that watches resources needs more than one.
const MOST_SCOPES: usize = 32;

/// Checks every scope that a call requires.
///
/// # Errors
/// 403 with all the scopes that are missing, or the argument that a grant doesn't allow.
pub(in super::super) fn check(
    catalogue: &Catalogue,
    call: &CallInfo,
    arguments: Option<&JsonObject>,
) -> Result<(), Denial> {
    let grants = call.principal()?.grants();
    if call.is_nested()
        && let Some(tool) = call.tool()
        && catalogue.is_closed_to_models(Target::Tool(tool))
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
///
/// # Errors
/// 401 where nobody signed in.
pub(in super::super) fn hide<Op: Operation>(
    catalogue: &Catalogue,
    call: &CallInfo,
    output: &mut Op::Output,
) -> Result<(), Denial> {
    let grants = call.principal()?.grants();
    let may_use = |target: Target<'_>| {
        !(call.is_nested() && catalogue.is_closed_to_models(target))
            && catalogue
                .needs(target)
                .iter()
                .all(|scope| grants.reach(scope))
    };
    Op::prune(output, &may_use);
    Ok(())
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
