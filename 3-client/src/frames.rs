//! When a frame may be drawn: at most sixty a second, and at once where a person waits for it.
//!
//! A fixed pace would make a key that comes right after a frame wait for the next one. So an answer's
//! words keep to the pace, and keys may run ahead of it by two frames, which are saved up again while
//! nobody types.

use std::time::{Duration, Instant};

/// The pace. With the frames that may run ahead, no second has more than sixty.
const PACE: Duration = Duration::from_micros(17_250);
/// How far keys may run ahead of it.
const AHEAD: Duration = Duration::from_micros(2 * 17_250);

/// The next frame.
#[derive(Debug)]
pub(crate) struct Frames {
    due: Instant,
    waits: Option<Waits>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Waits {
    /// Something changed by itself.
    Nobody,
    /// A person did something and looks for what it does.
    Someone,
}

impl Frames {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            due: now,
            waits: Some(Waits::Nobody),
        }
    }

    /// Something is to be shown; `is_looked_for` when it follows from what a person did.
    pub(crate) fn want(&mut self, is_looked_for: bool) {
        let waits = if is_looked_for {
            Waits::Someone
        } else {
            Waits::Nobody
        };
        self.waits = self.waits.max(Some(waits));
    }

    /// How long until the next frame, if one is wanted.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.due.saturating_duration_since(now);
        self.waits.map(|waits| match waits {
            Waits::Nobody => wait,
            Waits::Someone => wait.saturating_sub(AHEAD),
        })
    }

    /// A frame was drawn.
    pub(crate) fn drawn(&mut self, now: Instant) {
        self.due = self.due.max(now) + PACE;
        self.waits = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws whenever it may, while this is wanted at each of these moments; gives the moments of the
    /// frames.
    fn drawn(wanted: impl Iterator<Item = (Duration, bool)>) -> Vec<Duration> {
        let start = Instant::now();
        let mut frames = Frames::new(start);
        let mut drawn = Vec::new();
        for (at, is_looked_for) in wanted {
            frames.want(is_looked_for);
            if frames.wait(start + at) == Some(Duration::ZERO) {
                frames.drawn(start + at);
                drawn.push(at);
            }
        }
        drawn
    }

    fn millis(range: std::ops::Range<u64>) -> impl Iterator<Item = Duration> {
        range.map(Duration::from_millis)
    }

    #[test]
    fn no_second_has_more_than_sixty_frames_however_fast_the_keys_and_the_words() {
        for is_looked_for in [false, true] {
            let drawn = drawn(millis(0..4_000).map(|at| (at, is_looked_for)));
            for from in millis(0..3_000) {
                let within = |at: &&Duration| (from..from + Duration::from_secs(1)).contains(*at);
                let count = drawn.iter().filter(within).count();
                assert!((50..=60).contains(&count), "{count} from {from:?}");
            }
        }
    }

    #[test]
    fn a_key_among_fast_words_is_shown_at_once() {
        let keys = [100, 301, 502, 703, 904];
        let drawn = drawn(millis(0..1_000).map(|at| (at, keys.contains(&at.as_millis()))));
        for key in keys {
            assert!(
                drawn.iter().any(|at| at.as_millis() == key),
                "{key}: {drawn:?}"
            );
        }
    }

    #[test]
    fn nothing_is_drawn_that_nobody_wants() {
        let now = Instant::now();
        let mut frames = Frames::new(now);
        assert_eq!(frames.wait(now), Some(Duration::ZERO), "the first");
        frames.drawn(now);
        assert_eq!(frames.wait(now + Duration::from_secs(1)), None);
    }
}
