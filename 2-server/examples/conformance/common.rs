//! What the fixtures share: how a tool is described and read, who calls, and who listens.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use mcp_server::interceptor::Exchange;
use rmcp::{
    ErrorData, RoleServer,
    model::{JsonObject, Tool, object},
    service::{RequestContext, SubscriptionSink},
};
use serde_json::Value;

/// A tool of the fixtures, with its input schema as JSON.
pub(crate) fn tool(name: &'static str, description: &'static str, schema: Value) -> Tool {
    Tool::new(name, description, object(schema))
}

/// The schema of a tool without arguments.
pub(crate) fn no_arguments() -> Value {
    serde_json::json!({ "type": "object", "properties": {} })
}

/// An argument that is a text.
pub(crate) fn text<'a>(arguments: &'a JsonObject, name: &str, default: &'a str) -> &'a str {
    arguments
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or(default)
}

/// Who calls, as the pipeline found out; what a caller began is only theirs.
pub(crate) fn caller(context: &RequestContext<RoleServer>) -> Result<Arc<str>, ErrorData> {
    Exchange::of(&context.extensions)
        .and_then(Exchange::principal)
        .map(|principal| Arc::clone(principal.label()))
        .ok_or_else(|| ErrorData::internal_error("the transport names no caller", None))
}

/// Who listens to changes (`subscriptions/listen`).
#[derive(Default)]
pub(crate) struct Listeners {
    next: AtomicU64,
    sinks: Mutex<HashMap<u64, SubscriptionSink>>,
}

impl Listeners {
    pub(crate) fn all(&self) -> Vec<SubscriptionSink> {
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.values().cloned().collect()
    }

    pub(crate) fn add(self: &Arc<Self>, sink: SubscriptionSink) -> Listening {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.insert(id, sink);
        Listening(Arc::clone(self), id)
    }
}

/// A place among the listeners. The pipeline drops the call when its caller is gone, so what must
/// happen then happens on drop.
pub(crate) struct Listening(Arc<Listeners>, u64);

impl Drop for Listening {
    fn drop(&mut self) {
        let mut sinks = self.0.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.remove(&self.1);
    }
}
