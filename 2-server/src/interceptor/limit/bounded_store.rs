//! Where governor keeps one bucket for each caller, with a bound.
//!
//! governor's own stores grow with every key that they see, and a stranger can make keys up. This
//! one refuses a newcomer when it is full. It never evicts a bucket that still counts, because that
//! would hand out a fresh budget.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash},
    sync::{Mutex, MutexGuard, PoisonError},
};

use governor::{
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};

const SHARDS: usize = 16;

/// A moment so far ahead that governor refuses every call until then.
pub(super) const NEVER: Nanos = Nanos::new(u64::MAX / 2);

/// Buckets by key, at most a fixed number of them.
#[derive(Debug)]
pub(super) struct BoundedStore<K> {
    hasher: RandomState,
    shards: [Mutex<HashMap<K, Nanos>>; SHARDS],
    capacity_of_shard: usize,
}

impl<K: Hash + Eq + Clone> BoundedStore<K> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            capacity_of_shard: capacity.div_ceil(SHARDS).max(1),
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Nanos>> {
        // The low bits choose the slot inside the map, so the high ones choose the shard.
        let index = (self.hasher.hash_one(key) >> 60) as usize % SHARDS;
        lock(&self.shards[index])
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A map of numbers is whole after every statement, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Hash + Eq + Clone> StateStore for BoundedStore<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shard(key);
        if let Some(state) = shard.get_mut(key) {
            let (outcome, next) = decide(Some(*state))?;
            *state = next;
            return Ok(outcome);
        }
        let full = shard.len() >= self.capacity_of_shard;
        let (outcome, next) = decide(full.then_some(NEVER))?;
        shard.insert(key.clone(), next);
        Ok(outcome)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for BoundedStore<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.shards {
            lock(shard).retain(|_, state| *state > drop_below);
        }
    }

    fn shrink_to_fit(&self) {
        for shard in &self.shards {
            lock(shard).shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).is_empty())
    }
}
