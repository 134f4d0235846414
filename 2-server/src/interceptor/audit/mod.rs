//! What happened? One closing line for every message, when its outcome is known: also for the
//! refused, the failed, the timed out and the cancelled.
//!
//! Read on: `record.rs` renders a line, `journal.rs` keeps it, `chain.rs` makes it tamper-evident,
//! `recent.rs` remembers the last ones for the caller they tell of.

// The line,
pub(crate) mod record;
// and where it goes.
pub(crate) mod journal;
pub(crate) mod settings;
// The file,
mod file;
// and the chain that shows tampering.
mod chain;
// The last lines of each caller, for that caller to read.
mod recent;

pub use chain::{Fault, Verdict, verify};
pub use journal::{Journal, Observer, Sink};
pub use record::{Outcome, Record, id_in_record};
pub use settings::{FileSettings, JournalError, JournalSettings};
