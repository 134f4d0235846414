//! Somebody who calls the server, and the session that they may have.

use tokio::sync::Mutex;

use crate::raw::Request;
use crate::secret::Secret;

/// Somebody who calls.
#[derive(Debug)]
pub struct Caller {
    /// Who, in a report.
    pub who: &'static str,
    /// What it signs in with.
    pub key: Option<Secret>,
    pub(super) session: Mutex<Option<Session>>,
}

/// A session that was opened; a server may name none.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its name.
    pub id: Option<String>,
    /// The version that both agreed on.
    pub version: String,
}

impl Caller {
    /// Somebody with this key.
    #[must_use]
    pub fn new(who: &'static str, key: Option<Secret>) -> Self {
        Self {
            who,
            key,
            session: Mutex::default(),
        }
    }
}

/// Names a session in a request.
pub(super) fn within(request: Request, session: &Session) -> Request {
    let request = request.set("mcp-protocol-version", &session.version);
    match &session.id {
        Some(id) => request.set("mcp-session-id", id),
        None => request,
    }
}
