//! It refuses tool calls and nothing else, and says when to come back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
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
    async fn check(&self, call: &CallInfo, _arguments: Option<&JsonObject>) -> Result<(), Denial> {
        if call.tool().is_some() && self.on.load(Ordering::Relaxed) {
            return Err(Denial {
                retry_after: Some(Duration::from_secs(60)),
                ..Denial::new(
                    DenialKind::Unavailable,
                    "maintenance: no tool runs, try again in a minute",
                )
            });
        }
        Ok(())
    }
}

/// The pipeline with the rule in it.
pub fn with(rule: &Maintenance, pipeline: PipelineBuilder) -> PipelineBuilder {
    pipeline.rule(rule.clone())
}
