//! Sessions belong to who opened them.
//!
//! Clients before 2026-07-28 open a session and name it in a header. rmcp keeps them; this file adds
//! what it leaves to its user: a session is there only for the identity that opened it (for anyone
//! else it is unknown: 404), and there are only so many, in all and of one identity.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use futures_util::{Stream, StreamExt as _, future::ready};
use http::{HeaderValue, Method, request::Parts};
use rmcp::{
    model::{
        ClientJsonRpcMessage, JsonRpcMessage, ProtocolVersion, ServerJsonRpcMessage, ServerResult,
    },
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError, SessionConfig},
    },
};

use super::super::{
    conversation::{Conversations, Place},
    headers::{self, SESSION_ID},
};
use crate::interceptor::{Denial, method_of};

/// Stands for a session that isn't there.
const NOBODYS: HeaderValue = HeaderValue::from_static("unknown");

/// The sessions that rmcp keeps, with their owners.
#[derive(Debug)]
pub(in super::super) struct Sessions {
    inner: LocalSessionManager,
    owners: Arc<Conversations<()>>,
    // Sessions of clients that can't read an event without data. 2025-11-25 was the first version
    // that has them (transports, "Streamable HTTP"), and older clients fail on them.
    unprimed: Mutex<HashSet<SessionId>>,
}

impl Sessions {
    pub(super) fn new(config: SessionConfig, most: usize, most_of_one: usize) -> Self {
        let mut inner = LocalSessionManager::default();
        inner.session_config = config;
        Self {
            inner,
            owners: Conversations::new("sessions", most, most_of_one),
            unprimed: Mutex::default(),
        }
    }

    /// How many are open.
    pub(in super::super) fn count(&self) -> usize {
        self.owners.count()
    }

    /// Whether this identity has such a session.
    pub(in super::super) fn belongs_to(&self, id: &str, label: &str) -> bool {
        self.owners.belongs_to(id, label)
    }

    /// Takes a place where a request opens a session. A session that isn't its caller's is given
    /// the name of one that isn't there, so that rmcp says what it says of those.
    ///
    /// # Errors
    /// 429 when as many sessions as there may be are open.
    pub(in super::super) fn admit(
        &self,
        parts: &mut Parts,
        body: &Bytes,
        label: &Arc<str>,
    ) -> Result<Option<Place<()>>, Denial> {
        if let Some(id) = parts.headers.get_mut(&SESSION_ID) {
            if !id.to_str().is_ok_and(|id| self.belongs_to(id, label)) {
                *id = NOBODYS;
            }
            return Ok(None);
        }
        // A request that names its method in a header is one of 2026-07-28, which has no sessions;
        // rmcp refuses a header that says something else than the body.
        let may_open = parts.method == Method::POST
            && !parts.headers.contains_key(&headers::METHOD)
            || headers::single(&parts.headers, &headers::METHOD) == Some("initialize");
        if may_open && method_of(body).as_deref() == Some("initialize") {
            return self.owners.reserve(label).map(Some);
        }
        Ok(None)
    }

    /// Gives a session that was opened to the owner of the place.
    pub(in super::super) async fn opened(&self, mut place: Place<()>, id: Option<HeaderValue>) {
        if let Some(id) = id.as_ref().and_then(|id| id.to_str().ok()) {
            place.open(id, ());
            // It may have ended already, and then nobody else gives the place back.
            if self.inner.has_session(&id.into()).await.unwrap_or(false) {
                place.keep();
            }
        }
    }

    fn unprimed(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.unprimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The events of a stream, as its client can read them.
    fn readable(
        &self,
        id: &SessionId,
        events: impl Stream<Item = ServerSseMessage> + Send + Sync + 'static,
    ) -> impl Stream<Item = ServerSseMessage> + Send + Sync + 'static {
        let unprimed = self.unprimed().contains(id);
        events.filter(move |event| ready(!unprimed || event.message.is_some()))
    }
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        self.inner.create_session().await
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        let answer = self.inner.initialize_session(id, message).await?;
        if let JsonRpcMessage::Response(response) = &answer
            && let ServerResult::InitializeResult(result) = &response.result
            && result.protocol_version.as_str() < ProtocolVersion::V_2025_11_25.as_str()
        {
            self.unprimed().insert(id.clone());
        }
        Ok(answer)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.inner.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        let was_there = self.inner.has_session(id).await?;
        self.inner.close_session(id).await?;
        self.unprimed().remove(id);
        self.owners.close(id);
        if was_there {
            Ok(())
        } else {
            Err(LocalSessionManagerError::SessionNotFound(id.clone()))
        }
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let events = self.inner.create_stream(id, message).await?;
        Ok(self.readable(id, events))
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        self.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let events = self.inner.create_standalone_stream(id).await?;
        Ok(self.readable(id, events))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let events = self.inner.resume(id, last_event_id).await?;
        Ok(self.readable(id, events))
    }
}
