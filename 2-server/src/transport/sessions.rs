//! Sessions belong to who opened them.
//!
//! Clients before 2026-07-28 open a session and name it in a header. rmcp keeps them; this wrapper
//! adds what it leaves to its user: a session is there only for the identity that opened it (for
//! anyone else it is unknown: 404), and there are only so many, in all and of one identity.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError, SessionConfig},
    },
};

use crate::interceptor::Principal;

tokio::task_local! {
    /// Who makes the HTTP request that is being handled. The edge sets it.
    pub(super) static CALLER: Principal;
}

/// Sessions with an owner and a bound.
#[derive(Debug)]
pub(super) struct OwnedSessions {
    inner: LocalSessionManager,
    owners: Mutex<HashMap<SessionId, Arc<str>>>,
    most: usize,
    most_of_one: usize,
}

/// Why a session can't be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// rmcp's own reason.
    #[error(transparent)]
    Inner(#[from] LocalSessionManagerError),
    /// As many as there may be are open.
    #[error("too many sessions are open: close one, or wait until idle ones end")]
    TooMany,
}

impl OwnedSessions {
    pub(super) fn new(config: SessionConfig, most: usize, most_of_one: usize) -> Self {
        let mut inner = LocalSessionManager::default();
        inner.session_config = config;
        Self {
            inner,
            owners: Mutex::default(),
            most,
            most_of_one,
        }
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<str>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.owners().len()
    }

    /// Whether the caller may see this session. rmcp's own tasks have no caller, and may.
    fn is_visible(&self, id: &SessionId) -> bool {
        CALLER
            .try_with(|caller| {
                self.owners()
                    .get(id)
                    .is_some_and(|owner| owner == caller.label())
            })
            .unwrap_or(true)
    }

    fn check(&self, id: &SessionId) -> Result<(), SessionError> {
        if self.is_visible(id) {
            Ok(())
        } else {
            Err(LocalSessionManagerError::SessionNotFound(id.clone()).into())
        }
    }

    /// Whether this identity has such a session.
    pub(super) fn belongs_to(&self, id: &str, label: &str) -> bool {
        self.owners().get(id).is_some_and(|owner| **owner == *label)
    }

    /// Whether the caller may open one more.
    pub(super) fn has_room_for(&self, label: &Arc<str>) -> bool {
        self.fits(&self.owners(), label)
    }

    fn fits(&self, owners: &HashMap<SessionId, Arc<str>>, label: &Arc<str>) -> bool {
        owners.len() < self.most
            && owners.values().filter(|owner| *owner == label).count() < self.most_of_one
    }

    /// Enters a session, if there is still room: others may have come while it was made.
    fn own(&self, id: &SessionId, label: Arc<str>) -> bool {
        let mut owners = self.owners();
        let fits = self.fits(&owners, &label);
        if fits {
            owners.insert(id.clone(), label);
        }
        fits
    }
}

impl SessionManager for OwnedSessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        // Nobody opens a session without a caller: not even by a mistake in the edge.
        let label = CALLER
            .try_with(|caller| Arc::clone(caller.label()))
            .map_err(|_unset| SessionError::TooMany)?;
        if !self.has_room_for(&label) {
            return Err(SessionError::TooMany);
        }
        let (id, transport) = self.inner.create_session().await?;
        if self.own(&id, label) {
            Ok((id, transport))
        } else {
            self.inner.close_session(&id).await?;
            Err(SessionError::TooMany)
        }
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        self.check(id)?;
        Ok(self.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        Ok(self.is_visible(id) && self.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        self.check(id)?;
        self.owners().remove(id);
        Ok(self.inner.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.check(id)?;
        Ok(self.inner.create_stream(id, message).await?)
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionError> {
        self.check(id)?;
        Ok(self.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.check(id)?;
        Ok(self.inner.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.check(id)?;
        Ok(self.inner.resume(id, last_event_id).await?)
    }
}
