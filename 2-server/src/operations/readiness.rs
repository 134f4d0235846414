//! Can the server do its work right now? Asked by whoever sends it callers (`/readyz`). Being alive
//! is another question (`/healthz`): a server that isn't ready must not be restarted for it.

use std::{sync::Arc, time::Duration};

use mcp_llm::Provider;
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};

use crate::interceptor::{Journal, SignIn};

/// Anybody may ask, so the engine is asked at most this often.
const FRESH: Duration = Duration::from_secs(2);
/// An engine that takes longer isn't ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// What must hold, and whether it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The language model's engine answers.
    pub provider: bool,
    /// The keys file is as good as it was at the start.
    pub keys: bool,
    /// Records reach their sinks.
    pub audit: bool,
}

impl Report {
    /// Whether all of it holds.
    pub fn is_ready(self) -> bool {
        self.provider && self.keys && self.audit
    }
}

/// Looks at what must hold.
pub struct Readiness {
    provider: Arc<dyn Provider>,
    sign_in: Arc<SignIn>,
    journal: Arc<Journal>,
    // Held while the engine is asked, so that a crowd asks once.
    last: Mutex<Option<(Instant, bool)>>,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readiness")
    }
}

impl Readiness {
    /// Looks at these.
    pub fn new(provider: Arc<dyn Provider>, sign_in: Arc<SignIn>, journal: Arc<Journal>) -> Self {
        Self {
            provider,
            sign_in,
            journal,
            last: Mutex::default(),
        }
    }

    /// How things are.
    pub async fn look(&self) -> Report {
        Report {
            provider: self.provider_answers().await,
            keys: self.sign_in.is_healthy(),
            audit: self.journal.is_healthy(),
        }
    }

    async fn provider_answers(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((when, answered)) = *last
            && when.elapsed() < FRESH
        {
            return answered;
        }
        let answered = match tokio::time::timeout(PATIENCE, self.provider.health()).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                tracing::warn!(
                    error = error.internal(),
                    "not ready: the language model's engine doesn't answer"
                );
                false
            }
            Err(_elapsed) => {
                tracing::warn!("not ready: the language model's engine doesn't answer in time");
                false
            }
        };
        *last = Some((Instant::now(), answered));
        answered
    }
}
