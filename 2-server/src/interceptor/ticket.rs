//! One message, one record: also for what the protocol library answers by itself.
//!
//! rmcp refuses some messages before a handler hears of them (a version that it doesn't know,
//! metadata that is missing, a method that this version no longer has), answers others (a ping
//! before the handshake), and drops some. The pipeline can't record what it never sees. So a
//! transport gives each message a ticket: the pipeline takes it, and a ticket that nobody took
//! writes the record when the message is gone.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::{
    audit::{EdgeRefusal, Journal, Outcome},
    authenticate::Principal,
};

/// Says what was asked, if anybody needs to know: most tickets are taken, and then nobody does.
type Method = Box<dyn Fn() -> String + Send + Sync>;

/// The duty to record a message. Clones are the same ticket.
#[derive(Clone)]
pub struct Ticket(Arc<Inner>);

struct Inner {
    journal: Arc<Journal>,
    identity: Arc<str>,
    transport: &'static str,
    method: Method,
    since: Instant,
    taken: AtomicBool,
    answer: Mutex<Option<(Outcome, String)>>,
}

impl Ticket {
    /// A ticket for a message of this caller. `method` words what is asked, such as `tools/call`.
    pub fn new(
        journal: Arc<Journal>,
        caller: Option<&Principal>,
        address: Option<IpAddr>,
        transport: &'static str,
        method: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        let identity = match caller {
            Some(caller) => Arc::clone(caller.label()),
            None => EdgeRefusal::peer(address).into(),
        };
        Self(Arc::new(Inner {
            journal,
            identity,
            transport,
            method: Box::new(method),
            since: Instant::now(),
            taken: AtomicBool::new(false),
            answer: Mutex::default(),
        }))
    }

    /// Takes over the duty: from now on the taker records the message. `false` when somebody else
    /// has it.
    pub fn take(&self) -> bool {
        !self.0.taken.swap(true, Ordering::SeqCst)
    }

    /// Whether somebody has the duty.
    pub fn is_taken(&self) -> bool {
        self.0.taken.load(Ordering::SeqCst)
    }

    /// What became of the message, for the record that the ticket may have to write.
    pub fn answered(&self, outcome: Outcome, reason: impl Into<String>) {
        *self.0.answer.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((outcome, reason.into()));
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({}, taken: {})", self.0.identity, self.is_taken())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if *self.taken.get_mut() {
            return;
        }
        let answer = self
            .answer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let (outcome, reason) = answer.take().unwrap_or_else(|| {
            (
                Outcome::Rejected,
                "it never reached the pipeline: the protocol library refused or ignored it"
                    .to_owned(),
            )
        });
        self.journal.refused_at_the_edge(&EdgeRefusal {
            identity: &self.identity,
            transport: self.transport,
            method: super::call::cut(&(self.method)(), 64),
            reason: super::call::cut(&reason, 256),
            outcome,
            took: self.since.elapsed(),
        });
    }
}
