//! How much may a caller ask? Calls per identity, calls per identity and tool, calls at once, and
//! failed sign-ins per peer.
//!
//! governor does the arithmetic (GCRA: exactly a burst, then an even rate); every table has a
//! bound, and a full table refuses the newcomer.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock, Reference as _},
    middleware::{NoOpMiddleware, StateInformationMiddleware},
};
use rmcp::model::JsonObject;
use serde::{Deserialize, Serialize};

use super::{
    authenticate::Principal, bounded_store::BoundedStore, call::Facts, denial::Denial, policy::Rule,
};

/// What a newcomer is told to wait when a table is full.
const FULL_WAIT: Duration = Duration::from_secs(30);

/// How often a full table is looked through for places that are free again.
const CLEAN_EVERY: Duration = Duration::from_secs(1);

/// A full table gives a wait of centuries; no rate gives one of a year.
const NO_REAL_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// A rate: so many calls at once, then evenly so many per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls per minute, once the burst is used up.
    pub per_minute: NonZeroU32,
    /// Calls at once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// A rate from plain numbers; `None` when one of them is 0.
    pub fn new(per_minute: u32, burst: u32) -> Option<Self> {
        Some(Self {
            per_minute: NonZeroU32::new(per_minute)?,
            burst: NonZeroU32::new(burst)?,
        })
    }

    /// A key's own rate. Given in part, the burst is a second's worth or the rate is the burst's.
    pub(super) fn overriding(
        per_minute: Option<u32>,
        burst: Option<u32>,
    ) -> Result<Option<Self>, String> {
        let (per_minute, burst) = match (per_minute, burst) {
            (None, None) => return Ok(None),
            (Some(per_minute), burst) => {
                (per_minute, burst.unwrap_or_else(|| per_minute.div_ceil(60)))
            }
            (None, Some(burst)) => (burst, burst),
        };
        Self::new(per_minute, burst)
            .map(Some)
            .ok_or_else(|| "per_minute and burst must be at least 1".to_owned())
    }

    fn quota(self) -> Quota {
        Quota::per_minute(self.per_minute).allow_burst(self.burst)
    }
}

/// One bucket for each key, at most `capacity` of them.
#[derive(Debug)]
struct Buckets<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    limiter: RateLimiter<K, BoundedStore<K>, C, StateInformationMiddleware>,
    clock: C,
    // When a full table was last cleaned.
    cleaned: Mutex<Option<C::Instant>>,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Buckets<K, C> {
    /// Whether it is time to look through the whole table again. Without a pause, each of a crowd
    /// of newcomers would have it done for itself.
    fn may_clean(&self) -> bool {
        let now = self.clock.now();
        let mut cleaned = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due =
            cleaned.is_none_or(|then| Duration::from(now.duration_since(then)) >= CLEAN_EVERY);
        if is_due {
            *cleaned = Some(now);
        }
        is_due
    }

    fn new(rate: Rate, capacity: usize, clock: C) -> Self {
        Self {
            limiter: RateLimiter::<K, _, C, NoOpMiddleware<C::Instant>>::new(
                rate.quota(),
                BoundedStore::new(capacity),
                clock.clone(),
            )
            // Says after each call how many more are left.
            .with_middleware(),
            clock,
            cleaned: Mutex::default(),
        }
    }

    /// Takes one call from a key's budget and tells how many are left, or how long to wait.
    fn take(&self, key: &K) -> Result<u32, Duration> {
        let until = match self.limiter.check_key(key) {
            Ok(state) => return Ok(state.remaining_burst_capacity()),
            Err(until) => until,
        };
        let wait = until.wait_time_from(self.clock.now());
        if wait < NO_REAL_WAIT {
            Err(wait)
        } else {
            self.take_after_cleaning(key)
        }
    }

    /// Drops the buckets that are as good as new, and tells how many are left.
    fn sweep(&self) -> usize {
        self.limiter.retain_recent();
        self.limiter.len()
    }

    /// Drops the buckets that are as good as new (they hold back no budget) and tries once more.
    #[cold]
    fn take_after_cleaning(&self, key: &K) -> Result<u32, Duration> {
        if !self.may_clean() {
            return Err(FULL_WAIT);
        }
        self.limiter.retain_recent();
        self.limiter
            .check_key(key)
            .map(|state| state.remaining_burst_capacity())
            .map_err(|until| until.wait_time_from(self.clock.now()).min(FULL_WAIT))
    }
}

