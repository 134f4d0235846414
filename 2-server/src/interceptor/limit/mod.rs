//! How much may a caller ask? A [`Limit`] charges each message to whoever sent it.

// What a limit is asked.
pub(crate) mod charge;
// The limit of one process:
pub(crate) mod local;
// a rate,
pub(crate) mod rate;
// a bucket for each caller,
pub(crate) mod buckets;
// and a bound on the buckets.
mod bounded_store;
// A limit that is somewhere else, and what happens while it can't be asked.
pub(crate) mod guarded;

pub use charge::{Charge, Limit, LimitLoad, Permit};
pub use guarded::{FailureMode, Guarded};
pub use local::{LimitSettings, LocalLimit};
pub use rate::Rate;
