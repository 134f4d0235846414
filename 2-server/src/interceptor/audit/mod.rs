//! What happened? Writes one closing line for every request, when its outcome is known: also for
//! the refused, the failed, the timed out and the cancelled.
//!
//! Audit is the outermost layer, because a refusal by any layer inside it must be written too.
//! Read on: `record.rs` renders a line, `journal.rs` keeps it, `chain.rs` makes it tamper-evident,
//! `recent.rs` remembers the last ones for the caller they tell of.

mod chain;
mod file;
mod journal;
mod recent;
mod record;

use std::{
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

pub use chain::{Fault, Verdict, verify};
pub use journal::{FileSettings, Journal, JournalError, JournalSettings, Observer, Sink};
pub use record::{EdgeRefusal, Outcome};
pub(crate) use record::{id_in_record, is_unsafe};

use super::call::{Call, Facts, Failure, Operation};

/// The layer: records every call that passes through it.
#[derive(Debug, Clone)]
pub struct Audit(pub Arc<Journal>);

impl<S> Layer<S> for Audit {
    type Service = Audited<S>;

    fn layer(&self, inner: S) -> Audited<S> {
        Audited {
            journal: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service whose calls are recorded.
#[derive(Debug, Clone)]
pub struct Audited<S> {
    journal: Arc<Journal>,
    inner: S,
}

impl<Op, S> Service<Call<Op>> for Audited<S>
where
    Op: Operation,
    S: Service<Call<Op>, Response = Op::Output, Error = Failure>,
{
    type Response = Op::Output;
    type Error = Failure;
    type Future = Recording<Op, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Op>) -> Self::Future {
        let open = Open {
            journal: Arc::clone(&self.journal),
            facts: Some(Arc::clone(&call.facts)),
            _operation: PhantomData,
        };
        match self.journal.admit() {
            Ok(()) => Recording::Running {
                inner: self.inner.call(call),
                open,
            },
            Err(denial) => Recording::Refused {
                failure: Some(Failure::Denied(denial)),
                open,
            },
        }
    }
}

pin_project! {
    /// A call whose closing line is still to be written.
    #[allow(missing_docs, reason = "the fields are private plumbing; pin-project-lite has no words for that")]
    #[project = RecordingProj]
    pub enum Recording<Op: Operation, F> {
        /// It runs.
        Running { #[pin] inner: F, open: Open<Op> },
        /// It can't be recorded, so it doesn't run.
        Refused { failure: Option<Failure>, open: Open<Op> },
    }
}

/// An open record. Dropped while open, the call was abandoned, and that is what is written.
#[derive(Debug)]
pub struct Open<Op> {
    journal: Arc<Journal>,
    facts: Option<Arc<Facts>>,
    _operation: PhantomData<fn(Op)>,
}

impl<Op: Operation> Open<Op> {
    fn close(&mut self, result: &Result<Op::Output, Failure>) {
        let Some(facts) = self.facts.take() else {
            return;
        };
        match result {
            Ok(output) if Op::failed(output) => self.journal.close(&facts, Outcome::Error, None),
            Ok(_) => self.journal.close(&facts, Outcome::Success, None),
            Err(Failure::Failed(_)) => self.journal.close(&facts, Outcome::Error, None),
            Err(Failure::Cancelled) => self.journal.close(&facts, Outcome::Cancelled, None),
            Err(Failure::Denied(denial)) => {
                self.journal
                    .close(&facts, Outcome::of(denial.kind), Some(denial));
            }
        }
    }
}

impl<Op> Drop for Open<Op> {
    fn drop(&mut self) {
        if let Some(facts) = self.facts.take() {
            self.journal.close(&facts, Outcome::Cancelled, None);
        }
    }
}

impl<Op, F> Future for Recording<Op, F>
where
    Op: Operation,
    F: Future<Output = Result<Op::Output, Failure>>,
{
    type Output = Result<Op::Output, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, open) = match self.project() {
            RecordingProj::Running { inner, open } => (ready!(inner.poll(cx)), open),
            RecordingProj::Refused { failure, open } => match failure.take() {
                Some(failure) => (Err(failure), open),
                None => return Poll::Pending, // polled again after it was ready
            },
        };
        open.close(&result);
        Poll::Ready(result)
    }
}
