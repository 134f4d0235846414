//! The ways to sign in, together: callers without a credential, and every way that the operator
//! switched on, in a declared order.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use super::{
    authenticate::{Authenticate, Challenge, Credential},
    failed_sign_ins::FailedSignIns,
    principal::{Identity, Peer, Principal},
};
use crate::interceptor::{
    access::scope::{Grants, Scope},
    denial::{Denial, DenialKind},
};

/// How callers without a credential sign in.
const ANONYMOUS: &str = "anonymous";

/// Signs callers in. Every transport asks it: HTTP for each request, stdio for the key from its
/// environment.
#[derive(Debug)]
pub struct SignIn {
    anonymous: Option<Arc<Grants>>,
    ways: Vec<Arc<dyn Authenticate>>,
    failures: FailedSignIns,
}

impl SignIn {
    /// `anonymous` is what a caller without a credential may do; `None` means that every caller
    /// needs one. A credential is shown to `ways` in their order, until one takes it.
    pub fn new(
        anonymous: Option<Grants>,
        ways: Vec<Arc<dyn Authenticate>>,
        failures: FailedSignIns,
    ) -> Self {
        Self {
            anonymous: anonymous.map(Arc::new),
            ways,
            failures,
        }
    }

    fn anonymous(&self, peer: Peer) -> Result<Principal, Denial> {
        let Some(grants) = &self.anonymous else {
            return Err(Denial::unauthorized(
                "a key is needed: set MCP_CLIENT_KEY, or send it as Authorization: Bearer <key>",
            )
            .because("no credential"));
        };
        Ok(Principal::new(Identity {
            label: peer.label(),
            name: None,
            credential: None,
            grants: Arc::clone(grants),
            rate: None,
            expires: None,
            method: ANONYMOUS,
        }))
    }

    /// Turns a credential into a principal.
    ///
    /// # Errors
    /// 401 without a credential where one is needed, or with one that isn't good; 429 after too many
    /// bad ones from the same address; 503 when it can't be checked.
    pub async fn sign_in(
        &self,
        credential: &Credential<'_>,
        peer: Peer,
    ) -> Result<Principal, Denial> {
        if credential.is_none() {
            return self.anonymous(peer);
        }
        let mut refused = Denial::unauthorized(
            "the credential isn't one that this server knows: ask the operator for a key",
        )
        .because("no way to sign in recognises it");
        for way in self.ways.iter().filter(|way| way.recognises(credential)) {
            match way.sign_in(credential, peer).await {
                Ok(principal) => return Ok(principal),
                // Another way may know it.
                Err(denial) if denial.kind == DenialKind::Unauthorized => refused = denial,
                Err(denial) => return Err(denial),
            }
            if refused
                .note
                .as_ref()
                .is_some_and(|note| note.credential.is_some())
            {
                break; // this way knows whose it is
            }
        }
        if let Some(address) = peer.address()
            && let Err(throttled) = self.failures.charge(address)
        {
            return Err(Denial {
                note: refused.note,
                ..throttled
            });
        }
        Err(refused)
    }

    /// The principal as it stands now.
    ///
    /// # Errors
    /// 401 when it no longer stands, 503 when nobody can tell.
    pub async fn recheck(&self, who: &Principal) -> Result<Principal, Denial> {
        let method = who.identity().method;
        match self.ways.iter().find(|way| way.method() == method) {
            Some(way) => way.recheck(who).await,
            None if who.end_signal().is_cancelled() || who.has_expired() => Err(
                Denial::unauthorized("your rights have ended: sign in again"),
            ),
            None => Ok(who.clone()),
        }
    }

    /// Adds the headers that go with a refusal's status: the challenge of the first way, or
    /// `Retry-After`.
    pub fn add_headers(&self, denial: &Denial, headers: &mut HeaderMap) {
        let challenge = match denial.kind {
            DenialKind::Unauthorized => Some(self.challenge(&[])),
            DenialKind::Forbidden if !denial.required_scopes.is_empty() => {
                Some(self.challenge(&denial.required_scopes))
            }
            _ => None,
        };
        if let Some(value) = challenge.and_then(Challenge::into_header) {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(seconds) = denial.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }

    fn challenge(&self, missing: &[Scope]) -> Challenge {
        match self.ways.first() {
            Some(way) => way.challenge(missing),
            None => Challenge::bearer(missing),
        }
    }

    /// Whether rights may change while the server runs.
    pub fn changes(&self) -> bool {
        self.ways.iter().any(|way| way.changes())
    }

    /// Whether every way can check credentials right now.
    pub fn is_healthy(&self) -> bool {
        self.ways.iter().all(|way| way.is_healthy())
    }

    /// How many addresses are remembered for their failed sign-ins.
    pub(in super::super) fn remembered(&self) -> usize {
        self.failures.sweep()
    }

    /// The ways' work in the background, until the future is dropped.
    pub async fn follow(&self) {
        let all = self.ways.iter().map(|way| way.follow());
        futures_util::future::join_all(all).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::interceptor::limit::rate::Rate;

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
}
