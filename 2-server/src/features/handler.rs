//! The handler: what this server can do, behind the guard. It checks no permission; nothing reaches
//! it that hasn't passed the pipeline.

use std::{collections::HashMap, sync::Arc};

use mcp_llm::Provider;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, Extensions,
        GetPromptRequestParams, GetPromptResponse, Icon, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        Prompt, ReadResourceRequestParams, ReadResourceResponse, Reference, Resource,
        ResourceTemplate, ServerCapabilities, ServerConfig, SubscribeRequestParams,
        SubscriptionFilter, Tool, UnsubscribeRequestParams,
    },
    service::{RequestContext, SubscriptionContext},
};

use super::{
    changes::Changes,
    paging::page,
    prompts,
    resources::{self, Library},
    tools::{self, Registered, ToolContext},
};
use crate::{
    config::Config,
    interceptor::{Catalogue, Exchange, Journal, Principal},
};

/// How long a client may keep a list, in milliseconds. A client that listens hears of a change
/// before that.
const LIST_IS_FRESH: u64 = 60_000;

/// A small picture that hosts may show, as a data URI: nothing is fetched from anywhere.
const ICON: &str = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAxNiAxNiI+PHBhdGggZmlsbD0iI2I3NDEwZSIgZD0iTTggMSAyIDR2NGMwIDQgMyA2IDYgNyAzLTEgNi0zIDYtN1Y0eiIvPjxwYXRoIGZpbGw9Im5vbmUiIHN0cm9rZT0iI2ZmZiIgc3Ryb2tlLXdpZHRoPSIxLjUiIGQ9Im01IDggMiAyIDQtNCIvPjwvc3ZnPg==";

/// The product's own handler. Built once and shared by every session.
#[derive(Debug)]
pub struct Handler {
    info: ServerConfig,
    tools: HashMap<String, Registered>,
    library: Library,
    changes: Arc<Changes>,
    provider: Shown,
    // In a fixed order, as the specification wants lists.
    listed_tools: Vec<Tool>,
    listed_resources: Vec<Resource>,
    listed_templates: Vec<ResourceTemplate>,
    listed_prompts: Vec<Prompt>,
}

struct Shown(Arc<dyn Provider>);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Handler {
    /// A handler with every tool, resource and prompt.
    ///
    /// # Errors
    /// When a tool can't be made; the text says which and why.
    pub fn new(
        config: &Arc<Config>,
        provider: &Arc<dyn Provider>,
        journal: &Arc<Journal>,
    ) -> Result<Self, String> {
        let tools = tools::all(config, provider)?;
        Ok(Self {
            info: info(),
            library: Library::new(
                Arc::clone(config),
                Arc::clone(provider),
                Arc::clone(journal),
            ),
            changes: Changes::new(Arc::clone(journal)),
            provider: Shown(Arc::clone(provider)),
            listed_tools: tools.iter().map(|tool| tool.definition.clone()).collect(),
            listed_resources: resources::all(),
            listed_templates: resources::templates(),
            listed_prompts: prompts::list(),
            tools: tools
                .into_iter()
                .map(|tool| (tool.definition.name.to_string(), tool))
                .collect(),
        })
    }

    /// The tools' names.
    pub fn tool_names(&self) -> impl Iterator<Item = &str> {
        self.listed_tools.iter().map(|tool| &*tool.name)
    }

    /// What each operation needs, for the pipeline. Resources and prompts follow the rule of names.
    pub fn catalogue(&self) -> Catalogue {
        self.tools
            .values()
            // A model that could ask for a model would never stop.
            .fold(
                Catalogue::new().closed_to_models("ollama-"),
                |catalogue, tool| catalogue.tool(&tool.definition.name, tool.scope.clone()),
            )
    }
}

/// What a client learns of the server. That lists change with rights, the guard adds.
fn info() -> ServerConfig {
    let offers = ServerCapabilities::builder()
        .enable_tools()
        .enable_resources()
        .enable_resources_subscribe()
        .enable_prompts()
        .enable_completions();
    let icon = Icon::new(ICON)
        .with_mime_type("image/svg+xml")
        .with_sizes(vec!["any".to_owned()]);
    ServerConfig::new(offers.build())
        .with_server_info(
            Implementation::new("mcp-server", env!("CARGO_PKG_VERSION"))
                .with_title("Learn MCP, in Rust")
                .with_icons(vec![icon]),
        )
        .with_instructions(
            "A local language model behind MCP (ollama-chat), the weather, and an echo. \
             The pages that teach MCP are resources (docs://…); audit://me shows what was recorded \
             of you. Each call is authenticated, limited, authorized and recorded.",
        )
}

