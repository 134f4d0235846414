//! What changes while a client is connected, and who is told.
//!
//! Two things do, and nothing else is announced:
//!
//! - a caller's rights, when the operator edits the keys file: then every list may look different
//!   to it (`notifications/…/list_changed`);
//! - `audit://me`, with each of the caller's requests (`notifications/resources/updated`).
//!
//! A client of 2026-07-28 opens a stream with `subscriptions/listen`; an older one has a session,
//! and one task here for as long as that lives.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{
    ErrorData, RoleServer,
    model::{InitializeRequestParams, SubscriptionFilter},
    service::{Peer, SubscriptionContext},
};
use tokio::{sync::watch, time::Instant};

use super::resources::AUDIT;
use crate::interceptor::{Authenticator, Journal, Principal};

/// A busy caller hears of its record once in this time, not with every call.
const CALM: Duration = Duration::from_secs(1);
/// How often a session is looked at, to see whether it is still there.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A client that doesn't take a notification in this time is told nothing more.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sessions that are followed at once. The transports have bounds of their own, far below.
const MOST_SESSIONS: usize = 16_384;

/// Follows what changes.
#[derive(Debug)]
pub struct Changes {
    journal: Arc<Journal>,
    authenticator: Arc<Authenticator>,
    sessions: Mutex<HashMap<usize, Session>>,
}

/// A session of an older version. rmcp has no name for one that holds over every transport, but
/// what its client said in the handshake is one allocation of its own; holding it here keeps the
/// address from being given to another session.
#[derive(Debug)]
struct Session {
    _said: Arc<InitializeRequestParams>,
    subscribed: watch::Sender<bool>,
}

impl Changes {
    /// Follows these.
    pub fn new(journal: Arc<Journal>, authenticator: Arc<Authenticator>) -> Arc<Self> {
        Arc::new(Self {
            journal,
            authenticator,
            sessions: Mutex::default(),
        })
    }

    /// What of a `subscriptions/listen` is served; the client is told.
    pub fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
        let mut accepted = requested.clone();
        if let Some(uris) = &mut accepted.resource_subscriptions {
            uris.retain(|uri| uri == AUDIT);
        }
        accepted
    }

    /// Tells a client of 2026-07-28 what changes, until it goes away or its rights change. Then its
    /// stream ends, because it was opened with rights that are no more; it may open another.
    pub async fn listen(&self, context: &SubscriptionContext, principal: &Principal) {
        let sink = context.sink();
        let watched = context.accepted().resource_subscriptions.as_ref();
        let watches = watched.is_some_and(|uris| uris.iter().any(|uri| uri == AUDIT));
        let mut seen = self.journal.seen(principal.label());
        let mut calm = Instant::now();
        loop {
            let told = tokio::select! {
                () = context.cancelled() => return,
                () = principal.over() => {
                    if self.authenticator.current(principal).is_err() {
                        // Revoked: the pipeline says so, in its own words.
                        return std::future::pending().await;
                    }
                    // What the client didn't ask for is refused by the sink: that is no failure.
                    let _ = tokio::join!(
                        sink.notify_tool_list_changed(),
                        sink.notify_prompt_list_changed(),
                        sink.notify_resource_list_changed(),
                    );
                    return;
                }
                news = self.news(principal, seen, calm), if watches => {
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

    /// Follows a session of an older version, from its handshake on.
    pub fn follow(self: &Arc<Self>, peer: &Peer<RoleServer>, principal: Principal) {
        let Some((id, said)) = name(peer) else {
            return;
        };
        let mut sessions = self.lock();
        let full = sessions.len() >= MOST_SESSIONS;
        let Entry::Vacant(entry) = sessions.entry(id) else {
            return;
        };
        if full {
            tracing::warn!("too many sessions: one isn't told of changes");
            return;
        }
        let (subscribed, wants) = watch::channel(false);
        entry.insert(Session {
            _said: said,
            subscribed,
        });
        drop(sessions);
        let (changes, peer) = (Arc::clone(self), peer.clone());
        tokio::spawn(async move {
            changes.tell(id, &peer, principal, wants).await;
            changes.lock().remove(&id);
        });
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
        // A client may subscribe before it says that the handshake is done.
        self.follow(peer, principal);
        let session = name(peer);
        let sessions = self.lock();
        let session = session.and_then(|(id, _)| sessions.get(&id));
        session
            .map(|session| {
                session.subscribed.send_replace(wanted);
            })
            .ok_or_else(|| ErrorData::internal_error("this session can't be followed", None))
    }

    /// The task of a session.
    async fn tell(
        &self,
        id: usize,
        peer: &Peer<RoleServer>,
        mut principal: Principal,
        mut wants: watch::Receiver<bool>,
    ) {
        let mut seen = 0;
        let mut calm = Instant::now();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            let wanted = *wants.borrow();
            let told = tokio::select! {
                () = principal.over() => {
                    let Ok(now) = self.authenticator.current(&principal) else {
                        return;
                    };
                    principal = now;
                    tokio::time::timeout(PATIENCE, lists_changed(peer)).await
                }
                news = self.news(&principal, seen, calm), if wanted => {
                    seen = news;
                    calm = Instant::now() + CALM;
                    let param = rmcp::model::ResourceUpdatedNotificationParam::new(AUDIT);
                    tokio::time::timeout(PATIENCE, peer.notify_resource_updated(param)).await
                }
                changed = wants.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    seen = self.journal.seen(principal.label());
                    continue;
                }
                _ = looks.tick() => {
                    // Gone, or introduced anew: then another task has taken over, and a client
                    // that does so again and again gathers none.
                    if peer.is_transport_closed() || name(peer).is_none_or(|(now, _)| now != id) {
                        return;
                    }
                    continue;
                }
            };
            if !matches!(told, Ok(Ok(()))) {
                return;
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

async fn lists_changed(peer: &Peer<RoleServer>) -> Result<(), rmcp::ServiceError> {
    peer.notify_tool_list_changed().await?;
    peer.notify_prompt_list_changed().await?;
    peer.notify_resource_list_changed().await
}

/// What tells this session from every other, and must be held for as long as the name is used.
fn name(peer: &Peer<RoleServer>) -> Option<(usize, Arc<InitializeRequestParams>)> {
    let said = peer.peer_info()?;
    Some((Arc::as_ptr(&said).addr(), said))
}
