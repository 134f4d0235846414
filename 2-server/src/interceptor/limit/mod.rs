//! How much may a caller ask? A [`Limit`] charges each message to whoever sent it.

// What a limit is asked.
pub(crate) mod charge;
pub(crate) mod layer;
// The limit of one process: rates, a bucket for each caller, and a bound on the buckets.
mod bounded_store;
pub(crate) mod buckets;
pub(crate) mod local;
pub(crate) mod rate;
// A limit that is somewhere else, and what happens while it can't be asked.
pub(crate) mod guarded;

pub use charge::{Charge, Limit, LimitLoad, Permit};
pub use guarded::{FailureMode, Guarded};
pub use local::{LimitSettings, LocalLimit};
pub use rate::Rate;
