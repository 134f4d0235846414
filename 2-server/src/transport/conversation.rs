//! What every conversation that lasts has in common, whatever transport it came over: an owner, a
//! bound on how many there are, an end when nothing happens, and an end when its owner's rights do.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, GetExtensions as _, JsonRpcMessage, RequestId,
        ServerJsonRpcMessage,
    },
    transport::Transport,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::interceptor::{Denial, Exchange, Principal};

/// How long a caller whom no place is left for should wait.
const FULL_WAIT: Duration = Duration::from_secs(30);
/// Answers, and bytes of them, that may wait for their reader before further messages are refused.
pub(super) const MOST_WAITING: usize = 64;
pub(super) const MOST_BYTES_WAITING: usize = 1 << 20;
/// Requests without an answer, beyond which further messages are refused. The pipeline lets fewer
/// run at once, unless its limit is one that counts differently.
const MOST_UNANSWERED: usize = 1024;

/// The conversations that are open, and whose each of them is. There are only so many, in all and
/// of one identity. `T` is what its transport keeps with each.
#[derive(Debug)]
pub(super) struct Conversations<T> {
    /// What they are called in a refusal, such as `sessions`.
    what: &'static str,
    most: usize,
    most_of_one: usize,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    open: HashMap<Box<str>, Open<T>>,
    places: HashMap<Arc<str>, usize>,
    taken: usize,
}

#[derive(Debug)]
struct Open<T> {
    owner: Arc<str>,
    kept: T,
}

impl<T> Conversations<T> {
    pub(super) fn new(what: &'static str, most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            what,
            most,
            most_of_one,
            state: Mutex::new(State {
                open: HashMap::new(),
                places: HashMap::new(),
                taken: 0,
            }),
        })
    }

    /// Takes a place for one more conversation of this identity.
    ///
    /// # Errors
    /// 429 when as many as there may be are open.
    pub(super) fn reserve(self: &Arc<Self>, owner: &Arc<str>) -> Result<Place<T>, Denial> {
        let mut state = self.lock();
        let of_this = state.places.get(owner).copied().unwrap_or_default();
        if state.taken >= self.most || of_this >= self.most_of_one {
            let what = self.what;
            return Err(Denial::throttled(
                format!("too many {what} are open: close one, or wait until idle ones end"),
                FULL_WAIT,
            ));
        }
        state.taken += 1;
        state.places.insert(Arc::clone(owner), of_this + 1);
        Ok(Place {
            table: Arc::clone(self),
            owner: Arc::clone(owner),
            id: None,
            is_kept: false,
        })
    }

    /// Whether this identity has such a conversation.
    pub(super) fn belongs_to(&self, id: &str, caller: &str) -> bool {
        let state = self.lock();
        state
            .open
            .get(id)
            .is_some_and(|open| *open.owner == *caller)
    }

    /// Ends a conversation whose place was [kept](Place::keep) open.
    pub(super) fn close(&self, id: &str) {
        let mut state = self.lock();
        if let Some(open) = state.open.remove(id) {
            state.free(&open.owner);
        }
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.lock().open.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Conversations<T> {
    /// What is kept with a conversation, if this identity has it.
    pub(super) fn find(&self, id: &str, caller: &str) -> Option<T> {
        let state = self.lock();
        let open = state.open.get(id).filter(|open| *open.owner == *caller)?;
        Some(open.kept.clone())
    }
}

impl<T> State<T> {
    fn free(&mut self, owner: &Arc<str>) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(places) = self.places.get_mut(owner) {
            *places = places.saturating_sub(1);
            if *places == 0 {
                self.places.remove(owner);
            }
        }
    }
}

/// A place in the table, taken until it is dropped.
#[derive(Debug)]
pub(super) struct Place<T> {
    table: Arc<Conversations<T>>,
    owner: Arc<str>,
    id: Option<Box<str>>,
    is_kept: bool,
}

impl<T> Place<T> {
    /// Gives the conversation its name. From now on its owner, and nobody else, finds it by that.
    pub(super) fn open(&mut self, id: &str, kept: T) {
        let owner = Arc::clone(&self.owner);
        self.table
            .lock()
            .open
            .insert(id.into(), Open { owner, kept });
        self.id = Some(id.into());
    }

    /// Leaves it open until somebody [closes](Conversations::close) it by name.
    pub(super) fn keep(mut self) {
        self.is_kept = self.id.is_some();
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let mut state = self.table.lock();
        if let Some(id) = &self.id {
            state.open.remove(id);
        }
        state.free(&self.owner);
    }
}

/// What goes on in a conversation, and how it ends.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    traffic: watch::Sender<Traffic>,
    bytes: Arc<AtomicUsize>,
    closing: CancellationToken,
    ended: CancellationToken,
}

#[derive(Debug, Default)]
struct Traffic {
    // Requests that came in and have no answer yet: a conversation that has one isn't idle. Where
    // their exchanges are known, they are held until the answer is out.
    unanswered: HashMap<RequestId, Option<Exchange>>,
    // Messages that wait for their reader.
    waiting: usize,
}

