//! Counts failed sign-ins for each address, so that guessing has a price. A good credential comes in
//! all the same: an office behind one address must not be locked out by one stale client.

use std::net::IpAddr;

use governor::clock::DefaultClock;

use super::principal::whole_network;
use crate::interceptor::{
    denial::Denial,
    limit::{buckets::Buckets, rate::Rate},
};

/// The failures of each address, within a bound.
#[derive(Debug)]
pub struct FailedSignIns(Buckets<IpAddr>);

impl FailedSignIns {
    /// `rate` is how many failures an address may have, `capacity` how many addresses are remembered.
    pub fn new(rate: Rate, capacity: usize) -> Self {
        Self(Buckets::new(rate, capacity, DefaultClock::default()))
    }

    /// Charges a failure.
    ///
    /// # Errors
    /// 429 once there were too many.
    pub(super) fn charge(&self, address: IpAddr) -> Result<(), Denial> {
        self.0.take(&whole_network(address)).map(drop).map_err(|wait| {
            Denial::throttled(
                "too many sign-ins with a wrong key from this address: wait, then try again with the right one",
                wait,
            )
        })
    }

    /// Forgets the addresses whose time is over, and counts the rest.
    pub(super) fn sweep(&self) -> usize {
        self.0.sweep()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_too_often_waits_and_so_does_its_network() {
        let failures = FailedSignIns::new(Rate::new(1, 3).unwrap(), 100);
        let peer: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..3 {
            failures.charge(peer).unwrap();
        }
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let refused = failures.charge(neighbour).unwrap_err();
        assert_eq!(refused.kind.code(), 429, "the same /64");
        assert!(refused.retry_after.is_some());
        failures.charge("2001:db8:0:1::1".parse().unwrap()).unwrap();
    }
}
