//! What can be asked: every method of the protocol, and what all of them have in common.

// What all methods have in common,
pub(crate) mod operation;
// and the table of them.
pub(crate) mod methods;
// Which larger work a call belongs to.
pub(crate) mod trace;

pub use methods::{METHODS, MethodInfo, TargetKind, method};
pub use trace::Trace;
