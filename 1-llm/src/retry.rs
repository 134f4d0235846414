//! When to try again: a busy engine, or one that is just starting, and only while nothing has
//! been said yet.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::{ErrorKind, ProviderError};

/// After this many the engine is busy in earnest, and whoever asked should hear it.
const MOST: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// An engine that wants longer than this is better told to the person.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Does something that is over when it returns, again for as long as that makes sense.
pub(crate) async fn over<T, W: Future<Output = Result<T, ProviderError>>>(
    mut work: impl FnMut() -> W,
) -> Result<T, ProviderError> {
    let mut tried = 0;
    loop {
        tried += 1;
        let error = match work().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        // The engine's own word on when is in the error already.
        let told = match error.kind {
            ErrorKind::Busy { retry_after } => Some(retry_after),
            _ => None,
        };
        match pause(&error, told, tried) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error),
        }
    }
}

/// How long to wait before trying again, or `None` when trying again makes no sense.
/// `told` is the engine's own word on when, and `tried` counts the attempts so far.
pub(crate) fn pause(error: &ProviderError, told: Option<Duration>, tried: u32) -> Option<Duration> {
    pause_with(error, told.unwrap_or_default(), tried, random())
}

/// `random` is from 0 to 1. Those who were refused together must not come back together.
fn pause_with(error: &ProviderError, told: Duration, tried: u32, random: f64) -> Option<Duration> {
    if tried > MOST {
        return None;
    }
    let backoff = FIRST_PAUSE * 2_u32.saturating_pow(tried.saturating_sub(1));
    let mends = matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Busy { .. });
    if !mends || told > LONGEST_PAUSE {
        return None;
    }
    Some(
        backoff
            .max(told)
            .mul_f64(1.0 + random / 2.0)
            .min(LONGEST_PAUSE),
    )
}

#[allow(clippy::cast_precision_loss, reason = "any spread will do")]
fn random() -> f64 {
    // Each RandomState has keys of its own: as random as backing off needs.
    RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind) -> ProviderError {
        ProviderError::new(kind, "", "")
    }

    const NOT_TOLD: Duration = Duration::ZERO;

    #[test]
    fn pauses_grow_are_spread_and_end() {
        let refused = error(ErrorKind::Unreachable);
        let ms = |tried, random| {
            pause_with(&refused, NOT_TOLD, tried, random).map(|pause| pause.as_millis())
        };
        assert_eq!(
            [ms(1, 0.0), ms(2, 0.0), ms(3, 0.0)],
            [Some(250), Some(500), Some(1000)]
        );
        assert_eq!(ms(1, 1.0), Some(375));
        assert_eq!(ms(4, 0.0), None);
        assert_eq!(ms(u32::MAX, 0.0), None);
    }

    #[test]
    fn an_engines_own_time_is_kept_unless_it_is_too_long_to_wait_for() {
        let busy = error(ErrorKind::Busy {
            retry_after: Duration::from_secs(1),
        });
        let told = |seconds, random| pause_with(&busy, Duration::from_secs(seconds), 1, random);
        assert_eq!(told(0, 0.0), Some(FIRST_PAUSE));
        assert_eq!(told(2, 0.0), Some(Duration::from_secs(2)));
        assert_eq!(told(5, 1.0), Some(LONGEST_PAUSE));
        assert_eq!(told(60, 0.0), None);
    }

    #[test]
    fn what_trying_again_cannot_mend_is_not_tried_again() {
        for kind in [
            ErrorKind::Engine,
            ErrorKind::TimedOut,
            ErrorKind::ModelNotFound,
            ErrorKind::Truncated,
        ] {
            assert_eq!(pause_with(&error(kind), NOT_TOLD, 1, 0.0), None, "{kind:?}");
        }
    }

    #[test]
    fn the_spread_is_a_spread() {
        let some: Vec<f64> = (0..20).map(|_| random()).collect();
        assert!(some.iter().all(|r| (0.0..=1.0).contains(r)));
        assert!(some.iter().any(|r| (r - some[0]).abs() > 0.01));
    }
}
