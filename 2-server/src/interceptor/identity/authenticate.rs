//! A way to sign in: what goes in, what comes out, and what is said to whoever can't.

use std::fmt;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, header};

use super::principal::{Peer, Principal};
use crate::interceptor::{
    access::scope::Scope,
    denial::{Denial, DenialKind},
};

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

    /// Adds the headers that go with a refusal's status: the challenge, or `Retry-After`.
    fn add_headers(&self, denial: &Denial, headers: &mut HeaderMap) {
        let challenge = match denial.kind {
            DenialKind::Unauthorized => Some(self.challenge(&[])),
            DenialKind::Forbidden if !denial.required_scopes.is_empty() => {
                Some(self.challenge(&denial.required_scopes))
            }
            _ => None,
        };
        if let Some(value) = challenge.and_then(|it| HeaderValue::try_from(it.0).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(seconds) = denial.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }

    /// Whether rights may change while the server runs: then clients can hear of it.
    fn changes(&self) -> bool {
        false
    }

    /// Whether it can check credentials right now, for a readiness check.
    fn is_healthy(&self) -> bool {
        true
    }

    /// What it remembers of failures.
    fn remembered(&self) -> usize {
        0
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
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::{super::sign_in::SignIn, *};
    use crate::interceptor::{identity::failed_sign_ins::FailedSignIns, limit::rate::Rate};

    fn headers(denial: &Denial) -> HeaderMap {
        let failures = FailedSignIns::new(Rate::new(1, 1).unwrap(), 1);
        let mut headers = HeaderMap::new();
        SignIn::new(None, Vec::new(), failures).add_headers(denial, &mut headers);
        headers
    }

    #[test]
    fn a_refusal_names_every_scope_in_one_challenge() {
        let scopes: Arc<[Scope]> = ["tools:a:b", "tools:c:d"]
            .map(|text| Scope::parse(text).unwrap())
            .into();
        let headers = headers(&Denial::forbidden("no", scopes));
        assert_eq!(
            headers[header::WWW_AUTHENTICATE],
            r#"Bearer realm="mcp", error="insufficient_scope", scope="tools:a:b tools:c:d""#
        );
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let headers = headers(&Denial::throttled("slow down", Duration::from_millis(1200)));
        assert_eq!(headers[header::RETRY_AFTER], "2");
    }

    #[test]
    fn a_credential_never_shows_its_secret() {
        assert!(!format!("{:?}", Credential::secret("s3cret")).contains("s3cret"));
    }
}
