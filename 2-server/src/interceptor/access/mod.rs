//! May this caller do this? Scopes that an operation needs, grants that a caller holds, and the
//! catalogue that maps the one to the other.

// What is needed, and what is held,
pub(crate) mod scope;
// bounded by what the arguments may be.
pub(crate) mod argument_rule;
// What each name needs.
pub(crate) mod catalogue;
// The check, and what a list shows.
pub(crate) mod authorize;

pub use argument_rule::{ArgumentRule, ArgumentRules, Breach};
pub use catalogue::{Catalogue, Target};
pub use scope::{Decision, Grant, Grants, Scope, ScopeError};
