//! A handler that does what no good handler does: it panics, never ends, and hands out tasks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::*,
    service::{RequestContext, SubscriptionContext},
};
use serde_json::json;

#[derive(Clone, Default)]
pub struct Odd {
    /// How many calls reached it.
    pub reached: Arc<AtomicUsize>,
    tasks: Arc<AtomicUsize>,
}

impl Odd {
    pub fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

fn task(id: &str) -> Task {
    Task::new(
        id,
        TaskStatus::Working,
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z",
    )
}

impl ServerHandler for Odd {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .build();
        capabilities.extensions =
            serde_json::from_value(json!({ "io.modelcontextprotocol/tasks": {} })).unwrap();
        ServerConfig::new(capabilities)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = || {
            Arc::new(JsonObject::from_iter([(
                "type".to_owned(),
                json!("object"),
            )]))
        };
        let names = ["echo", "panic", "slow", "task"];
        Ok(ListToolsResult::with_all_items(
            names.map(|name| Tool::new(name, name, schema())).to_vec(),
        ))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.reached.fetch_add(1, Ordering::SeqCst);
        match &*params.name {
            "panic" => panic!("this tool is broken"),
            "slow" => std::future::pending().await,
            "task" => {
                let number = self.tasks.fetch_add(1, Ordering::SeqCst);
                Ok(CreateTaskResult::new(task(&format!("task-{number}"))).into())
            }
            _ => Ok(CallToolResult::success(vec![ContentBlock::text("here")]).into()),
        }
    }

    async fn get_task(
        &self,
        params: GetTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.reached.fetch_add(1, Ordering::SeqCst);
        Err(ErrorData::internal_error(
            format!("reached {}", params.task_id),
            None,
        ))
    }

    async fn update_task(
        &self,
        _params: UpdateTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.reached.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn cancel_task(
        &self,
        _params: CancelTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.reached.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        context.cancelled().await;
        Ok(())
    }
}
