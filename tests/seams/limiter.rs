//! A limit that is counted somewhere else: it takes time, and it can be away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mcp_server::{
    interceptor::{
        Charge, Denial, DenialKind, Limit, LimitSettings, Permit, Principal, Rate,
        limit::{FailureMode, Guarded, LocalLimit},
    },
    transport::HttpSettings,
};
use serde_json::json;

use crate::support::{Server, odd::Odd};

const HEALTHY: u8 = 0;
const AWAY: u8 = 1;
const HANGING: u8 = 2;

/// Gives each caller three calls, for all servers that ask it.
#[derive(Debug, Default)]
struct Counter {
    asked: AtomicU32,
    left: AtomicU32,
    running: Arc<AtomicU32>,
    health: AtomicU8,
}

/// A place that the counter gave.
struct Lease(Arc<AtomicU32>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Limit for Counter {
    fn limits(&self, _tool: &str) -> bool {
        false
    }

    async fn charge(&self, _who: &Principal, what: Charge<'_>) -> Result<Permit, Denial> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        match self.health.load(Ordering::SeqCst) {
            AWAY => return Err(Denial::new(DenialKind::Unavailable, "the counter is away")),
            HANGING => std::future::pending().await,
            _ => {}
        }
        if what != Charge::Call {
            return Ok(Permit::default());
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let take = |left: u32| left.checked_sub(1);
        match self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
        {
            Ok(before) => {
                self.running.fetch_add(1, Ordering::SeqCst);
                let lease = Lease(Arc::clone(&self.running));
                Ok(Permit::new(Some(before - 1)).holding(lease))
            }
            Err(_none) => Err(Denial::throttled("no more", Duration::from_secs(7))),
        }
    }
}

async fn server(counter: &Arc<Counter>, mode: FailureMode) -> Server {
    let deadline = Duration::from_millis(200);
    let limit = Guarded::new(Arc::clone(counter) as _, deadline, mode);
    // The one arm.
    Server::guarding(
        Odd::default(),
        |it| it.limit(Arc::new(limit)),
        HttpSettings::default(),
    )
    .await
}

#[tokio::test]
async fn a_budget_that_is_counted_elsewhere_is_charged_once_a_call_and_given_back() {
    let counter = Arc::new(Counter::default());
    counter.left.store(3, Ordering::SeqCst);
    let server = server(&counter, FailureMode::Closed).await;
    let ada = server.client("ada");
    for left in [2, 1, 0] {
        assert_eq!(ada.call("echo", json!({})).await.status, 200);
        let recorded = |line: &serde_json::Value| line["budget_left"] == left;
        server.until_recorded(recorded).await;
    }
    let refused = ada.call("echo", json!({})).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), "7");
    assert_eq!(counter.asked.load(Ordering::SeqCst), 4);
    while counter.running.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.record().last().unwrap()["outcome"], "THROTTLED");
}

#[tokio::test]
async fn while_it_is_away_a_closed_one_refuses_and_a_local_one_counts_by_itself() {
    for health in [AWAY, HANGING] {
        let counter = Arc::new(Counter::default());
        counter.left.store(100, Ordering::SeqCst);
        counter.health.store(health, Ordering::SeqCst);
        let closed = server(&counter, FailureMode::Closed).await;
        let refused = closed.client("ada").call("echo", json!({})).await;
        assert_eq!(refused.status, 503, "{health}: {refused:?}");

        let share = LocalLimit::new(&LimitSettings {
            identity: Rate::new(1, 2).unwrap(),
            ..LimitSettings::default()
        });
        let local = server(&counter, FailureMode::Local(Box::new(share))).await;
        let ada = local.client("ada");
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(ada.call("echo", json!({})).await.status.as_u16());
        }
        assert_eq!(statuses, [200, 200, 429], "{health}");
        counter.health.store(HEALTHY, Ordering::SeqCst);
        assert_eq!(ada.call("echo", json!({})).await.status, 200, "{health}");
    }
}
