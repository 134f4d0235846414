//! Changed rights, announced. When the operator edits what a caller may do, every list may look
//! different to it. A client of 2026-07-28 hears of it on its stream (`Listen` in the table of
//! methods); an older one has a session, and one task here for as long as that lives.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{RoleServer, model::InitializeRequestParams, service::Peer};

use super::identity::{principal::Principal, sign_in::SignIn};

/// How often a session is looked at, to see whether it is still there.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A client that doesn't take a notification in this time gets no more of them.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sessions that are followed at once. The transports have bounds of their own, far below.
const MOST_SESSIONS: usize = 16_384;

/// The sessions whose rights are followed.
#[derive(Debug, Clone)]
pub(super) struct Rights {
    sign_in: Arc<SignIn>,
    // rmcp has no name for a session that holds over every transport, but what its client said in
    // the handshake is one allocation of its own. Holding it keeps the address from being given to
    // another session.
    sessions: Arc<Mutex<HashMap<usize, Arc<InitializeRequestParams>>>>,
}

impl Rights {
    pub(super) fn new(sign_in: Arc<SignIn>) -> Self {
        Self {
            sign_in,
            sessions: Arc::default(),
        }
    }

    /// Follows a session, from its handshake on.
    pub(super) fn follow(&self, peer: &Peer<RoleServer>, principal: Principal) {
        let Some((id, said)) = session(peer) else {
            return;
        };
        let mut sessions = self.lock();
        if sessions.len() >= MOST_SESSIONS {
            tracing::warn!("too many sessions: one doesn't hear of changed rights");
            return;
        }
        if sessions.insert(id, said).is_some() {
            return; // it is followed already
        }
        drop(sessions);
        let (rights, peer) = (self.clone(), peer.clone());
        tokio::spawn(async move {
            rights.announce(id, &peer, principal).await;
            rights.lock().remove(&id);
        });
    }

    /// The task of a session.
    async fn announce(&self, id: usize, peer: &Peer<RoleServer>, mut principal: Principal) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = principal.ended() => {
                    let Ok(now) = self.sign_in.recheck(&principal).await else {
                        return;
                    };
                    principal = now;
                    let told = tokio::time::timeout(PATIENCE, lists_changed(peer)).await;
                    if !matches!(told, Ok(Ok(()))) {
                        return;
                    }
                }
                _ = looks.tick() => {
                    // Gone, or initialized once more: then another task has taken over, and a
                    // client that does so again and again gathers none.
                    if peer.is_transport_closed() || session(peer).is_none_or(|(now, _)| now != id) {
                        return;
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Arc<InitializeRequestParams>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn lists_changed(peer: &Peer<RoleServer>) -> Result<(), rmcp::ServiceError> {
    peer.notify_tool_list_changed().await?;
    peer.notify_prompt_list_changed().await?;
    peer.notify_resource_list_changed().await
}

/// What tells this session from every other, and must be held for as long as the name is used.
fn session(peer: &Peer<RoleServer>) -> Option<(usize, Arc<InitializeRequestParams>)> {
    let said = peer.peer_info()?;
    Some((Arc::as_ptr(&said).addr(), said))
}
