//! What changes while a client is connected: `audit://me`, with each of the caller's requests
//! (`notifications/resources/updated`). Changed rights are the guard's to announce.
//!
//! A client of 2026-07-28 opens a stream with `subscriptions/listen`; an older one subscribes, and
//! there is one task here for as long as its session lives.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{
    ErrorData, RoleServer,
    model::{InitializeRequestParams, ResourceUpdatedNotificationParam, SubscriptionFilter},
    service::{Peer, SubscriptionContext},
};
use tokio::{sync::watch, time::Instant};

use super::resources::AUDIT;
use crate::interceptor::{Journal, Principal};

/// A busy caller hears of its record once in this time, not with every call.
const CALM: Duration = Duration::from_secs(1);
/// How often a session is looked at, to see whether it is still there.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A client that doesn't take a notification in this time gets no more of them.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sessions that are followed at once. The transports have bounds of their own, far below.
const MOST_SESSIONS: usize = 16_384;

/// Follows what changes.
#[derive(Debug)]
pub struct Changes {
    journal: Arc<Journal>,
    sessions: Mutex<HashMap<usize, Session>>,
}

/// A session of an older version that has subscribed. rmcp has no name for one that holds over every
/// transport, but what its client said in the handshake is one allocation of its own; holding it
/// here keeps the address from being given to another session.
#[derive(Debug)]
struct Session {
    _said: Arc<InitializeRequestParams>,
    subscribed: watch::Sender<bool>,
}

impl Changes {
    /// Follows the records of this journal.
    pub fn new(journal: Arc<Journal>) -> Arc<Self> {
        Arc::new(Self {
            journal,
            sessions: Mutex::default(),
        })
    }

    /// Which resources of a `subscriptions/listen` are served; the client hears of it.
    pub fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
        let mut accepted = SubscriptionFilter::default();
        let uris = requested.resource_subscriptions.clone();
        accepted.resource_subscriptions = uris.map(|mut uris| {
            uris.retain(|uri| uri == AUDIT);
            uris
        });
        accepted
    }

    /// Announces changes to a client of 2026-07-28, until it goes away.
    pub async fn listen(&self, context: &SubscriptionContext, principal: &Principal) {
        let sink = context.sink();
        let watched = context.accepted().resource_subscriptions.as_ref();
        if !watched.is_some_and(|uris| uris.iter().any(|uri| uri == AUDIT)) {
            return context.cancelled().await;
        }
        let mut seen = self.journal.seen(principal.label());
        let mut calm = Instant::now();
        loop {
            let told = tokio::select! {
                () = context.cancelled() => return,
                news = self.news(principal, seen, calm) => {
                    seen = news;
                    calm = Instant::now() + CALM;
                    tokio::time::timeout(PATIENCE, sink.notify_resource_updated(AUDIT)).await
                }
            };
            if !matches!(told, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Begins or ends a session's subscription to a resource.
    ///
    /// # Errors
    /// −32602 for a resource that doesn't change while the server runs, or isn't followed.
    pub fn subscribe(
        self: &Arc<Self>,
        peer: &Peer<RoleServer>,
        principal: Principal,
        uri: &str,
        wanted: bool,
    ) -> Result<(), ErrorData> {
        if uri != AUDIT {
            let said = format!(
                "only {AUDIT} can be subscribed to: nothing else is announced when it changes"
            );
            return Err(ErrorData::invalid_params(said, None));
        }
        let lost = || ErrorData::internal_error("this session can't be followed", None);
        let (id, said) = session(peer).ok_or_else(lost)?;
        let mut sessions = self.lock();
        if sessions.len() >= MOST_SESSIONS {
            return Err(lost());
        }
        match sessions.entry(id) {
            Entry::Occupied(known) => {
                known.get().subscribed.send_replace(wanted);
            }
            Entry::Vacant(_) if !wanted => {}
            Entry::Vacant(entry) => {
                let (subscribed, wants) = watch::channel(true);
                entry.insert(Session {
                    _said: said,
                    subscribed,
                });
                let (changes, peer) = (Arc::clone(self), peer.clone());
                tokio::spawn(async move {
                    changes.announce(id, &peer, &principal, wants).await;
                    changes.lock().remove(&id);
                });
            }
        }
        Ok(())
    }

    /// The task of a session.
    async fn announce(
        &self,
        id: usize,
        peer: &Peer<RoleServer>,
        principal: &Principal,
        mut wants: watch::Receiver<bool>,
    ) {
        let mut seen = self.journal.seen(principal.label());
        let mut calm = Instant::now();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            let wanted = *wants.borrow();
            tokio::select! {
                news = self.news(principal, seen, calm), if wanted => {
                    seen = news;
                    calm = Instant::now() + CALM;
                    let param = ResourceUpdatedNotificationParam::new(AUDIT);
                    let told = tokio::time::timeout(PATIENCE, peer.notify_resource_updated(param)).await;
                    if !matches!(told, Ok(Ok(()))) {
                        return;
                    }
                }
                changed = wants.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    seen = self.journal.seen(principal.label());
                }
                // With other rights it may no longer read its record: it subscribes once more.
                () = principal.ended() => return,
                _ = looks.tick() => {
                    // Gone, or initialized once more.
                    if peer.is_transport_closed() || session(peer).is_none_or(|(now, _)| now != id) {
                        return;
                    }
                }
            }
        }
    }

    async fn news(&self, principal: &Principal, seen: u64, calm: Instant) -> u64 {
        tokio::time::sleep_until(calm).await;
        self.journal.news(principal.label(), seen).await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells this session from every other, and must be held for as long as the name is used.
fn session(peer: &Peer<RoleServer>) -> Option<(usize, Arc<InitializeRequestParams>)> {
    let said = peer.peer_info()?;
    Some((Arc::as_ptr(&said).addr(), said))
}