/// How much callers may ask.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitSettings {
    /// For each identity.
    pub identity: Rate,
    /// For each identity and tool, on top; only the tools that are named here.
    pub tools: HashMap<String, Rate>,
    /// Calls of one identity at the same time.
    pub concurrent: NonZeroU32,
    /// How many identities are remembered at once, in each table.
    pub capacity: usize,
}

impl Default for LimitSettings {
    /// Ten calls a second with a burst of 120, 32 at once, and 100,000 identities.
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            identity: Rate {
                per_minute: number(600),
                burst: number(120),
            },
            tools: HashMap::new(),
            concurrent: number(32),
            capacity: 100_000,
        }
    }
}

/// The rule: charges every call to its identity.
#[derive(Debug, Clone)]
pub struct RateLimit(Arc<Limits>);

#[derive(Debug)]
struct Limits {
    capacity: usize,
    identity: Buckets<Arc<str>>,
    // One table for each distinct rate that keys name, so there are at most as many as keys.
    own_rates: RwLock<HashMap<Rate, Arc<Buckets<Arc<str>>>>>,
    tools: HashMap<String, Buckets<Arc<str>>>,
    in_flight: Arc<InFlight>,
}

impl RateLimit {
    /// Limits with every budget full.
    pub fn new(settings: &LimitSettings) -> Self {
        let buckets = |rate| Buckets::new(rate, settings.capacity, DefaultClock::default());
        Self(Arc::new(Limits {
            capacity: settings.capacity,
            identity: buckets(settings.identity),
            own_rates: RwLock::default(),
            tools: settings
                .tools
                .iter()
                .map(|(tool, rate)| (tool.clone(), buckets(*rate)))
                .collect(),
            in_flight: Arc::new(InFlight {
                most: settings.concurrent.get(),
                calls: Mutex::default(),
            }),
        }))
    }

    /// Forgets the budgets that are full again, and tells what is still remembered.
    pub(super) fn sweep(&self) -> (usize, usize) {
        let own = self.0.own_rates.read();
        let own = own.unwrap_or_else(PoisonError::into_inner);
        let tables = own.values().map(Arc::as_ref).chain(self.0.tools.values());
        let budgets = tables.chain([&self.0.identity]).map(Buckets::sweep).sum();
        let running = self.0.in_flight.lock();
        let running = running.values().map(|calls| *calls as usize).sum();
        (budgets, running)
    }

    /// Charges a caller for what the pipeline never saw, so that nothing is free.
    ///
    /// # Errors
    /// 429 when the budget is used up.
    pub fn charge(&self, principal: &Principal) -> Result<(), Denial> {
        self.charge_identity(principal)
            .map(drop)
            .map_err(|wait| Denial::throttled("too many calls: wait, then try again", wait))
    }

    fn charge_identity(&self, principal: &Principal) -> Result<u32, Duration> {
        let Some(rate) = principal.key().and_then(|key| key.rate) else {
            return self.0.identity.take(principal.label());
        };
        let own = self
            .0
            .own_rates
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&rate)
            .cloned();
        let own = own.unwrap_or_else(|| {
            let mut tables = self
                .0
                .own_rates
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let fresh = || Arc::new(Buckets::new(rate, self.0.capacity, DefaultClock::default()));
            Arc::clone(tables.entry(rate).or_insert_with(fresh))
        });
        own.take(principal.label())
    }
}

impl Rule for RateLimit {
    type Permit = InFlightPermit;

