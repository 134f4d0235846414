//! A way to sign in: what goes in, what comes out, and what is said to whoever can't.

use std::fmt;

use async_trait::async_trait;
use http::HeaderValue;

use super::principal::{Peer, Principal};
use crate::interceptor::{access::scope::Scope, denial::Denial};

/// A way to sign in.
#[async_trait]
pub trait Authenticate: fmt::Debug + Send + Sync {
    /// How the principals of this way are told from those of others, such as `key`.
    fn method(&self) -> &'static str;

    /// Whether this credential could be one of this way's: only then is it asked.
    fn recognises(&self, credential: &Credential<'_>) -> bool {
        !credential.is_none()
    }

    /// Turns a credential into a principal. The caller is told the same, whatever is wrong with it;
    /// what the operator must know goes into the refusal's [note](Denial::because).
    ///
    /// # Errors
    /// 401 when the credential isn't good, 503 when it can't be checked.
    async fn sign_in(&self, credential: &Credential<'_>, peer: Peer) -> Result<Principal, Denial>;

    /// The principal as it stands now, asked before each of its calls: with new rights where they
    /// have changed.
    ///
    /// # Errors
    /// 401 when it no longer stands.
    async fn recheck(&self, who: &Principal) -> Result<Principal, Denial>;

    /// What a caller is told about how to sign in, or which scopes are missing.
    fn challenge(&self, missing: &[Scope]) -> Challenge {
        Challenge::bearer(missing)
    }

    /// Whether rights may change while the server runs: then clients can hear of it.
    fn changes(&self) -> bool {
        false
    }

    /// Whether it can check credentials right now, for a readiness check.
    fn is_healthy(&self) -> bool {
        true
    }

    /// Its work in the background, such as following a file, until the future is dropped.
    async fn follow(&self) {
        std::future::pending::<()>().await;
    }
}

/// What a caller showed to sign in. Its `Debug` shows no secret.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Credential<'a> {
    /// A key or token, from `Authorization: Bearer` or a header like it.
    pub secret: Option<&'a str>,
}

impl<'a> Credential<'a> {
    /// A caller that showed nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// A caller that showed a key or token.
    pub fn secret(secret: &'a str) -> Self {
        Self {
            secret: Some(secret),
        }
    }

    /// Whether the caller showed nothing.
    pub fn is_none(&self) -> bool {
        self.secret.is_none()
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("secret", &self.secret.map(|_secret| "…"))
            .finish()
    }
}

/// What a caller is told about signing in: the value of `WWW-Authenticate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(String);

impl Challenge {
    /// The challenge of RFC 6750 §3, with every scope that is missing.
    pub fn bearer(missing: &[Scope]) -> Self {
        if missing.is_empty() {
            return Self(r#"Bearer realm="mcp""#.to_owned());
        }
        // Scopes are plain by construction, so they need no quoting inside the quotes.
        let scopes: Vec<&str> = missing.iter().map(Scope::as_str).collect();
        Self(format!(
            r#"Bearer realm="mcp", error="insufficient_scope", scope="{}""#,
            scopes.join(" ")
        ))
    }

    pub(super) fn into_header(self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_never_shows_its_secret() {
        assert!(!format!("{:?}", Credential::secret("s3cret")).contains("s3cret"));
    }
}
