//! When to try again: a busy engine, or one that is just starting, and only while no word of the
//! answer has come.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use bytes::Bytes;
use reqwest::{Method, Response};
use tokio::time::Instant;

use crate::{
    ErrorKind, ProviderError,
    http::{Failure, Http},
    settings::Timeout,
};

/// After this many the engine is busy in earnest, and the caller should hear it.
const MAX_RETRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// When an engine asks for a longer pause, the caller gets the error instead.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Posts a chat, again for as long as that makes sense. Gives the response, and the time by which
/// its first byte is due.
pub(crate) async fn send(
    http: &Http,
    path: &str,
    body: &Bytes,
    explain: impl Fn(Failure) -> ProviderError,
) -> Result<(Response, Instant), ProviderError> {
    repeat(|| async {
        let first_byte_by = Instant::now() + http.timeouts.first_byte;
        let sent = http
            .send(Method::POST, path, Some(body.clone()), Timeout::FirstByte)
            .await;
        match sent {
            Ok(response) => Ok((response, first_byte_by)),
            Err(failure) => {
                let retry_after = failure.retry_after();
                Err((explain(failure), retry_after))
            }
        }
    })
    .await
}

/// Asks for something small that comes whole, again for as long as that makes sense.
pub(crate) async fn ask<T, W: Future<Output = Result<T, ProviderError>>>(
    mut work: impl FnMut() -> W,
) -> Result<T, ProviderError> {
    repeat(|| {
        let attempt = work();
        async {
            attempt.await.map_err(|error| {
                let retry_after = match error.kind {
                    ErrorKind::Busy { retry_after } => Some(retry_after),
                    _ => None,
                };
                (error, retry_after)
            })
        }
    })
    .await
}

/// The one loop. An attempt that fails gives its error, and the pause that the engine asked for.
async fn repeat<T, W: Future<Output = Result<T, (ProviderError, Option<Duration>)>>>(
    mut attempt: impl FnMut() -> W,
) -> Result<T, ProviderError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let (error, retry_after) = match attempt().await {
            Ok(done) => return Ok(done),
            Err(failed) => failed,
        };
        match pause(&error, retry_after.unwrap_or_default(), attempts, random()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error),
        }
    }
}

/// How long to wait before trying again, or `None` when trying again makes no sense.
///
/// `retry_after` is the pause that the engine asked for, `attempts` counts those so far, and
/// `random` is from 0 to 1: callers that were refused together must not come back together.
fn pause(
    error: &ProviderError,
    retry_after: Duration,
    attempts: u32,
    random: f64,
) -> Option<Duration> {
    let may_pass = matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Busy { .. });
    if !may_pass || attempts > MAX_RETRIES || retry_after > LONGEST_PAUSE {
        return None;
    }
    let backoff = FIRST_PAUSE * 2_u32.saturating_pow(attempts.saturating_sub(1));
    Some(
        backoff
            .max(retry_after)
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
    use std::cell::Cell;

    use super::*;

    fn error(kind: ErrorKind) -> ProviderError {
        ProviderError::new(kind, "", "")
    }

    #[test]
    fn pauses_grow_are_spread_and_end() {
        let refused = error(ErrorKind::Unreachable);
        let ms = |attempts, random| {
            pause(&refused, Duration::ZERO, attempts, random).map(|pause| pause.as_millis())
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
        let after = |seconds, random| pause(&busy, Duration::from_secs(seconds), 1, random);
        assert_eq!(after(0, 0.0), Some(FIRST_PAUSE));
        assert_eq!(after(2, 0.0), Some(Duration::from_secs(2)));
        assert_eq!(after(5, 1.0), Some(LONGEST_PAUSE));
        assert_eq!(after(60, 0.0), None);
    }

    #[test]
    fn what_trying_again_cannot_mend_is_not_tried_again() {
        for kind in [
            ErrorKind::Engine,
            ErrorKind::TimedOut,
            ErrorKind::ModelNotFound,
            ErrorKind::Truncated,
        ] {
            assert_eq!(
                pause(&error(kind), Duration::ZERO, 1, 0.0),
                None,
                "{kind:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_loop_ends_with_the_first_success_and_waits_as_long_as_the_engine_asks() {
        let started = Instant::now();
        let attempts = Cell::new(0);
        let done = ask(|| {
            attempts.set(attempts.get() + 1);
            let last = attempts.get() == 3;
            async move {
                let retry_after = Duration::from_secs(2);
                let busy = || error(ErrorKind::Busy { retry_after });
                last.then_some("done").ok_or_else(busy)
            }
        });
        assert_eq!(done.await.unwrap(), "done");
        assert_eq!(attempts.get(), 3);
        let waited = started.elapsed();
        assert!(
            (Duration::from_secs(4)..=Duration::from_secs(6)).contains(&waited),
            "{waited:?}"
        );
    }

    /// Callers that come back together must spread over the whole of the range, evenly enough: of
    /// 4,000 draws each tenth gets its 400, give or take 100 (five standard deviations).
    #[test]
    fn the_spread_fills_its_whole_range_evenly() {
        let mut tenths = [0_u32; 10];
        for _ in 0..4_000 {
            let draw = random();
            assert!((0.0..=1.0).contains(&draw), "{draw}");
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 0 to 9"
            )]
            let tenth = ((draw * 10.0) as usize).min(9);
            tenths[tenth] += 1;
        }
        assert!(
            tenths.iter().all(|count| (300..=500).contains(count)),
            "{tenths:?}"
        );
    }
}
