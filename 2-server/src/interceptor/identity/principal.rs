//! A caller who signed in, and where a caller sits.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio_util::sync::CancellationToken;

use crate::interceptor::{access::scope::Grants, limit::rate::Rate};

/// How long a stream goes on after its rights have ended, so that it can say so. Short beside the
/// second within which a revocation must bite.
const GRACE: Duration = Duration::from_millis(100);

/// What is known of a caller who signed in. Whoever writes a way to sign in fills it in.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Who it is, for logs, limits and ownership: `key:<12 hex>`, `ip:<address>` or `stdio`. Two
    /// principals with one label share a budget. Never a secret.
    pub label: Arc<str>,
    /// The name that people know it by.
    pub name: Option<Box<str>>,
    /// What the way to sign in needs to find it again, such as a part of a digest; never shown.
    pub credential: Option<u128>,
    /// What it may do.
    pub grants: Arc<Grants>,
    /// A rate of its own, in place of the server's.
    pub rate: Option<Rate>,
    /// When its rights end by themselves.
    pub expires: Option<SystemTime>,
    /// How it signed in: [`Authenticate::method`](crate::interceptor::Authenticate::method).
    pub method: &'static str,
}

/// A caller who signed in, and a signal that fires when its rights end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Principal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    identity: Identity,
    ended: CancellationToken,
}

impl Principal {
    /// A principal whose rights stand.
    pub fn new(identity: Identity) -> Self {
        Self(Arc::new(Inner {
            identity,
            ended: CancellationToken::new(),
        }))
    }

    /// Whether both are one: signed in by the same credential, with the same rights.
    pub fn ptr_eq(one: &Self, other: &Self) -> bool {
        Arc::ptr_eq(&one.0, &other.0)
    }

    /// What is known of it.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Who it is, for logs, limits and ownership.
    pub fn label(&self) -> &Arc<str> {
        &self.0.identity.label
    }

    /// The name that people know it by.
    pub fn name(&self) -> Option<&str> {
        self.0.identity.name.as_deref()
    }

    /// What it may do.
    pub fn grants(&self) -> &Grants {
        &self.0.identity.grants
    }

    /// A rate of its own.
    pub fn rate(&self) -> Option<Rate> {
        self.0.identity.rate
    }

    /// The signal that fires when its rights end or change. Whoever gave the rights fires it.
    pub fn end_signal(&self) -> &CancellationToken {
        &self.0.ended
    }

    /// Whether its rights have ended by themselves.
    pub fn has_expired(&self) -> bool {
        let expires = self.0.identity.expires;
        expires.is_some_and(|expiry| expiry <= SystemTime::now())
    }

    /// Waits until its rights end or change, by a signal or by themselves.
    pub async fn ended(&self) {
        let Some(expiry) = self.0.identity.expires else {
            return self.0.ended.cancelled().await;
        };
        tokio::select! {
            () = self.0.ended.cancelled() => {}
            () = until(expiry) => {}
        }
    }

    /// The same for what speaks to a caller by itself: it gets a moment to say that the rights it
    /// was opened with have ended.
    pub async fn ended_after_grace(&self) {
        self.ended().await;
        tokio::time::sleep(GRACE).await;
    }
}

/// Waits for a time of the wall clock.
async fn until(moment: SystemTime) {
    until_by(SystemTime::now, moment).await;
}

/// Looks at the clock again and again: it may be set, and rights that ended by that must not last.
async fn until_by(clock: impl Fn() -> SystemTime, moment: SystemTime) {
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    while let Ok(left) = moment.duration_since(clock())
        && !left.is_zero()
    {
        tokio::time::sleep(left.min(LOOK_EVERY)).await;
    }
}

/// Where a caller sits. What a client says of itself is never part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The process that launched the server.
    Parent,
    /// A network address, after trusted proxies have been looked through.
    Address(IpAddr),
    /// A connection whose address nobody can read.
    Unknown,
}

impl Peer {
    /// The network address, where there is one.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Parent | Self::Unknown => None,
        }
    }

    /// The name of a caller that hasn't signed in. A whole IPv6 /64 has one name, because one
    /// subscriber holds it and could walk through it.
    pub fn label(self) -> Arc<str> {
        match self {
            Self::Parent => "stdio".into(),
            Self::Address(address) => format!("ip:{}", whole_network(address)).into(),
            Self::Unknown => "unknown".into(),
        }
    }
}

/// One subscriber holds a whole IPv6 /64 and could walk through it, so it counts as one address.
pub(crate) fn whole_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        IpAddr::V6(_) | IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rights_that_a_set_clock_has_ended_end_within_a_second() {
        let (start, hour) = (SystemTime::now(), Duration::from_secs(3600));
        let looks = Cell::new(0);
        // Somebody sets the clock two hours forward, between the third look and the fourth.
        let clock = || {
            looks.set(looks.get() + 1);
            if looks.get() > 3 {
                start + 2 * hour
            } else {
                start
            }
        };
        let since = tokio::time::Instant::now();
        until_by(clock, start + hour).await;
        assert_eq!(since.elapsed(), Duration::from_secs(3));
    }
}
