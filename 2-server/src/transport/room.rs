//! Room for the messages that are being read or answered: so many bytes in all, and so many of one
//! identity. A call at once has a place already, but it can be a thousand times as large as another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::interceptor::{Denial, DenialKind};

/// What one value of a message counts as, besides its bytes.
const VALUE: usize = 64;
/// What every message may take without being counted. Nearly all are smaller, and so a few giants
/// don't keep them out; there are no more of them than connections and calls at once.
const FREE: usize = 16 << 10;
/// How many messages of the largest size one identity may have here at once, and all together.
const LARGEST_OF_ONE: usize = 2;
const LARGEST: usize = 8;
/// When there may be room again.
const WAIT: Duration = Duration::from_secs(1);

/// The room, and who has taken how much of it.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Bytes>,
}

#[derive(Debug, Default)]
struct Bytes {
    all: usize,
    // It holds an entry only while something is taken.
    of: HashMap<Arc<str>, usize>,
}

impl Room {
    /// Room for messages that are no larger than `max` bytes each.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            most: max.saturating_mul(LARGEST),
            most_of_one: max.saturating_mul(LARGEST_OF_ONE),
            taken: Mutex::default(),
        })
    }

    /// A message of this identity begins.
    pub(super) fn enter(self: &Arc<Self>, who: &Arc<str>) -> Taken {
        Taken {
            room: Arc::clone(self),
            who: Arc::clone(who),
            size: 0,
            counted: 0,
        }
    }

    fn take(&self, who: &Arc<str>, bytes: usize) -> Result<(), Denial> {
        let mut taken = self.lock();
        let of_one = taken.of.get(who).copied().unwrap_or_default();
        if of_one + bytes > self.most_of_one {
            return Err(Denial::throttled(
                "your messages that are being read or answered are too large together: wait for an answer, then send more",
                WAIT,
            ));
        }
        if taken.all + bytes > self.most {
            let mut denial = Denial::new(
                DenialKind::Unavailable,
                "the server is reading too much at once: try again in a moment",
            );
            denial.retry_after = Some(WAIT);
            return Err(denial);
        }
        taken.all += bytes;
        taken.of.insert(Arc::clone(who), of_one + bytes);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Bytes> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one message has taken, until it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    room: Arc<Room>,
    who: Arc<str>,
    size: usize,
    counted: usize,
}

impl Taken {
    /// The message goes on for so many bytes and values.
    ///
    /// # Errors
    /// 429 when its sender has taken as much as one may, 503 when there is no room at all.
    pub(super) fn grow(&mut self, bytes: usize, values: usize) -> Result<(), Denial> {
        self.size += bytes + values * VALUE;
        let more = self.size.saturating_sub(FREE + self.counted);
        if more > 0 {
            self.room.take(&self.who, more)?;
            self.counted += more;
        }
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.counted == 0 {
            return;
        }
        let mut taken = self.room.lock();
        taken.all = taken.all.saturating_sub(self.counted);
        if let Some(of_one) = taken.of.get_mut(&self.who) {
            *of_one = of_one.saturating_sub(self.counted);
            if *of_one == 0 {
                taken.of.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 20;

    fn names(count: usize) -> Vec<Arc<str>> {
        (0..count).map(|n| format!("key:{n}").into()).collect()
    }

    #[test]
    fn one_may_take_two_of_the_largest_and_all_together_eight() {
        let (room, names) = (Room::new(MAX), names(5));
        let take = |name: &Arc<str>| {
            let mut taken = room.enter(name);
            taken
                .grow(MAX, 0)
                .map(|()| taken)
                .map_err(|denial| denial.kind)
        };
        let mut held = vec![take(&names[0]).unwrap(), take(&names[0]).unwrap()];
        assert_eq!(take(&names[0]).unwrap_err(), DenialKind::Throttled);
        for name in &names[1..4] {
            held.extend([take(name).unwrap(), take(name).unwrap()]);
        }
        assert_eq!(take(&names[4]).unwrap_err(), DenialKind::Unavailable);
        let mut small = room.enter(&names[4]);
        assert_eq!(small.grow(FREE, 0), Ok(()), "giants keep no small one out");
        drop(held);
        drop(take(&names[4]).unwrap());
        let left = room.lock();
        assert!(left.all == 0 && left.of.is_empty(), "{left:?}");
    }

    #[test]
    fn values_count_and_so_does_every_byte_however_it_arrives() {
        let (room, names) = (Room::new(MAX), names(1));
        let mut taken = room.enter(&names[0]);
        for _ in 0..(2 * MAX + FREE) {
            taken.grow(1, 0).unwrap();
        }
        assert_eq!(taken.grow(1, 0).unwrap_err().kind, DenialKind::Throttled);
        drop(taken);
        let mut taken = room.enter(&names[0]);
        taken.grow(0, 2 * MAX / VALUE).unwrap();
        assert!(taken.grow(FREE, 1).is_err());
    }
}
