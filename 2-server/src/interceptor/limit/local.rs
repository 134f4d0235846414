//! Budgets that are counted in this process: calls per identity, calls per identity and tool, and
//! calls at once.

use std::{
    collections::{HashMap, hash_map::Entry},
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use governor::clock::DefaultClock;

use super::{
    buckets::Buckets,
    charge::{Charge, Limit, LimitLoad, Permit},
    rate::Rate,
};
use crate::interceptor::{denial::Denial, identity::principal::Principal};

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

/// Limits that this process alone counts.
#[derive(Debug)]
pub struct LocalLimit {
    capacity: usize,
    identity: Buckets<Arc<str>>,
    // One table for each distinct rate that callers have of their own: at most as many as keys.
    own_rates: RwLock<HashMap<Rate, Arc<Buckets<Arc<str>>>>>,
    tools: HashMap<String, Buckets<Arc<str>>>,
    in_flight: Arc<InFlight>,
}

impl LocalLimit {
    /// Limits with every budget full.
    pub fn new(settings: &LimitSettings) -> Self {
        let buckets = |rate| Buckets::new(rate, settings.capacity, DefaultClock::default());
        Self {
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
        }
    }

    fn take(&self, who: &Principal) -> Result<u32, Denial> {
        let label = who.label();
        let taken = match who.rate() {
            None => self.identity.take(label),
            Some(rate) => self.own_rate(rate).take(label),
        };
        taken.map_err(|wait| too_many("calls", wait))
    }

    fn own_rate(&self, rate: Rate) -> Arc<Buckets<Arc<str>>> {
        let tables = self.own_rates.read();
        let known = tables
            .unwrap_or_else(PoisonError::into_inner)
            .get(&rate)
            .cloned();
        known.unwrap_or_else(|| {
            let tables = self.own_rates.write();
            let fresh = || Arc::new(Buckets::new(rate, self.capacity, DefaultClock::default()));
            let mut tables = tables.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tables.entry(rate).or_insert_with(fresh))
        })
    }

    fn decide(&self, who: &Principal, what: Charge<'_>) -> Result<Permit, Denial> {
        match what {
            Charge::Request => Ok(Permit::new(Some(self.take(who)?))),
            Charge::Call => {
                // The place first: whoever has none left is charged nothing for asking.
                let place = self.in_flight.enter(who.label()).ok_or_else(|| {
                    let what = format!("calls at once (at most {})", self.in_flight.most);
                    too_many(&what, Duration::from_secs(1))
                })?;
                Ok(Permit::new(Some(self.take(who)?)).holding(place))
            }
            Charge::Tool(tool) => match self.tools.get(tool) {
                None => Ok(Permit::default()),
                Some(buckets) => {
                    let left = buckets
                        .take(who.label())
                        .map_err(|wait| too_many(&format!("calls of {tool}"), wait))?;
                    Ok(Permit::new(Some(left)))
                }
            },
        }
    }
}

#[async_trait]
impl Limit for LocalLimit {
    async fn charge(&self, who: &Principal, what: Charge<'_>) -> Result<Permit, Denial> {
        self.decide(who, what)
    }

    fn limits(&self, tool: &str) -> bool {
        self.tools.contains_key(tool)
    }

    /// Forgets the budgets that are full again, and counts the rest.
    fn load(&self) -> LimitLoad {
        let own = self.own_rates.read();
        let own = own.unwrap_or_else(PoisonError::into_inner);
        let tables = own.values().map(Arc::as_ref).chain(self.tools.values());
        let running = self.in_flight.lock();
        LimitLoad {
            budgets: tables.chain([&self.identity]).map(Buckets::sweep).sum(),
            running: running.values().map(|calls| *calls as usize).sum(),
        }
    }
}

fn too_many(what: &str, wait: Duration) -> Denial {
    Denial::throttled(format!("too many {what}: wait, then try again"), wait)
}

/// Calls that run now, by identity. It holds an entry only while a call runs, so it is bounded by
/// the connections that the server accepts.
#[derive(Debug)]
struct InFlight {
    most: u32,
    calls: Mutex<HashMap<Arc<str>, u32>>,
}

impl InFlight {
    fn enter(self: &Arc<Self>, label: &Arc<str>) -> Option<Place> {
        let mut calls = self.lock();
        let running = calls.entry(Arc::clone(label)).or_default();
        // Whoever has as many as it may has an entry already, so a refusal leaves none behind.
        if *running >= self.most {
            return None;
        }
        *running += 1;
        Some(Place {
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
struct Place {
    table: Arc<InFlight>,
    label: Arc<str>,
}

impl Drop for Place {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
