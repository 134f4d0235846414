//! The gate: at most N chats at once over any provider, a bounded queue in front of it, and
//! turns that go round between callers, so that one caller's burst doesn't starve another.
//!
//! An engine left alone with more requests than it can serve lets them hang without a byte;
//! here they wait where they can be seen, hear their place, and are refused in time.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_stream::try_stream;
use futures_util::StreamExt;
use tokio::{sync::watch, time::Instant};

use crate::{
    ChatEvent, ChatRequest, ChatStream, Health, Model, Provider, ProviderError, Settings,
    error::ErrorKind,
};

/// A provider behind a gate.
pub struct Gate {
    inner: Arc<dyn Provider>,
    turns: Arc<Turns>,
    queue_timeout: Duration,
}

impl Gate {
    /// Puts a gate before a provider, as wide as the settings say.
    pub fn new(inner: Arc<dyn Provider>, settings: &Settings) -> Self {
        let turns = Turns {
            max_running: settings.max_concurrent,
            max_waiting: settings.max_queue,
            queue: Mutex::new(Queue::default()),
        };
        Self {
            inner,
            turns: Arc::new(turns),
            queue_timeout: Duration::from_millis(settings.queue_timeout_ms),
        }
    }
}

#[async_trait::async_trait]
impl Provider for Gate {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        // The place is taken now, in the order of the calls, and given back when the stream is
        // dropped: at its end, by a cancel, or by a panic of its reader.
        let mut place =
            Turns::enter(&self.turns, &request.caller).ok_or_else(|| busy("the queue is full"))?;
        let inner = Arc::clone(&self.inner);
        let deadline = Instant::now() + self.queue_timeout;
        Ok(Box::pin(try_stream! {
            loop {
                let turn = *place.turn.borrow_and_update();
                match turn {
                    Turn::Now => break,
                    Turn::Never => Err(busy("gave way to another caller"))?,
                    Turn::Waits(place) => yield ChatEvent::Queued { place },
                }
                let changed = tokio::time::timeout_at(deadline, place.turn.changed()).await;
                if changed.is_err() {
                    Err(busy("waited too long"))?;
                }
            }
            let mut answer = inner.chat(request).await?;
            while let Some(event) = answer.next().await {
                yield event?;
            }
        }))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        self.inner.models().await
    }

    async fn health(&self) -> Result<Health, ProviderError> {
        self.inner.health().await
    }
}

fn busy(why: &str) -> ProviderError {
    let retry_after = Duration::from_secs(5);
    ProviderError::new(
        ErrorKind::Busy { retry_after },
        format!(
            "Too many chats are waiting. Try again in {} s.",
            retry_after.as_secs()
        ),
        format!("the gate refused: {why}"),
    )
}

/// Where a chat in the queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Now,
    /// 1 is next.
    Waits(usize),
    /// Removed from a full queue for a caller who had less in it.
    Never,
}

struct Turns {
    max_running: usize,
    max_waiting: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    running: usize,
    waiting: usize,
    next_id: u64,
    // One queue for each caller, in the order of their turns. A queue is never empty, so there
    // are never more of them than waiters, and those are bounded.
    callers: VecDeque<(String, VecDeque<Waiter>)>,
}

struct Waiter {
    id: u64,
    turn: watch::Sender<Turn>,
}

/// A place in the queue, and then among those who run. Dropping it gives it back.
struct Place {
    turns: Arc<Turns>,
    id: u64,
    turn: watch::Receiver<Turn>,
}

impl Turns {
    /// A place for this caller, or `None` when all are taken by callers who have no more than it.
    fn enter(turns: &Arc<Self>, caller: &str) -> Option<Place> {
        let mut queue = turns.lock();
        let id = queue.next_id;
        queue.next_id += 1;
        let place = |turn| Place {
            turns: Arc::clone(turns),
            id,
            turn,
        };
        if queue.waiting == 0 && queue.running < turns.max_running {
            queue.running += 1;
            return Some(place(watch::channel(Turn::Now).1));
        }
        if queue.waiting >= turns.max_waiting {
            queue.make_room_for(caller)?;
        }
        let (sender, receiver) = watch::channel(Turn::Waits(queue.waiting + 1));
        queue.waiting += 1;
        let waiter = Waiter { id, turn: sender };
        match queue.callers.iter_mut().find(|(name, _)| name == caller) {
            Some((_, waiters)) => waiters.push_back(waiter),
            None => queue
                .callers
                .push_back((caller.to_owned(), VecDeque::from([waiter]))),
        }
        queue.announce_places();
        drop(queue);
        Some(place(receiver))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere must not close the gate for everybody: each change of the queue is
        // complete before anything in it can panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Removes the last waiter of the caller who has the most, if that is fair to them.
    fn make_room_for(&mut self, caller: &str) -> Option<()> {
        let waiting = |name: &str| {
            self.callers
                .iter()
                .find(|(known, _)| known == name)
                .map_or(0, |(_, queue)| queue.len())
        };
        let mine = waiting(caller);
        let (at, most) = self
            .callers
            .iter()
            .map(|(_, queue)| queue.len())
            .enumerate()
            .max_by_key(|(_, length)| *length)?;
        if mine + 1 >= most {
            return None;
        }
        let (_, queue) = self.callers.get_mut(at)?;
        let out = queue.pop_back()?;
        self.waiting -= 1;
        out.turn.send_replace(Turn::Never);
        Some(())
    }

    /// Lets the next one run: the first of the first caller, who then goes to the end of the round.
    fn admit(&mut self, max_running: usize) {
        while self.running < max_running
            && let Some((caller, mut queue)) = self.callers.pop_front()
        {
            if let Some(waiter) = queue.pop_front() {
                self.waiting -= 1;
                self.running += 1;
                waiter.turn.send_replace(Turn::Now);
            }
            if !queue.is_empty() {
                self.callers.push_back((caller, queue));
            }
        }
        self.announce_places();
    }

    /// Announces to every waiter its place, if that has changed: round by round, as they'll be
    /// served.
    fn announce_places(&self) {
        let mut rounds: BTreeMap<usize, Vec<&Waiter>> = BTreeMap::new();
        for (_, queue) in &self.callers {
            for (round, waiter) in queue.iter().enumerate() {
                rounds.entry(round).or_default().push(waiter);
            }
        }
        for (at, waiter) in rounds.into_values().flatten().enumerate() {
            let place = Turn::Waits(at + 1);
            waiter
                .turn
                .send_if_modified(|turn| std::mem::replace(turn, place) != place);
        }
    }

    /// Takes a waiter out of the queue; false when it isn't in it.
    fn leave(&mut self, id: u64) -> bool {
        for at in 0..self.callers.len() {
            let Some((_, queue)) = self.callers.get_mut(at) else {
                continue;
            };
            let before = queue.len();
            queue.retain(|waiter| waiter.id != id);
            if queue.len() < before {
                self.waiting -= 1;
                if queue.is_empty() {
                    self.callers.remove(at);
                }
                return true;
            }
        }
        false
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = self.turns.lock();
        // Read under the lock: turns only change there, and one that changed in between would be
        // given back twice, or never.
        let turn = *self.turn.borrow();
        match turn {
            Turn::Never => {}
            _ if queue.leave(self.id) => queue.announce_places(),
            // Not waiting any more, so it was running, whether it knew that already or not.
            _ => {
                queue.running -= 1;
                queue.admit(self.turns.max_running);
            }
        }
    }
}
