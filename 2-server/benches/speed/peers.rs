//! What the product is compared with. Each of these runs as a process of its own:
//! `speed serve raw`, `speed serve bare`…

use std::{io::Write as _, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use axum::{Json, Router, routing::post, serve::ListenerExt as _};
use mcp_server::{
    app::App,
    config::Config,
    interceptor::Guard,
    transport::{
        self,
        http::listener::{self, Bounds},
    },
};
use rmcp::{
    ErrorData, ServerHandler, ServiceExt as _,
    handler::server::{
        router::tool::{ToolRoute, ToolRouter},
        wrapper::Parameters,
    },
    model::{CallToolResult, ContentBlock, JsonObject, Tool},
    schemars::{self, JsonSchema},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Deserialize, JsonSchema)]
struct Input {
    message: String,
}

/// The same answer as the product's `echo`: text, and the same as data.
fn answer(input: Input) -> CallToolResult {
    let data = json!({ "message": &input.message });
    let mut result = CallToolResult::success(vec![ContentBlock::text(input.message)]);
    result.structured_content = Some(data);
    result
}

/// rmcp as its macros come: the router is made anew for each call.
#[derive(Debug, Clone)]
struct Macros;

#[tool_router]
impl Macros {
    #[tool(description = "Gives back the message.")]
    fn echo(&self, Parameters(input): Parameters<Input>) -> CallToolResult {
        answer(input)
    }
    // As many as the product has.
    #[tool(description = "Another.")]
    fn second(&self, Parameters(input): Parameters<Input>) -> CallToolResult {
        answer(input)
    }
    #[tool(description = "Another.")]
    fn third(&self, Parameters(input): Parameters<Input>) -> CallToolResult {
        answer(input)
    }
    #[tool(description = "Another.")]
    fn fourth(&self, Parameters(input): Parameters<Input>) -> CallToolResult {
        answer(input)
    }
}

#[tool_handler]
impl ServerHandler for Macros {}

/// Bare rmcp: the same tools, in a router that is built once and shared.
#[derive(Debug, Clone)]
struct Bare {
    router: Arc<ToolRouter<Macros>>,
}

impl Bare {
    fn new(tools: usize) -> Self {
        let mut router = Macros::tool_router();
        for number in router.list_all().len()..tools {
            let schema: JsonObject =
                JsonObject::from_iter([("type".to_owned(), Value::from("object"))]);
            let tool = Tool::new(format!("extra-{number}"), "One of many.", schema);
            router.add_route(ToolRoute::new_dyn(tool, |_context| {
                Box::pin(async { Ok(CallToolResult::default().into()) })
            }));
        }
        Self {
            router: Arc::new(router),
        }
    }
}

#[tool_handler(router = self.router)]
impl ServerHandler for Bare {
    async fn call_tool(
        &self,
        params: rmcp::model::CallToolRequestParams,
        context: rmcp::service::RequestContext<rmcp::RoleServer>,
    ) -> Result<rmcp::model::CallToolResponse, ErrorData> {
        let context = rmcp::handler::server::tool::ToolCallContext::new(&Macros, params, context);
        self.router.call(context).await
    }
}

/// Runs the server of this name, on a port of its choice, until it is killed.
pub async fn serve(name: &str, arguments: &[String]) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr().context("its address")?;
    // The line that the harness waits for; the product says the same.
    writeln!(std::io::stderr(), "listening on http://{address}/mcp")?;
    serve_on(listener, name, arguments).await
}

/// The same on a listener that is there already.
pub async fn serve_on(
    listener: TcpListener,
    name: &str,
    arguments: &[String],
) -> anyhow::Result<()> {
    let router = match (name, arguments) {
        ("raw", []) => Router::new().route("/mcp", post(raw)),
        ("bare", []) => streamable(Bare::new(4)),
        ("macros", []) => streamable(Macros),
        ("guarded", [config, tools]) => {
            let app = app(config)?;
            let guard = Guard::new(Bare::new(tools.parse()?), &app.pipeline);
            return interceptor(listener, &guard, &app).await;
        }
        ("product", [config]) => {
            let app = app(config)?;
            return interceptor(listener, &app.guard, &app).await;
        }
        _ => bail!("there is no server {name} with {arguments:?}"),
    };
    let listener = listener.tap_io(|stream| {
        // Without it an answer may wait 40 ms; where it fails the table shows that.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

/// Bare rmcp over standard input and output.
pub async fn serve_stdio() -> anyhow::Result<()> {
    Bare::new(4)
        .serve(rmcp::transport::stdio())
        .await?
        .waiting()
        .await?;
    Ok(())
}

/// rmcp over HTTP as its documentation shows it.
fn streamable(handler: impl ServerHandler + Clone) -> Router {
    let config = StreamableHttpServerConfig::default().with_json_response(true);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(handler.clone()), sessions, config);
    Router::new().route_service("/mcp", service)
}

fn app(config: &str) -> anyhow::Result<App> {
    let config = Config::load(Some(config.as_ref()), std::iter::empty())?;
    App::build(config, &|_name| None)
}

/// The product's transport and interceptor, around its own handler or around the bare one: the
/// second shows what the number of tools costs, and that the interceptor goes around any handler.
async fn interceptor<H: ServerHandler>(
    listener: TcpListener,
    guard: &Guard<H>,
    app: &App,
) -> anyhow::Result<()> {
    let settings = app.config.http_settings();
    let shutdown = CancellationToken::new();
    let (router, _) = transport::http::router(guard, &settings, shutdown.clone());
    let bounds = Bounds {
        connections: settings.max_connections,
        grace: Duration::from_secs(1),
    };
    listener::serve(None, listener, router, bounds, shutdown).await;
    Ok(())
}

/// What raw axum is asked: the same bytes, as far as the answer needs them.
#[derive(Deserialize)]
struct RawCall {
    id: u64,
    params: RawParams,
}

#[derive(Deserialize)]
struct RawParams {
    arguments: Input,
}

#[derive(Serialize)]
struct RawAnswer {
    jsonrpc: &'static str,
    id: u64,
    result: CallToolResult,
}

/// No MCP library at all: the limit of what a server on axum could do.
async fn raw(Json(call): Json<RawCall>) -> Json<RawAnswer> {
    Json(RawAnswer {
        jsonrpc: "2.0",
        id: call.id,
        result: answer(call.params.arguments),
    })
}
