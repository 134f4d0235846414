//! Whose address it is, where proxies may stand between the caller and the server.

use std::net::{IpAddr, SocketAddr};

use http::{Extensions, request::Parts};
use ipnet::IpNet;

use super::{headers, settings::HttpSettings};
use crate::interceptor::{Denial, DenialKind, Peer};

/// The address of the other side of the connection. The listener attaches it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remote(pub(super) SocketAddr);

/// The proxies that are trusted.
#[derive(Debug)]
pub(super) struct Proxies {
    nets: Vec<IpNet>,
    /// They speak TLS for a server that has none of its own and is bound where others reach it.
    encrypt: bool,
}

impl Proxies {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        Self {
            nets: settings.trusted_proxies.clone(),
            encrypt: !settings.host.is_loopback() && settings.tls.is_none(),
        }
    }

    /// Lets nobody in around a proxy that encrypts.
    ///
    /// # Errors
    /// 403 for a connection that somebody on the way can have read along.
    pub(super) fn check(&self, extensions: &Extensions) -> Result<(), Denial> {
        let is_shielded = extensions.get::<Remote>().is_some_and(|remote| {
            let address = remote.0.ip().to_canonical();
            // It never left the machine, or came from a proxy.
            address.is_loopback() || self.trusts(address)
        });
        if self.encrypt && !is_shielded {
            return Err(Denial::new(
                DenialKind::Forbidden,
                "this server is served by a proxy, over TLS: connect to that",
            ));
        }
        Ok(())
    }

    /// Where the caller sits: the connection's address, or, when that is a trusted proxy, the last
    /// one that no trusted proxy put into `X-Forwarded-For`. What stands further left is the
    /// caller's word.
    pub(super) fn caller(&self, parts: &Parts) -> Peer {
        let address = self.address(parts);
        address.map_or(Peer::Unknown, Peer::Address)
    }

    fn address(&self, parts: &Parts) -> Option<IpAddr> {
        let Remote(connection) = parts.extensions.get::<Remote>()?;
        let mut address = connection.ip().to_canonical();
        if !self.trusts(address) {
            return Some(address);
        }
        let forwarded = parts.headers.get_all(&headers::FORWARDED_FOR);
        let hops = forwarded.iter().rev().flat_map(|value| {
            // By bytes: a proxy adds its word to a line that its client began, with any byte.
            value.as_bytes().rsplit(|byte| *byte == b',')
        });
        for hop in hops {
            // What a proxy says and nobody can read must not become the proxy's own address, which
            // may be allowed more than the caller.
            let hop = std::str::from_utf8(hop).ok()?;
            address = hop.trim().parse::<IpAddr>().ok()?.to_canonical();
            if !self.trusts(address) {
                break;
            }
        }
        Some(address)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.nets.iter().any(|net| net.contains(&address))
    }
}
