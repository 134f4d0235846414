//! A rate, as people write it.

use std::num::NonZeroU32;

use governor::Quota;
use serde::{Deserialize, Serialize};

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

    /// A caller's own rate. Given in part, the burst is a second's worth or the rate is the burst's.
    pub(in super::super) fn overriding(
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

    pub(super) fn quota(self) -> Quota {
        Quota::per_minute(self.per_minute).allow_burst(self.burst)
    }
}
