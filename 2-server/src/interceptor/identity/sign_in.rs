//! The ways to sign in, together: callers without a credential, and every way that the operator
//! switched on, in a declared order.

use std::sync::Arc;

use async_trait::async_trait;

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

/// Signs callers in. A credential is shown to the ways in their order, until one takes it. Every transport asks it: HTTP for each request, stdio for the key from its
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
}

#[async_trait]
impl Authenticate for SignIn {
    fn method(&self) -> &'static str {
        "any"
    }

    async fn sign_in(&self, credential: &Credential<'_>, peer: Peer) -> Result<Principal, Denial> {
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

    async fn recheck(&self, who: &Principal) -> Result<Principal, Denial> {
        let method = who.identity().method;
        match self.ways.iter().find(|way| way.method() == method) {
            Some(way) => way.recheck(who).await,
            None if who.end_signal().is_cancelled() || who.has_expired() => Err(
                Denial::unauthorized("your rights have ended: sign in again"),
            ),
            None => Ok(who.clone()),
        }
    }

    fn challenge(&self, missing: &[Scope]) -> Challenge {
        match self.ways.first() {
            Some(way) => way.challenge(missing),
            None => Challenge::bearer(missing),
        }
    }

    fn changes(&self) -> bool {
        self.ways.iter().any(|way| way.changes())
    }

    fn is_healthy(&self) -> bool {
        self.ways.iter().all(|way| way.is_healthy())
    }

    fn remembered(&self) -> usize {
        self.failures.sweep()
    }

    async fn follow(&self) {
        let all = self.ways.iter().map(|way| way.follow());
        futures_util::future::join_all(all).await;
    }
}
