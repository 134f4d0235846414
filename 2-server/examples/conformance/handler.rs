//! All the fixtures as one handler. It knows nothing of keys or scopes, but for whose a task is.
#![expect(
    deprecated,
    reason = "2026-07-28 deprecates logging; older versions have it"
)]

use std::sync::Arc;

use crate::{
    common::{Listeners, caller},
    content, conversation, input_required, prompts, resources, tasks,
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
        CompleteResult, GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult,
        Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
        SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{RequestContext, SubscriptionContext},
};

/// How long a list or a resource may be kept by the client.
pub(crate) const TTL_MS: u64 = 60_000;

/// The handler.
pub(crate) struct Fixtures {
    tools: Vec<Tool>,
    input: input_required::Rounds,
    tasks: tasks::Tasks,
    listeners: Arc<Listeners>,
}

impl Fixtures {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let tools = [
            content::tools(),
            conversation::tools(),
            input_required::tools(),
            tasks::tools(),
        ];
        Ok(Self {
            tools: tools.into_iter().flatten().collect(),
            input: input_required::Rounds::new()?,
            tasks: tasks::Tasks::default(),
            listeners: Arc::default(),
        })
    }
}

type Page = Option<PaginatedRequestParams>;
type Request = RequestContext<RoleServer>;

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .enable_completions()
            .enable_logging()
            .enable_tasks()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new(
                "conformance",
                env!("CARGO_PKG_VERSION"),
            ))
            .with_instructions("What the official conformance suite asks for, behind the guard.")
    }

    // The transport compares a call's headers with the tool's schema (`x-mcp-header`).
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_tools(
        &self,
        _page: Page,
        _context: Request,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.clone()).with_ttl_ms(TTL_MS))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: Request,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = params.arguments.clone().unwrap_or_default();
        if let Some(result) = content::call(&params.name, &arguments)? {
            return Ok(result.into());
        }
        if let Some(result) =
            conversation::call(&params.name, &arguments, &context, &self.listeners).await?
        {
            return Ok(result.into());
        }
        if let Some(response) = self.input.call(&params, &context)? {
            return Ok(response);
        }
        if let Some(response) = self.tasks.call(&params, &arguments, &context).await? {
            return Ok(response);
        }
        let unknown = format!("unknown tool: {}", params.name);
        Err(ErrorData::invalid_params(unknown, None))
    }

    async fn list_resources(
        &self,
        _page: Page,
        _context: Request,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::all()).with_ttl_ms(TTL_MS))
    }

    async fn list_resource_templates(
        &self,
        _page: Page,
        _context: Request,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()).with_ttl_ms(TTL_MS))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        _context: Request,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(resources::read(&params.uri)?.with_ttl_ms(TTL_MS).into())
    }

    // No resource here ever changes, so there is nothing to remember: a subscriber hears nothing.
    async fn subscribe(
        &self,
        params: SubscribeRequestParams,
        _context: Request,
    ) -> Result<(), ErrorData> {
        resources::read(&params.uri).map(drop)
    }

    async fn unsubscribe(
        &self,
        params: UnsubscribeRequestParams,
        _context: Request,
    ) -> Result<(), ErrorData> {
        resources::read(&params.uri).map(drop)
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let _listening = self.listeners.add(context.sink().clone());
        context.cancelled().await;
        Ok(())
    }

    async fn list_prompts(
        &self,
        _page: Page,
        _context: Request,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::all()).with_ttl_ms(TTL_MS))
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        _context: Request,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&params)
    }

    async fn complete(
        &self,
        params: CompleteRequestParams,
        _context: Request,
    ) -> Result<CompleteResult, ErrorData> {
        prompts::complete(&params)
    }

    // It says so little that there is nothing to leave out at any level.
    async fn set_level(
        &self,
        _params: SetLevelRequestParams,
        _context: Request,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn get_task(
        &self,
        params: GetTaskParams,
        context: Request,
    ) -> Result<GetTaskResult, ErrorData> {
        self.tasks.get(&params.task_id, &caller(&context)?)
    }

    async fn update_task(
        &self,
        params: UpdateTaskParams,
        context: Request,
    ) -> Result<(), ErrorData> {
        self.tasks.update(params, &caller(&context)?)
    }

    async fn cancel_task(
        &self,
        params: CancelTaskParams,
        context: Request,
    ) -> Result<(), ErrorData> {
        self.tasks.cancel(&params.task_id, &caller(&context)?)
    }
}
