//! The way back in: how a tool calls other tools for its caller.
//!
//! A model that asks for a tool has no rights of its own. Its wish goes through the same pipeline
//! as a call from outside, as the caller who asked the model: authenticated again, charged,
//! authorized and recorded with the id of the call it came from. Anything else would make the
//! server a confused deputy.
//!
//! The guard puts a funnel into the context of each tool call, so it lives as long as the call; a
//! call that came through a funnel gets none, so calls can't nest any deeper.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, Extensions, ListToolsResult,
        PaginatedRequestParams, RequestId, Tool,
    },
    service::RequestContext,
};

use super::{call::Arrival, guard::Guard, trace::Trace};

/// How many tools are listed at most, over all pages.
const MAX_TOOLS: usize = 256;

/// Lists and calls tools as the caller of a running call.
#[derive(Clone)]
pub struct Funnel {
    guard: Arc<dyn Callee>,
    arrival: Arrival,
    context: RequestContext<RoleServer>,
}

impl Funnel {
    /// A funnel for a call that arrived like this; `parent` is that call's id in the record.
    pub(super) fn new<H: ServerHandler>(
        guard: Guard<H>,
        arrival: &Arrival,
        context: &RequestContext<RoleServer>,
        parent: String,
    ) -> Self {
        let mut arrival = arrival.clone();
        // The refusal of a nested call is the outer call's result, not its HTTP status, and its
        // record is its own.
        (arrival.slot, arrival.ticket) = (None, None);
        arrival.parent = Some(parent.into());
        let id = RequestId::String(format!("{}/nested", context.id).into());
        let mut nested = RequestContext::new(id, context.peer.clone());
        nested.ct = context.ct.child_token();
        // What the caller said of itself, and nothing that would make a nested call speak to it.
        nested.meta = context.meta.clone();
        nested.meta.remove("progressToken");
        if let Some(trace) = context.extensions.get::<Trace>() {
            nested
                .meta
                .insert("traceparent".to_owned(), trace.header().into());
        }
        Self {
            guard: Arc::new(guard),
            arrival,
            context: nested,
        }
    }

    /// The funnel of a call, where it has one.
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Self>()
    }

    /// The tools that the caller may use, as `tools/list` shows them.
    ///
    /// # Errors
    /// What the pipeline or the handler says.
    pub async fn tools(&self) -> Result<Vec<Tool>, ErrorData> {
        let mut tools = Vec::new();
        let mut page = None;
        loop {
            let listed = self.guard.list(page, self.context()).await?;
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
        self.guard.call(params, self.context()).await
    }

    fn context(&self) -> RequestContext<RoleServer> {
        let mut context = self.context.clone();
        context.extensions.insert(self.arrival.clone());
        context
    }
}

impl fmt::Debug for Funnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Funnel({:?})", self.arrival.parent)
    }
}

/// A guard whose handler's type is gone.
trait Callee: Send + Sync {
    fn list(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<ListToolsResult, ErrorData>>;

    fn call(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<CallToolResponse, ErrorData>>;
}

impl<H: ServerHandler> Callee for Guard<H> {
    fn list(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<ListToolsResult, ErrorData>> {
        Box::pin(self.list_tools(page, context))
    }

    fn call(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<CallToolResponse, ErrorData>> {
        Box::pin(self.call_tool(params, context))
    }
}
