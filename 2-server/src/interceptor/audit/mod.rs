//! What happened? One closing line for every message, when its outcome is known: also for the
//! refused, the failed, the timed out and the cancelled.
//!
//! Read on: `record.rs` renders a line, `journal.rs` keeps it, `chain.rs` makes it tamper-evident,
//! `recent.rs` remembers the last ones for the caller they tell of.

// The layer.
pub(crate) mod layer;
// The line, and where it goes.
mod chain;
mod file;
pub(crate) mod journal;
mod recent;
pub(crate) mod record;
pub(crate) mod settings;

pub use chain::{Fault, Verdict, verify};
pub use journal::{Journal, Observer, Sink};
pub use record::{Outcome, Record, id_in_record};
pub use settings::{FileSettings, JournalError, JournalSettings};
