//! One key: its digest, and what is known of who holds it.

use std::sync::Arc;

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

use super::principal::{Identity, Peer};

/// The SHA-256 of a key.
pub type Digest = [u8; 32];

/// How callers with a key sign in.
pub(super) const METHOD: &str = "key";

/// One key, as the running server knows it.
#[derive(Debug)]
pub(super) struct KeyRecord {
    pub(super) digest: Digest,
    /// From where it may be used; empty means anywhere.
    pub(super) allow: Box<[IpNet]>,
    pub(super) identity: Identity,
}

impl KeyRecord {
    /// Whether the key may be used from there.
    pub(super) fn allows(&self, peer: Peer) -> bool {
        if self.allow.is_empty() || peer == Peer::Parent {
            return true;
        }
        // `::ffff:10.0.0.1` is 10.0.0.1: a dual-stack listener must not step around a network rule.
        let address = peer.address().map(|address| address.to_canonical());
        address.is_some_and(|address| self.allow.iter().any(|net| net.contains(&address)))
    }
}

/// The SHA-256 of a key, in hexadecimal, as the keys file holds it.
pub fn fingerprint(key: &str) -> String {
    hex::encode(digest(key))
}

pub(super) fn digest(key: &str) -> Digest {
    Sha256::digest(key.as_bytes()).into()
}

/// `key:` and the first 12 hex digits of the digest: enough to tell keys apart in a log, too little
/// to find one.
pub(super) fn label(digest: &Digest) -> Arc<str> {
    format!("key:{}", hex::encode(&digest[..6])).into()
}

/// Half of a digest, by which a key is looked up.
pub(super) fn slot(digest: &Digest) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(half)
}
