//! One bucket of calls for each caller. governor does the arithmetic (GCRA: exactly a burst, then an
//! even rate); the table has a bound, and a full table refuses the newcomer.

use std::{
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use governor::{
    RateLimiter,
    clock::{Clock, DefaultClock, Reference as _},
    middleware::{NoOpMiddleware, StateInformationMiddleware},
};

use super::{bounded_store::BoundedStore, rate::Rate};

/// How long a newcomer waits when a table is full.
const FULL_WAIT: Duration = Duration::from_secs(30);
/// How often a full table is looked through for places that are free again.
const CLEAN_EVERY: Duration = Duration::from_secs(1);
/// A full table gives a wait of centuries; no rate gives one of a year.
const NO_REAL_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// One bucket for each key, at most `capacity` of them.
#[derive(Debug)]
pub(in super::super) struct Buckets<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
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

    pub(in super::super) fn new(rate: Rate, capacity: usize, clock: C) -> Self {
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
    pub(in super::super) fn take(&self, key: &K) -> Result<u32, Duration> {
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
    pub(in super::super) fn sweep(&self) -> usize {
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
