//! The handler: what this server can do, behind the guard. It checks no permission; nothing reaches
//! it that hasn't passed the pipeline.

use std::{collections::HashMap, sync::Arc};

use mcp_llm::Provider;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, Implementation, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};

use crate::{
    config::Config,
    interceptor::{Arrival, Catalogue},
    resources,
    tools::{self, Registered, ToolContext},
};

/// The product's own handler. Built once and shared by every session.
#[derive(Debug)]
pub struct Handler {
    config: Arc<Config>,
    info: ServerConfig,
    listed: Vec<Tool>,
    tools: HashMap<String, Registered>,
}

impl Handler {
    /// A handler with every tool and resource.
    ///
    /// # Errors
    /// When a tool can't be made; the text says which and why.
    pub fn new(config: Arc<Config>, provider: &Arc<dyn Provider>) -> Result<Self, String> {
        let tools = tools::all(&config, provider)?;
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .build();
        let info = ServerConfig::new(capabilities)
            .with_server_info(
                Implementation::new("mcp-server", env!("CARGO_PKG_VERSION"))
                    .with_title("Learn MCP, in Rust"),
            )
            .with_instructions(
                "A local language model behind MCP (ollama-chat), the weather, and an echo. \
                 Each call is authenticated, limited, authorized and recorded.",
            );
        Ok(Self {
            config,
            info,
            // In the order of the list: the specification wants lists in a fixed one.
            listed: tools.iter().map(|tool| tool.definition.clone()).collect(),
            tools: tools
                .into_iter()
                .map(|tool| (tool.definition.name.to_string(), tool))
                .collect(),
        })
    }

    /// What each operation needs, for the pipeline.
    pub fn catalogue(&self) -> Catalogue {
        self.tools
            .values()
            .fold(Catalogue::new(), |catalogue, tool| {
                catalogue.tool(&tool.definition.name, tool.scope.clone())
            })
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        self.info.clone()
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.get(name).map(|tool| tool.definition.clone())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.listed.clone()))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool = self.tools.get(&*params.name).ok_or_else(|| {
            ErrorData::invalid_params(format!("unknown tool: {}", cut(&params.name)), None)
        })?;
        let caller = arrival(&context)
            .and_then(|arrival| arrival.principal.as_ref())
            .map_or_else(|| "stdio".into(), |principal| Arc::clone(principal.label()));
        let context = ToolContext {
            caller,
            request: context,
        };
        Ok(tool
            .call(params.arguments.unwrap_or_default(), context)
            .await?
            .into())
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::all()))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let transport = arrival(&context).map_or("stdio", |arrival| arrival.transport);
        Ok(resources::read(&params.uri, &self.config, transport)?.into())
    }
}

fn arrival(context: &RequestContext<RoleServer>) -> Option<&Arrival> {
    Arrival::of(&context.extensions)
}

/// What a caller sent is given back in short: an error must not cost more than the mistake.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
