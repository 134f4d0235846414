//! May this caller do this? Scopes that an operation needs, grants that a caller holds, and the
//! catalogue that maps the one to the other.

pub(crate) mod argument_rule;
pub(crate) mod authorize;
pub(crate) mod catalogue;
pub(crate) mod scope;

pub use argument_rule::{ArgumentRule, ArgumentRules, Breach};
pub use catalogue::{Catalogue, Target};
pub use scope::{Decision, Grant, Grants, Scope, ScopeError};
