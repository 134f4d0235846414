//! The way back in: how a tool calls other tools for its caller.
//!
//! A model that asks for a tool has no rights of its own. Its wish goes through the same pipeline
//! as a call from outside, as the caller who asked the model: authenticated again, charged,
//! authorized and recorded with the id of the call it came from. Anything else would make the
//! server a confused deputy.
//!
//! The guard leaves an entry in the context of each tool call, from which a tool makes a way in if
//! it wants one: few do, and most calls pay only for the entry. A call that came this way
//! gets none, so calls can't nest any deeper.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, ListToolsResult, PaginatedRequestParams,
        RequestId, Tool,
    },
    service::RequestContext,
};

use super::{exchange::Exchange, protocol::trace::Trace};

/// How many tools are listed at most, over all pages.
const MAX_TOOLS: usize = 256;

/// Lists and calls tools as the caller of a running call.
#[derive(Clone)]
pub struct NestedCalls {
    guard: Arc<dyn ErasedGuard>,
    outer: Exchange,
    context: RequestContext<RoleServer>,
}

/// What makes nested calls possible. It lies in the extensions of a tool call, and lives as long as
/// it.
#[derive(Clone)]
pub(super) struct NestedEntry(pub(super) Arc<dyn ErasedGuard>);

impl NestedCalls {
    /// The nested calls of a call, where it may make some.
    pub fn of(call: &RequestContext<RoleServer>) -> Option<Self> {
        let NestedEntry(guard) = call.extensions.get::<NestedEntry>()?;
        let outer = Exchange::of(&call.extensions)?;
        Some(Self {
            guard: Arc::clone(guard),
            outer: outer.clone(),
            context: call.clone(),
        })
    }

    /// The context of one nested call: what the caller said of itself, and nothing that would make
    /// the call speak to it. Its exchange is its own, and so are its charge and its record.
    fn context(&self) -> RequestContext<RoleServer> {
        let call = &self.context;
        let id = RequestId::String(format!("{}/nested", call.id).into());
        let mut nested = RequestContext::new(id, call.peer.clone());
        nested.ct = call.ct.child_token();
        nested.meta = call.meta.clone();
        nested.meta.remove("progressToken");
        if let Some(trace) = call.extensions.get::<Trace>() {
            nested
                .meta
                .insert("traceparent".to_owned(), trace.header().into());
        }
        nested.extensions.insert(self.outer.nested());
        nested
    }

    /// The tools that the caller may use, as `tools/list` shows them.
    ///
    /// # Errors
    /// What the pipeline or the handler says.
    pub async fn tools(&self) -> Result<Vec<Tool>, ErrorData> {
        let mut tools = Vec::new();
        let mut page = None;
        loop {
            let listed = Arc::clone(&self.guard).list(page, self.context()).await?;
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
        Arc::clone(&self.guard).call(params, self.context()).await
    }
}

impl fmt::Debug for NestedCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NestedCalls({:?})", self.outer)
    }
}

/// A guard whose handler's type is gone.
pub(super) trait ErasedGuard: Send + Sync {
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
