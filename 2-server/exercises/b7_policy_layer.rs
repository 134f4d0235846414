//! # b7 · Write a rule
//!
//! Every message passes one pipeline, a tuple of layers. The innermost layer asks the rules that a
//! server adds: a `Rule` sees what is known of a call and lets it go on, or answers with a `Denial`.
//! Yours is for maintenance: while it is on, no tool runs, but people can still look at what there is.
//!
//! The first try below refuses too much, tells callers the wrong thing, and isn't in the pipeline.
//! `PipelineBuilder::rule` puts it there, innermost, so that it is asked only of callers that are
//! known, within their limits and allowed; what it refuses is recorded like any other refusal.
//!
//! - In the real code: `2-server/src/interceptor/pipeline.rs` (the order), `rules.rs` (`Rule`) and
//!   `tasks.rs` (a layer that decides both ways).
//! - Specification: none for maintenance. The codes are the project's (`denial.rs`): 403 says "ask
//!   for a right", 503 says "come back later".
#![allow(unreachable_pub, reason = "all of it is a test")]

mod support;

mod b7 {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use async_trait::async_trait;
    use mcp_server::interceptor::{CallInfo, Denial, DenialKind, PipelineBuilder, Rule};
    use rmcp::model::JsonObject;

    /// While it is on, no tool runs.
    #[derive(Clone)]
    pub struct Maintenance {
        pub on: Arc<AtomicBool>,
    }

    #[async_trait]
    impl Rule for Maintenance {
        async fn check(
            &self,
            _call: &CallInfo,
            _arguments: Option<&JsonObject>,
        ) -> Result<(), Denial> {
            if self.on.load(Ordering::Relaxed) {
                return Err(Denial::new(DenialKind::Forbidden, "not now"));
            }
            Ok(())
        }
    }

    /// The pipeline with the rule in it.
    pub fn with(_rule: &Maintenance, pipeline: PipelineBuilder) -> PipelineBuilder {
        pipeline
    }
}

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;

use crate::{
    b7::{Maintenance, with},
    support::{Dummies, Host, allowing},
};

#[tokio::test]
async fn during_maintenance_no_tool_runs_and_callers_know_when_to_come_back() {
    let on = Arc::new(AtomicBool::new(true));
    let rule = Maintenance {
        on: Arc::clone(&on),
    };
    let pipeline = with(&rule, allowing(&["tools:*"]));
    let mut host = Host::launch(Dummies(&["echo"]), pipeline);

    let refused = host.call("echo", json!({})).await;
    assert!(
        refused.get("error").is_some(),
        "maintenance is on, and the tool ran all the same: {}. The rule isn't in the pipeline yet",
        refused["result"]
    );
    let error = &refused["error"];
    assert_eq!(
        error["code"], 503,
        "the caller was told {error}. {} means that it lacks a right, and it would bother the operator \
         for one. It should come back later: Unavailable",
        error["code"]
    );
    let wait = error["data"]["retry_after_ms"].as_u64().unwrap_or_default();
    assert!(
        (1_000..=600_000).contains(&wait),
        "the caller was told {error}. Say when to come back, in `retry_after`: some minutes at most, or \
         clients give up; a second at least, or they knock all the time"
    );

    let listed = host.ask("tools/list", json!({})).await;
    assert!(
        listed.get("result").is_some(),
        "tools/list was refused too: {}. Maintenance is about running tools; what is known of a call says \
         whether it is a tool call",
        listed["error"]
    );

    on.store(false, Ordering::Relaxed);
    let again = host.call("echo", json!({})).await;
    assert!(
        again.get("result").is_some(),
        "maintenance is over, and the tool is still refused: {}",
        again["error"]
    );
}