    fn check(
        &self,
        facts: &Facts,
        _arguments: Option<&JsonObject>,
    ) -> Result<InFlightPermit, Denial> {
        let principal = facts.principal()?;
        let slow_down = |what: &str, wait| {
            facts.note_budget(0);
            Denial::throttled(format!("too many {what}: wait, then try again"), wait)
        };
        let permit = self.0.in_flight.enter(principal.label()).ok_or_else(|| {
            slow_down(
                &format!("calls at once (at most {})", self.0.in_flight.most),
                Duration::from_secs(1),
            )
        })?;
        let mut left = self
            .charge_identity(principal)
            .map_err(|wait| slow_down("calls", wait))?;
        if let Some(tool) = facts.tool()
            && let Some(buckets) = self.0.tools.get(tool)
        {
            let of_tool = buckets
                .take(principal.label())
                .map_err(|wait| slow_down(&format!("calls of {tool}"), wait))?;
            left = left.min(of_tool);
        }
        facts.note_budget(left);
        Ok(permit)
    }
}

/// Calls that run now, by identity. It holds an entry only while a call runs, so it is bounded by
/// the connections that the server accepts.
#[derive(Debug)]
struct InFlight {
    most: u32,
    calls: Mutex<HashMap<Arc<str>, u32>>,
}

