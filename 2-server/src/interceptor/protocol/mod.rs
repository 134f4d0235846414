//! What can be asked: every method of the protocol, and what all of them have in common.

pub(crate) mod methods;
pub(crate) mod operation;
pub(crate) mod trace;

pub use methods::{METHODS, MethodInfo, TargetKind, method};
pub use trace::Trace;
