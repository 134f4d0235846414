//! Which HTTP+SSE streams are open, whose they are, and what goes on in them. There are only so
//! many, in all and of one identity.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::model::{ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, RequestId};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::interceptor::{Denial, DenialKind, hex::hex};

/// What a caller whom no place is left for is told to wait.
const FULL_WAIT: Duration = Duration::from_secs(30);

/// The open streams.
#[derive(Debug)]
pub(in super::super) struct Table {
    streams: Mutex<HashMap<Box<str>, Arc<Stream>>>,
    most: usize,
    most_of_one: usize,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    owner: Arc<str>,
    pub(super) inbox: mpsc::Sender<ClientJsonRpcMessage>,
    pub(super) traffic: watch::Sender<Traffic>,
    /// Takes no more messages.
    pub(super) closing: CancellationToken,
    pub(super) ended: CancellationToken,
}

/// What goes on in a stream.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// Requests that came in and have no answer yet: a stream that has one isn't idle. It holds
    /// what the pipeline lets run at once, and refusals for a moment, so it is bounded by them.
    pub(super) unanswered: HashSet<RequestId>,
    /// Messages that wait for a place in the reader's queue.
    pub(super) waiting: usize,
}

impl Traffic {
    pub(super) fn received(&mut self, message: &ClientJsonRpcMessage) {
        match message {
            JsonRpcMessage::Request(request) => {
                self.unanswered.insert(request.id.clone());
            }
            // What is cancelled gets no answer.
            JsonRpcMessage::Notification(note) => {
                if let ClientNotification::CancelledNotification(cancelled) = &note.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.unanswered.remove(id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
    }

    pub(super) fn sent(&mut self, answered: Option<&RequestId>) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(id) = answered {
            self.unanswered.remove(id);
        }
    }
}

impl Table {
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self {
            streams: Mutex::default(),
            most,
            most_of_one,
        }
    }

    /// Opens a stream for this identity.
    ///
    /// # Errors
    /// 429 when as many as there may be are open, 503 when the system has no random numbers.
    pub(super) fn enter(
        self: &Arc<Self>,
        owner: &Arc<str>,
        inbox: mpsc::Sender<ClientJsonRpcMessage>,
    ) -> Result<(Arc<Stream>, Arc<Place>), Denial> {
        // 256 random bits: nobody guesses the address of someone else's stream.
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| {
            tracing::error!(%error, "the system gives no random numbers");
            Denial::new(
                DenialKind::Unavailable,
                "no stream can be opened now: try again later",
            )
        })?;
        let id: Box<str> = hex(&random).into();
        let stream = Arc::new(Stream {
            owner: Arc::clone(owner),
            inbox,
            traffic: watch::Sender::default(),
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
        });
        let mut streams = self.lock();
        let of_this = streams.values().filter(|stream| stream.owner == *owner);
        if streams.len() >= self.most || of_this.count() >= self.most_of_one {
            return Err(Denial::throttled(
                "too many streams are open: close one, or wait until idle ones end",
                FULL_WAIT,
            ));
        }
        streams.insert(id.clone(), Arc::clone(&stream));
        drop(streams);
        let place = Place {
            table: Arc::clone(self),
            id,
        };
        Ok((stream, Arc::new(place)))
    }

    /// How many are open.
    pub(in super::super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// A stream that this identity opened and that hasn't ended.
    pub(super) fn find(&self, id: &str, caller: &Arc<str>) -> Option<Arc<Stream>> {
        self.lock()
            .get(id)
            .filter(|stream| stream.owner == *caller)
            .filter(|stream| !stream.closing.is_cancelled() && !stream.ended.is_cancelled())
            .cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Stream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream's place in the table. Who holds it keeps the stream counted, because what it queues
/// still takes memory.
#[derive(Debug)]
pub(super) struct Place {
    table: Arc<Table>,
    id: Box<str>,
}

impl Place {
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.lock().remove(&self.id);
    }
}