impl InFlight {
    fn enter(self: &Arc<Self>, label: &Arc<str>) -> Option<InFlightPermit> {
        let mut calls = self.lock();
        let running = calls.entry(Arc::clone(label)).or_default();
        // Whoever has as many as it may has an entry already, so a refusal leaves none behind.
        if *running >= self.most {
            return None;
        }
        *running += 1;
        Some(InFlightPermit {
            table: Arc::clone(self),
            label: Arc::clone(label),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, u32>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the calls of one identity; given back on drop, so also on a panic or a cancel.
#[derive(Debug)]
pub struct InFlightPermit {
    table: Arc<InFlight>,
    label: Arc<str>,
}

impl Drop for InFlightPermit {
    fn drop(&mut self) {
        let mut calls = self.table.lock();
        if let Entry::Occupied(mut running) = calls.entry(Arc::clone(&self.label)) {
            if *running.get() > 1 {
                *running.get_mut() -= 1;
            } else {
                running.remove();
            }
        }
    }
}

/// Counts failed sign-ins for each peer, and refuses a peer that fails too often.
#[derive(Debug)]
pub struct FailureLimit {
    failures: Buckets<IpAddr>,
    // Peers whose budget is used up, and until when. Only a failure adds to it, and never more
    // than fit.
    blocked: Mutex<HashMap<IpAddr, <DefaultClock as Clock>::Instant>>,
    capacity: usize,
}

impl FailureLimit {
    /// `rate` is how many failures a peer may have, `capacity` how many peers are remembered.
    pub fn new(rate: Rate, capacity: usize) -> Self {
        Self {
            failures: Buckets::new(rate, capacity, DefaultClock::default()),
            blocked: Mutex::default(),
            capacity,
        }
    }

    /// Whether this peer may try at all.
    pub(super) fn check(&self, peer: IpAddr) -> Result<(), Denial> {
        let mut blocked = self.lock();
        if blocked.is_empty() {
            return Ok(());
        }
        let peer = whole_network(peer);
        let Some(until) = blocked.get(&peer).copied() else {
            return Ok(());
        };
        let now = self.failures.clock.now();
        if until > now {
            return Err(too_many_failures(until.duration_since(now)));
        }
        blocked.remove(&peer);
        Ok(())
    }

    /// Charges a failure.
    pub(super) fn record(&self, peer: IpAddr) -> Result<(), Denial> {
        let peer = whole_network(peer);
        let Err(wait) = self.failures.take(&peer) else {
            return Ok(());
        };
        let now = self.failures.clock.now();
        let mut blocked = self.lock();
        if blocked.len() >= self.capacity {
            blocked.retain(|_, until| *until > now);
        }
        if blocked.len() < self.capacity {
            blocked.insert(peer, now + wait);
        }
        Err(too_many_failures(wait))
    }

    /// Forgets the peers whose time is over, and tells how many are still remembered.
    pub(super) fn sweep(&self) -> usize {
        let now = self.failures.clock.now();
        let mut blocked = self.lock();
        blocked.retain(|_, until| *until > now);
        self.failures.sweep() + blocked.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, <DefaultClock as Clock>::Instant>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many_failures(wait: Duration) -> Denial {
    Denial::throttled(
        "too many sign-ins with a wrong key from this address: wait, then try again with the right one",
        wait,
    )
}

/// One subscriber holds a whole IPv6 /64 and could walk through it, so it counts as one peer.
fn whole_network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        IpAddr::V6(_) | IpAddr::V4(_) => peer,
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    fn rate(per_minute: u32, burst: u32) -> Rate {
        Rate::new(per_minute, burst).unwrap()
    }

    #[test]
    fn exactly_a_burst_of_many_concurrent_calls_passes() {
        let buckets = Buckets::new(rate(1, 25), 10, DefaultClock::default());
        let passed = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..125 {
                        if buckets.take(&"caller").is_ok() {
                            passed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 25);
    }

    #[test]
    fn a_full_table_refuses_the_newcomer_and_keeps_every_budget() {
        let clock = FakeRelativeClock::default();
        let buckets = Buckets::new(rate(60, 1), 16, clock.clone());
        let mut known = Vec::new();
        for id in 0..10_000_u32 {
            if buckets.take(&id).is_ok() {
                known.push(id);
            }
        }
        assert!(known.len() <= 16, "at most as many as fit: {}", known.len());
        assert!(
            known.iter().all(|id| buckets.take(id).is_err()),
            "nobody got a fresh budget"
        );
        // Once the old buckets are as good as new, there is room again.
        clock.advance(Duration::from_secs(120));
        assert_eq!(buckets.take(&77_777), Ok(0), "a burst of one leaves none");
    }

    #[test]
    fn a_crowd_of_newcomers_has_a_full_table_cleaned_once() {
        let clock = FakeRelativeClock::default();
        let buckets = Buckets::new(rate(60, 1), 16, clock.clone());
        for id in 0..1_000_u32 {
            let _ = buckets.take(&id);
        }
        assert!(!buckets.may_clean(), "it was, by the first of them");
        clock.advance(CLEAN_EVERY);
        assert!(buckets.may_clean() && !buckets.may_clean());
    }

    #[test]
    fn calls_at_once_are_counted_and_given_back() {
        let table = Arc::new(InFlight {
            most: 2,
            calls: Mutex::default(),
        });
        let label: Arc<str> = "ip:::1".into();
        let (first, second) = (table.enter(&label).unwrap(), table.enter(&label).unwrap());
        assert!(table.enter(&label).is_none());
        drop(first);
        assert!(table.enter(&label).is_some());
        drop(second);
        assert!(table.lock().is_empty(), "nothing stays behind");
    }

    #[test]
    fn a_peer_that_fails_too_often_is_refused_before_its_key_is_looked_at() {
        let limit = FailureLimit::new(rate(1, 3), 100);
        let peer: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        for _ in 0..3 {
            assert!(limit.check(peer).is_ok() && limit.record(peer).is_ok());
        }
        assert!(limit.record(peer).is_err());
        assert_eq!(
            limit.check(neighbour).unwrap_err().kind.code(),
            429,
            "the same /64"
        );
        assert!(limit.check("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }

    proptest! {
        // Over any schedule, a caller never gets more than a burst plus what time has brought back.
        #[test]
        fn nobody_gets_more_than_the_rate(
            burst in 1_u32..20,
            per_minute in 1_u32..600,
            pauses in proptest::collection::vec(0_u64..2_000, 1..200),
        ) {
            let clock = FakeRelativeClock::default();
            let buckets = Buckets::new(rate(per_minute, burst), 4, clock.clone());
            let (mut passed, mut elapsed) = (0_u64, 0_u64);
            for pause in pauses {
                clock.advance(Duration::from_millis(pause));
                elapsed += pause;
                passed += u64::from(buckets.take(&"caller").is_ok());
                let most = u64::from(burst) + elapsed * u64::from(per_minute) / 60_000 + 1;
                prop_assert!(passed <= most, "{passed} > {most}");
            }
        }
    }
}
