//! Who is calling? Turns a credential into a [`Principal`], and checks on every call that the
//! principal still stands.
//!
//! Every transport signs in through [`Authenticator::sign_in`]: HTTP once for each request, stdio
//! once with the key from its environment. Only this file can make a `Principal`, so holding one
//! proves that it happened.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rmcp::model::JsonObject;
use tokio_util::sync::CancellationToken;

use super::{
    call::Facts,
    denial::Denial,
    keys::{KeyRecord, KeyStore},
    policy::Rule,
    rate_limit::FailureLimit,
    scope::Grants,
};

/// Short beside the second within which a revocation must bite.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A caller, known. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Principal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    label: Arc<str>,
    name: Option<Box<str>>,
    grants: Arc<Grants>,
    key: Option<Arc<KeyRecord>>,
    // Cancelled when the key is revoked or changed, so that whatever runs for it can stop.
    ended: CancellationToken,
}

impl Principal {
    fn new(label: Arc<str>, grants: Arc<Grants>) -> Self {
        Self(Arc::new(Inner {
            label,
            name: None,
            grants,
            key: None,
            ended: CancellationToken::new(),
        }))
    }

    /// A principal for a key of the file. Called when the file is loaded, and only then.
    pub(super) fn for_key(record: Arc<KeyRecord>) -> Self {
        Self(Arc::new(Inner {
            label: record.label().into(),
            name: Some(record.name.as_str().into()),
            grants: Arc::clone(&record.grants),
            key: Some(record),
            ended: CancellationToken::new(),
        }))
    }

    /// Who it is, for logs and limits: `key:<12 hex>`, `ip:<address>` or `stdio`. Never a secret.
    pub fn label(&self) -> &Arc<str> {
        &self.0.label
    }

    /// The name that the operator gave to the key.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// What it may do.
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// The key behind it; `None` for an anonymous caller.
    pub(super) fn key(&self) -> Option<&Arc<KeyRecord>> {
        self.0.key.as_ref()
    }

    /// Fires when the key is revoked or changed. Long work for this principal stops then.
    pub fn ended(&self) -> &CancellationToken {
        &self.0.ended
    }

    /// When the key expires, if it does.
    pub fn expires(&self) -> Option<SystemTime> {
        self.0.key.as_ref().and_then(|key| key.expires)
    }

    /// Waits until the principal is no more: its key was revoked or changed, or has run out.
    pub async fn over(&self) {
        let Some(expiry) = self.expires() else {
            return self.0.ended.cancelled().await;
        };
        let left = expiry.duration_since(SystemTime::now()).unwrap_or_default();
        tokio::select! {
            () = self.0.ended.cancelled() => {}
            () = tokio::time::sleep(left) => {}
        }
    }

    /// The same for what speaks to a caller by itself: it gets a moment for its last words, that the
    /// rights it was opened with are no more.
    pub async fn over_and_told(&self) {
        self.over().await;
        tokio::time::sleep(LAST_WORDS).await;
    }

    fn has_expired(&self) -> bool {
        self.expires()
            .is_some_and(|expiry| expiry <= SystemTime::now())
    }
}

/// Where a caller sits. What a client says of itself is never part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The process that launched the server.
    Parent,
    /// A network address, after trusted proxies have been looked through.
    Address(IpAddr),
}

/// Signs callers in.
#[derive(Debug)]
pub struct Authenticator {
    keys: Arc<KeyStore>,
    anonymous: Option<Arc<Grants>>,
    failures: FailureLimit,
}

impl Authenticator {
    /// `anonymous` is what a caller without a key may do; `None` means that every caller needs one.
    pub fn new(keys: Arc<KeyStore>, anonymous: Option<Grants>, failures: FailureLimit) -> Self {
        Self {
            keys,
            anonymous: anonymous.map(Arc::new),
            failures,
        }
    }

    /// How many peers are remembered for their failed sign-ins.
    pub(super) fn remembered(&self) -> usize {
        self.failures.sweep()
    }

    /// The keys, for whoever must watch them change.
    pub fn keys(&self) -> &Arc<KeyStore> {
        &self.keys
    }

    /// Turns a credential into a principal.
    ///
    /// # Errors
    /// 401 without a key where one is needed, or with one that isn't good (the sentence is the
    /// same whether it is unknown, expired or used from a wrong address); 429 after too many bad
    /// ones from the same peer, before anything else is looked at.
    pub fn sign_in(&self, key: Option<&str>, peer: Peer) -> Result<Principal, Denial> {
        if let Peer::Address(address) = peer {
            self.failures.check(address)?;
        }
        let Some(key) = key else {
            return self.anonymous(peer);
        };
        let found = self
            .keys
            .find(key)
            .filter(|principal| !principal.has_expired());
        let found =
            found.filter(|principal| principal.key().is_none_or(|record| record.allows(peer)));
        match found {
            Some(principal) => Ok(principal),
            None => {
                if let Peer::Address(address) = peer {
                    self.failures.record(address)?;
                }
                Err(Denial::unauthorized(
                    "the key isn't valid: check MCP_CLIENT_KEY, or ask the operator for a new key",
                ))
            }
        }
    }

    fn anonymous(&self, peer: Peer) -> Result<Principal, Denial> {
        let Some(grants) = &self.anonymous else {
            return Err(Denial::unauthorized(
                "a key is needed: set MCP_CLIENT_KEY, or send it as Authorization: Bearer <key>",
            ));
        };
        let label = match peer {
            Peer::Parent => "stdio".into(),
            Peer::Address(address) => format!("ip:{address}").into(),
        };
        Ok(Principal::new(label, Arc::clone(grants)))
    }

    /// The principal as it stands now. A key that changed since gives its new self, one that was
    /// revoked or has expired gives a refusal.
    ///
    /// # Errors
    /// 401 when the key no longer stands.
    pub fn current(&self, principal: &Principal) -> Result<Principal, Denial> {
        let gone = || {
            Denial::unauthorized(
                "the key was revoked or has expired: ask the operator for a new key",
            )
        };
        if principal.has_expired() {
            return Err(gone());
        }
        if !principal.ended().is_cancelled() {
            return Ok(principal.clone());
        }
        let record = principal.key().ok_or_else(gone)?;
        self.keys
            .find_digest(&record.digest)
            .filter(|principal| !principal.has_expired())
            .ok_or_else(gone)
    }
}

/// The rule: no call without a principal.
#[derive(Debug, Clone)]
pub struct Authenticate;

impl Rule for Authenticate {
    type Permit = ();

    fn check(&self, facts: &Facts, _arguments: Option<&JsonObject>) -> Result<(), Denial> {
        facts.principal().map(|_| ())
    }
}
