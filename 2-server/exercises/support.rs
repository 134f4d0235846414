//! A host that launches a server and speaks raw messages to it, in memory: what the exercises send
//! and read is what passes over the wire.
#![allow(dead_code, reason = "each exercise uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::{borrow::Cow, time::Duration};

use mcp_server::{
    features::tools::{Registered, ToolContext},
    interceptor::{Grant, Grants, Guard, JournalSettings, Pipeline, PipelineBuilder},
    transport::{StdioSettings, stdio},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, ListToolsResult, PaginatedRequestParams,
        ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

/// A pipeline that lets one caller do this, and keeps no record.
pub fn allowing(grants: &[&str]) -> PipelineBuilder {
    let grants = grants.iter().map(|grant| Grant::parse(grant).unwrap());
    quiet().anonymous(Grants::new(grants.collect()))
}

/// A pipeline that lets nobody in yet, and keeps no record.
pub fn quiet() -> PipelineBuilder {
    Pipeline::builder().journal(JournalSettings::default())
}

/// A server that was launched, and the way to it.
pub struct Host {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    input: WriteHalf<DuplexStream>,
    asked: u64,
}

impl Host {
    /// Launches a handler behind the pipeline.
    pub fn launch<H: ServerHandler>(handler: H, pipeline: PipelineBuilder) -> Self {
        Self::launch_with_key(handler, pipeline, None)
    }

    /// The same, with a key in the server's environment.
    pub fn launch_with_key<H: ServerHandler>(
        handler: H,
        pipeline: PipelineBuilder,
        key: Option<&'static str>,
    ) -> Self {
        Self::launch_on(handler, &pipeline.build().unwrap(), key)
    }

    /// The same on a pipeline that was built already.
    pub fn launch_on<H: ServerHandler>(
        handler: H,
        pipeline: &Pipeline,
        key: Option<&'static str>,
    ) -> Self {
        let guard = Guard::new(handler, pipeline);
        let (near, far) = tokio::io::duplex(1 << 16);
        let stop = CancellationToken::new();
        let settings = StdioSettings {
            key: key.map(str::to_owned),
            max_line: 1 << 20,
        };
        tokio::spawn(
            async move { stdio::serve(guard, &settings, tokio::io::split(far), stop).await },
        );
        let (read, input) = tokio::io::split(near);
        Self {
            lines: BufReader::new(read).lines(),
            input,
            asked: 0,
        }
    }

    /// Sends a request as 2026-07-28 has it, and gives the whole response.
    pub async fn ask(&mut self, method: &str, mut params: Value) -> Value {
        self.asked += 1;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "exercise", "version": "0" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let id = self.asked;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let line = format!("{request}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.expect("an answer in time").unwrap().expect("a line");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        self.ask("tools/call", params).await
    }

    /// The names that a list shows.
    pub async fn list(&mut self, method: &str, list: &str, field: &str) -> Vec<String> {
        let answer = self.ask(method, json!({})).await;
        let items = answer["result"][list].as_array().unwrap().iter();
        items
            .map(|item| item[field].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A server that has nothing but these tools.
#[derive(Debug)]
pub struct Toolbox(pub Vec<Registered>);

impl ServerHandler for Toolbox {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.0.iter().map(|tool| tool.definition.clone());
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool = self
            .0
            .iter()
            .find(|tool| tool.definition.name == params.name);
        let tool = tool.ok_or_else(|| {
            ErrorData::invalid_params(format!("unknown tool: {}", params.name), None)
        })?;
        let context = ToolContext {
            caller: "host".into(),
            request: context,
        };
        let arguments = params.arguments.unwrap_or_default();
        Ok(tool.call(arguments, context).await?.into())
    }
}

/// A server whose tools do nothing and say so: good where only the way to them matters.
#[derive(Debug)]
pub struct Dummies(pub &'static [&'static str]);

impl ServerHandler for Dummies {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.0.iter().map(|name| dummy(name));
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if !self.0.contains(&&*params.name) {
            let said = format!("unknown tool: {}", params.name);
            return Err(ErrorData::invalid_params(said, None));
        }
        let done = rmcp::model::ContentBlock::text("done");
        Ok(rmcp::model::CallToolResult::success(vec![done]).into())
    }
}

/// A tool with this name.
pub fn dummy(name: &str) -> rmcp::model::Tool {
    let anything = serde_json::Map::from_iter([("type".to_owned(), json!("object"))]);
    rmcp::model::Tool::new(
        Cow::Owned(name.to_owned()),
        "does nothing",
        std::sync::Arc::new(anything),
    )
}