type Page = Option<PaginatedRequestParams>;
type Request = RequestContext<RoleServer>;

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        self.info.clone()
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.get(name).map(|tool| tool.definition.clone())
    }

    // Tools.
    async fn list_tools(
        &self,
        params: Page,
        _context: Request,
    ) -> Result<ListToolsResult, ErrorData> {
        let (tools, next) = page(&self.listed_tools, params.as_ref())?;
        let mut list = ListToolsResult::with_all_items(tools).with_ttl_ms(LIST_IS_FRESH);
        list.next_cursor = next;
        Ok(list)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: Request,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool = self.tools.get(&*params.name).ok_or_else(|| {
            ErrorData::invalid_params(format!("unknown tool: {}", cut(&params.name)), None)
        })?;
        let context = ToolContext {
            caller: Arc::clone(caller(&context.extensions)?.label()),
            request: context,
        };
        Ok(tool
            .call(params.arguments.unwrap_or_default(), context)
            .await?
            .into())
    }

    // Resources.
    async fn list_resources(
        &self,
        params: Page,
        _context: Request,
    ) -> Result<ListResourcesResult, ErrorData> {
        let (resources, next) = page(&self.listed_resources, params.as_ref())?;
        let mut list = ListResourcesResult::with_all_items(resources).with_ttl_ms(LIST_IS_FRESH);
        list.next_cursor = next;
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        params: Page,
        _context: Request,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let (templates, next) = page(&self.listed_templates, params.as_ref())?;
        let list = ListResourceTemplatesResult::with_all_items(templates);
        let mut list = list.with_ttl_ms(LIST_IS_FRESH);
        list.next_cursor = next;
        Ok(list)
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: Request,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let transport = Exchange::of(&context.extensions).map_or("unknown", Exchange::transport);
        let reader = caller(&context.extensions)?;
        let read = self.library.read(&params.uri, Some(&reader), transport);
        Ok(read.await?.into())
    }

    // Prompts, and completion for both.
    async fn list_prompts(
        &self,
        params: Page,
        _context: Request,
    ) -> Result<ListPromptsResult, ErrorData> {
        let (prompts, next) = page(&self.listed_prompts, params.as_ref())?;
        let mut list = ListPromptsResult::with_all_items(prompts).with_ttl_ms(LIST_IS_FRESH);
        list.next_cursor = next;
        Ok(list)
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        _context: Request,
    ) -> Result<GetPromptResponse, ErrorData> {
        Ok(prompts::get(&params.name, params.arguments.as_ref())?.into())
    }

    async fn complete(
        &self,
        params: CompleteRequestParams,
        _context: Request,
    ) -> Result<CompleteResult, ErrorData> {
        let named = &params.argument;
        let choices = match &params.r#ref {
            Reference::Prompt(prompt) => prompts::choices(&prompt.name, &named.name)?,
            Reference::Resource(template) => resources::choices(&template.uri, &named.name)?,
            _ => None,
        };
        let choices = choices
            .ok_or_else(|| ErrorData::invalid_params("it has no argument of that name", None))?;
        choices.propose(&named.value, &*self.provider.0).await
    }

    // What changes: a stream since 2026-07-28, sessions before.
    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(Changes::accepted(requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let reader = caller(&context.request_context().extensions)?;
        self.changes.listen(&context, &reader).await;
        Ok(())
    }

    #[allow(deprecated, reason = "older versions subscribe so")]
    async fn subscribe(
        &self,
        params: SubscribeRequestParams,
        context: Request,
    ) -> Result<(), ErrorData> {
        self.change_subscription(&params.uri, &context, true)
    }

    #[allow(deprecated, reason = "older versions subscribe so")]
    async fn unsubscribe(
        &self,
        params: UnsubscribeRequestParams,
        context: Request,
    ) -> Result<(), ErrorData> {
        self.change_subscription(&params.uri, &context, false)
    }
}

impl Handler {
    fn change_subscription(
        &self,
        uri: &str,
        context: &Request,
        wanted: bool,
    ) -> Result<(), ErrorData> {
        let reader = caller(&context.extensions)?;
        self.changes.subscribe(&context.peer, reader, uri, wanted)
    }
}

/// Who makes the call, with the rights that it has now.
fn caller(extensions: &Extensions) -> Result<Principal, ErrorData> {
    let caller = Exchange::of(extensions).and_then(Exchange::principal);
    caller.ok_or_else(|| ErrorData::internal_error("a call without a caller", None))
}

/// What a caller sent is given back in short: an error must not cost more than the mistake.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
