//! The way back in: how a tool calls other tools for its caller.
//!
//! A model that asks for a tool has no rights of its own. Its wish goes through the same pipeline
//! as a call from outside, as the caller who asked the model: authenticated again, charged,
//! authorized and recorded with the id of the call it came from. Anything else would make the
//! server a confused deputy.
//!
//! The guard leaves an entrance in the context of each tool call, from which a tool makes a funnel if
//! it wants one: few do, and most calls pay only for the entrance. A call that came through a funnel
//! gets none, so calls can't nest any deeper.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, ListToolsResult, PaginatedRequestParams,
        RequestId, Tool,
    },
    service::RequestContext,
};

use super::{call::Arrival, guard::Core, operations as op, trace::Trace};

/// How many tools are listed at most, over all pages.
const MAX_TOOLS: usize = 256;

/// Lists and calls tools as the caller of a running call.
#[derive(Clone)]
pub struct Funnel {
    guard: Arc<dyn Callee>,
    context: RequestContext<RoleServer>,
}

/// What a funnel is made from. It lies in the extensions of a tool call, and lives as long as it.
#[derive(Clone)]
pub(super) struct Entrance {
    guard: Arc<dyn Callee>,
    arrival: Arrival,
    id: u64,
}

impl Entrance {
    /// An entrance for a call that arrived like this; `id` is its number in this process.
    pub(super) fn new<H: ServerHandler>(guard: Arc<Core<H>>, arrival: Arrival, id: u64) -> Self {
        Self { guard, arrival, id }
    }
}

impl Funnel {
    /// The funnel of a call, where it may have one.
    pub fn of(call: &RequestContext<RoleServer>) -> Option<Self> {
        let entrance = call.extensions.get::<Entrance>()?;
        let mut arrival = entrance.arrival.clone();
        // The refusal of a nested call is the outer call's result, not its HTTP status, and its
        // record is its own.
        (arrival.slot, arrival.ticket) = (None, None);
        arrival.parent = Some(super::audit::id_in_record(entrance.id).into());
        let id = RequestId::String(format!("{}/nested", call.id).into());
        let mut nested = RequestContext::new(id, call.peer.clone());
        nested.ct = call.ct.child_token();
        // What the caller said of itself, and nothing that would make a nested call speak to it.
        nested.meta = call.meta.clone();
        nested.meta.remove("progressToken");
        if let Some(trace) = call.extensions.get::<Trace>() {
            nested
                .meta
                .insert("traceparent".to_owned(), trace.header().into());
        }
        nested.extensions.insert(arrival);
        Some(Self {
            guard: Arc::clone(&entrance.guard),
            context: nested,
        })
    }

    /// The tools that the caller may use, as `tools/list` shows them.
    ///
    /// # Errors
    /// What the pipeline or the handler says.
    pub async fn tools(&self) -> Result<Vec<Tool>, ErrorData> {
        let mut tools = Vec::new();
        let mut page = None;
        loop {
            let listed = Arc::clone(&self.guard)
                .list(page, self.context.clone())
                .await?;
            tools.extend(listed.tools);
            match listed.next_cursor {
                Some(cursor) if tools.len() < MAX_TOOLS => {
                    page = Some(PaginatedRequestParams::default().with_cursor(Some(cursor)));
                }
                _ => break,
            }
        }
        tools.truncate(MAX_TOOLS);
        Ok(tools)
    }

    /// Calls a tool as the caller.
    ///
    /// # Errors
    /// What the pipeline or the handler says; a refusal has its code and reason.
    pub async fn call(&self, params: CallToolRequestParams) -> Result<CallToolResponse, ErrorData> {
        Arc::clone(&self.guard)
            .call(params, self.context.clone())
            .await
    }
}

impl fmt::Debug for Funnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrival = Arrival::of(&self.context.extensions);
        write!(f, "Funnel({:?})", arrival.map(|arrival| &arrival.parent))
    }
}

/// A guard whose handler's type is gone.
trait Callee: Send + Sync {
    fn list(
        self: Arc<Self>,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'static, Result<ListToolsResult, ErrorData>>;

    fn call(
        self: Arc<Self>,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'static, Result<CallToolResponse, ErrorData>>;
}

impl<H: ServerHandler> Callee for Core<H> {
    fn list(
        self: Arc<Self>,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'static, Result<ListToolsResult, ErrorData>> {
        Box::pin(async move {
            let arrival = Arrival::of(&context.extensions).cloned();
            self.pass::<op::ListTools>(arrival, page, context).await
        })
    }

    fn call(
        self: Arc<Self>,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'static, Result<CallToolResponse, ErrorData>> {
        Box::pin(async move {
            let arrival = Arrival::of(&context.extensions).cloned();
            self.pass::<op::CallTool>(arrival, params, context).await
        })
    }
}