impl Conversation {
    /// Whether it takes no more messages.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_cancelled() || self.ended.is_cancelled()
    }

    /// Fires when it is over. Whoever serves it stops then, and whoever sees its reader go fires it.
    pub(super) fn end_signal(&self) -> &CancellationToken {
        &self.ended
    }

    /// Whether so much waits, for its reader or for its answer, that nothing more can be taken.
    pub(super) fn is_full(&self) -> bool {
        let traffic = self.traffic.borrow();
        traffic.waiting >= MOST_WAITING
            || traffic.unanswered.len() >= MOST_UNANSWERED
            || self.bytes.load(Ordering::Relaxed) >= MOST_BYTES_WAITING
    }

    /// Counts a message to the client for as long as what comes back is held: until its reader has
    /// it. So long its exchange lasts, and with it whatever place its caller has for it.
    pub(super) fn waits(&self, message: &ServerJsonRpcMessage, bytes: usize) -> Waiting {
        let traffic = self.traffic.borrow();
        let exchange = answered(message).and_then(|id| traffic.unanswered.get(id)?.clone());
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Waiting {
            bytes,
            all: Arc::clone(&self.bytes),
            _exchange: exchange,
        }
    }

    /// Notes a message from the client.
    pub(super) fn received(&self, message: &ClientJsonRpcMessage) {
        self.traffic.send_modify(|traffic| match message {
            JsonRpcMessage::Request(request) => {
                let exchange = Exchange::of(request.request.extensions()).cloned();
                traffic.unanswered.insert(request.id.clone(), exchange);
            }
            // What is cancelled gets no answer.
            JsonRpcMessage::Notification(note) => {
                if let ClientNotification::CancelledNotification(cancelled) = &note.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    traffic.unanswered.remove(id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        });
    }

    /// Notes a message to the client, for as long as `sending` takes. `answered` is the request
    /// that it answers.
    async fn sends<E>(
        &self,
        answered: Option<RequestId>,
        sending: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        self.traffic.send_modify(|traffic| traffic.waiting += 1);
        let sent = sending.await;
        self.traffic.send_modify(|traffic| {
            traffic.waiting = traffic.waiting.saturating_sub(1);
            if let Some(id) = answered {
                traffic.unanswered.remove(&id);
            }
        });
        if sent.is_err() {
            // The reader is gone, or too slow.
            self.ended.cancel();
        }
        sent
    }

    /// Lasts until `talk` is over, nothing has happened for `idle`, the owner's rights end, or the
    /// server stops. `talk` ends when the [end signal](Self::end_signal) fires.
    pub(super) async fn last(
        &self,
        owner: &Principal,
        idle: Duration,
        shutdown: &CancellationToken,
        talk: impl Future<Output = ()>,
    ) {
        let mut talk = std::pin::pin!(talk);
        tokio::select! {
            () = &mut talk => return,
            () = self.until_idle(idle, shutdown) => {}
            () = owner.ended() => {
                // Nothing more comes in. The refusals of what ran are its last words.
                self.closing.cancel();
                tokio::select! {
                    () = &mut talk => return,
                    () = owner.ended_after_grace() => {}
                }
            }
        }
        self.ended.cancel();
        talk.await;
    }

    /// Waits until nothing has gone either way for `limit`, or the server stops; but not while a
    /// request waits for its answer.
    async fn until_idle(&self, limit: Duration, shutdown: &CancellationToken) {
        let mut traffic = self.traffic.subscribe();
        loop {
            let busy = !traffic.borrow_and_update().unanswered.is_empty();
            tokio::select! {
                changed = traffic.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(limit), if !busy => return,
                () = shutdown.cancelled(), if !busy => return,
            }
        }
    }
}

/// A message that waits for its reader.
#[derive(Debug)]
pub(super) struct Waiting {
    bytes: usize,
    all: Arc<AtomicUsize>,
    _exchange: Option<Exchange>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The request that a message to the client answers.
fn answered(message: &ServerJsonRpcMessage) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
    }
}

/// A transport whose messages count as its conversation's traffic.
pub(super) struct Tracked<T> {
    pub(super) inner: T,
    pub(super) conversation: Arc<Conversation>,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Tracked<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        let conversation = Arc::clone(&self.conversation);
        let answered = answered(&message).cloned();
        let sending = self.inner.send(message);
        async move { conversation.sends(answered, sending).await }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let message = self.inner.receive().await?;
        self.conversation.received(&message);
        Some(message)
    }

    async fn close(&mut self) -> Result<(), T::Error> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(id: usize) -> ClientJsonRpcMessage {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
        serde_json::from_value(request).unwrap()
    }

    #[test]
    fn a_conversation_takes_no_more_requests_than_it_can_keep_in_mind() {
        let conversation = Conversation::default();
        for id in 0..MOST_UNANSWERED {
            assert!(!conversation.is_full(), "{id}");
            conversation.received(&request(id));
        }
        assert!(conversation.is_full());
        let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
        conversation.received(&serde_json::from_value(cancel).unwrap());
        assert!(!conversation.is_full());
    }
}
