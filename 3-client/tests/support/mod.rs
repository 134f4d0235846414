//! A scripted MCP server for the tests: real HTTP on a free port, rmcp's own server, a chat that says
//! what the question tells it to.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::unused_async,
    reason = "shared by test files, each of which uses its own part of the script; a panic is the report"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation, ListPromptsResult,
    ListResourcesResult, ListToolsResult, MetaObject, NotificationMetaObject,
    PaginatedRequestParams, ProgressNotificationParam, Prompt, PromptArgument, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, Role, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What the tests look at from outside.
#[derive(Clone, Default)]
pub struct Seen {
    pub cancelled: Arc<Notify>,
    pub streaming: Arc<Notify>,
    pub calls: Arc<AtomicU32>,
    /// HTTP requests, whatever they ask.
    pub requests: Arc<AtomicU32>,
    pub description: Arc<std::sync::Mutex<String>>,
    /// How many messages the newest question came with.
    pub messages: Arc<std::sync::Mutex<usize>>,
    /// When the first piece of the newest answer was sent.
    pub first_piece: Arc<std::sync::Mutex<Option<std::time::Instant>>>,
}

#[derive(Clone)]
struct Script {
    seen: Seen,
}

fn schema(value: Value) -> Arc<serde_json::Map<String, Value>> {
    Arc::new(value.as_object().cloned().unwrap_or_default())
}

fn last_user(arguments: &Value) -> String {
    let messages = arguments["messages"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    messages
        .iter()
        .rev()
        .find(|m| m["role"] == "user")
        .and_then(|m| m["content"].as_str())
        .unwrap_or_default()
        .to_owned()
}

impl Script {
    async fn delta(
        &self,
        context: &RequestContext<RoleServer>,
        n: f64,
        kind: Option<&str>,
        text: &str,
    ) {
        let Some(token) = context.meta.get_progress_token() else {
            return;
        };
        let mut param = ProgressNotificationParam::new(token, n).with_message(text);
        if let Some(kind) = kind {
            let mut meta = NotificationMetaObject::new();
            meta.0.insert("learn-mcp/kind".into(), json!(kind));
            param.meta = Some(meta);
        }
        let _ = context.peer.notify_progress(param).await;
    }

    async fn chat(
        &self,
        arguments: Value,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let question = last_user(&arguments);
        *self.seen.messages.lock().unwrap() = arguments["messages"].as_array().map_or(0, Vec::len);
        let result_of_tool = arguments["messages"]
            .as_array()
            .and_then(|m| m.last())
            .filter(|m| m["role"] == "tool")
            .cloned();
        let mut calls = json!([]);
        if question == "again and again"
            && arguments["tools"].as_array().is_some_and(|t| !t.is_empty())
        {
            calls = json!([{"id": "call-1", "name": "echo", "arguments": {"message": "that is enough"}}]);
            let structured = json!({"provider": "tutor", "message": {"role": "assistant", "content": "", "tool_calls": calls}});
            return Ok(CallToolResult::structured(structured));
        }
        let text = if let Some(result) = result_of_tool {
            format!(
                "The tool said: {}",
                result["content"].as_str().unwrap_or_default()
            )
        } else if let Some(words) = question.strip_prefix("echo ") {
            calls = json!([{"id": "call-1", "name": "echo", "arguments": {"message": words}}]);
            String::new()
        } else if question == "unknown tool" {
            calls = json!([{"id": "call-1", "name": "rm-rf", "arguments": {}}]);
            String::new()
        } else if question == "throttle" {
            let data = json!({"reason": "rate_limited", "retry_after_ms": 4000});
            return Err(ErrorData::new(
                rmcp::model::ErrorCode(429),
                "too many calls this minute",
                Some(data),
            ));
        } else if question == "forbidden" {
            let data =
                json!({"reason": "insufficient_scope", "required_scopes": ["tools:ollama:chat"]});
            return Err(ErrorData::new(
                rmcp::model::ErrorCode(403),
                "this key may not chat",
                Some(data),
            ));
        } else if question == "endless" {
            let mut n = 0.0;
            loop {
                self.delta(&context, n, None, "more ").await;
                n += 1.0;
                if n == 3.0 {
                    self.seen.streaming.notify_one();
                }
                tokio::select! {
                    () = context.ct.cancelled() => {
                        self.seen.cancelled.notify_one();
                        return Ok(CallToolResult::success(vec![ContentBlock::text("stopped")]));
                    }
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
            }
        } else if question == "markdown" {
            include_str!("answer.md").to_owned()
        } else if question == "hostile" {
            "a\u{1b}[31mred\u{1b}]0;title\u{7} \u{202e}txet \u{9b}2J".to_owned()
        } else {
            format!("You said: {question}. Here are a few more words, one after the other.")
        };
        *self.seen.first_piece.lock().unwrap() = Some(std::time::Instant::now());
        if question == "think" {
            self.delta(&context, 0.5, Some("thinking"), "Let me think.")
                .await;
        }
        if question == "tools inside" {
            self.delta(&context, 0.6, Some("tool"), "weather-get").await;
            self.delta(&context, 0.7, Some("not invented yet"), "?")
                .await;
        }
        let mut n = 1.0;
        for piece in text.split_inclusive(' ') {
            self.delta(&context, n, Some("content"), piece).await;
            n += 1.0;
            if question == "slow" || question == "markdown" {
                tokio::time::sleep(Duration::from_millis(if question == "slow" {
                    120
                } else {
                    15
                }))
                .await;
            }
        }
        let structured = json!({
            "provider": "tutor",
            "model": "tutor",
            "message": {"role": "assistant", "content": text, "tool_calls": calls},
            "done_reason": "stop",
            "usage": {"prompt_tokens": 10, "completion_tokens": n as u64},
            "timings": {"total_ms": 50.0, "answer_ms": 40.0, "first_token_ms": 3.0},
            "context": {"used": 40, "size": 4096},
        });
        let mut result = CallToolResult::structured(structured);
        result.content = vec![ContentBlock::text(text)];
        Ok(result)
    }
}

impl ServerHandler for Script {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder()
                .enable_tools()
                .enable_resources()
                .enable_prompts()
                .build(),
        )
        .with_server_info(Implementation::new("scripted", "1.0"))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let message = schema(
            json!({"type": "object", "properties": {"message": {"type": "string", "description": "What to say back"}}, "required": ["message"]}),
        );
        let city = schema(
            json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
        );
        let any = schema(json!({"type": "object"}));
        let mut description = self.seen.description.lock().unwrap().clone();
        if description.is_empty() {
            description = "Says the message back".into();
        }
        let mut scope = MetaObject::new();
        scope
            .0
            .insert("learn-mcp/scope".into(), json!("tools:util:echo"));
        Ok(ListToolsResult::with_all_items(vec![
            Tool::new("echo", description, message)
                .annotate(ToolAnnotations::new().read_only(true).idempotent(true))
                .with_meta(scope),
            Tool::new("weather-get", "The weather in a city", city)
                .annotate(ToolAnnotations::new().read_only(true).open_world(true)),
            Tool::new("ollama-chat", "Chats", any.clone()),
            Tool::new("ollama-list-models", "Lists the models", any),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        match request.name.as_ref() {
            "echo" => {
                self.seen.calls.fetch_add(1, Ordering::SeqCst);
                let text = arguments["message"].as_str().ok_or_else(|| ErrorData::invalid_params("message is missing", None))?;
                Ok(CallToolResult::success(vec![ContentBlock::text(text.to_owned())]).into())
            }
            "weather-get" => Ok(CallToolResult::error(vec![ContentBlock::text("the weather service can't be reached")]).into()),
            "ollama-list-models" => Ok(CallToolResult::structured(json!({"provider": "tutor", "default_model": "tutor", "models": [{"name": "tutor"}]})).into()),
            "ollama-chat" => self.chat(arguments, context).await.map(Into::into),
            other => Err(ErrorData::invalid_params(format!("unknown tool {other}"), None)),
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![
            Resource::new("config://server", "server")
                .with_description("The server's settings")
                .with_mime_type("application/json"),
        ]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(ReadResourceResult::new(vec![ResourceContents::text(
            "{\"transport\": \"http\"}",
            request.uri,
        )])
        .into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let argument = PromptArgument::new("concept")
            .with_description("What to explain")
            .with_required(true);
        Ok(ListPromptsResult::with_all_items(vec![Prompt::new(
            "explain-concept",
            Some("Explains one concept"),
            Some(vec![argument]),
        )]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let concept = request
            .arguments
            .as_ref()
            .and_then(|a| a.get("concept"))
            .and_then(Value::as_str)
            .unwrap_or("MCP")
            .to_owned();
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(
            Role::User,
            format!("Explain {concept} in plain words."),
        )])
        .into())
    }
}

/// A running scripted server.
pub struct Server {
    pub url: String,
    pub seen: Seen,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(key: Option<&'static str>) -> Self {
        Self::start_on(key, 0).await
    }

    pub async fn start_on(key: Option<&'static str>, port: u16) -> Self {
        let seen = Seen::default();
        let script = Script { seen: seen.clone() };
        let stop = CancellationToken::new();
        let mut config = StreamableHttpServerConfig::default();
        config.cancellation_token = stop.clone();
        let service: StreamableHttpService<Script, LocalSessionManager> =
            StreamableHttpService::new(move || Ok(script.clone()), Arc::default(), config);
        let app =
            Router::new()
                .nest_service("/mcp", service)
                .layer(middleware::from_fn_with_state(
                    (key, seen.requests.clone()),
                    guard,
                ));
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .expect("a free port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let token = stop.clone();
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app)
                .with_graceful_shutdown(async move { token.cancelled().await })
                .await;
        });
        Self {
            url,
            seen,
            stop,
            task,
        }
    }

    /// Ends the server at once, connections and all.
    pub async fn kill(self) {
        self.stop.cancel();
        self.task.abort();
        let _ = self.task.await;
    }

    pub fn port(&self) -> u16 {
        self.url
            .split(':')
            .nth(2)
            .and_then(|s| s.split('/').next())
            .and_then(|p| p.parse().ok())
            .expect("a port")
    }
}

/// Refuses a wrong key as the project's server does: the status, and a JSON-RPC error as the body.
async fn guard(
    State((key, requests)): State<(Option<&'static str>, Arc<AtomicU32>)>,
    request: Request,
    next: Next,
) -> Response {
    requests.fetch_add(1, Ordering::SeqCst);
    let given = request
        .headers()
        .get("authorization")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "));
    if key.is_none() || given == key {
        return next.run(request).await;
    }
    let body = json!({"jsonrpc": "2.0", "id": null, "error": {"code": 401, "message": "the key is unknown", "data": {"reason": "unknown_key"}}});
    (
        StatusCode::UNAUTHORIZED,
        [
            ("content-type", "application/json"),
            ("www-authenticate", "Bearer"),
        ],
        body.to_string(),
    )
        .into_response()
}

/// The same script over HTTP+SSE, the transport of 2024-11-05.
pub async fn start_legacy() -> String {
    type Sessions =
        Arc<tokio::sync::Mutex<Vec<tokio::sync::mpsc::Sender<rmcp::model::ClientJsonRpcMessage>>>>;

    async fn open(State(sessions): State<Sessions>) -> Response {
        use futures_util::{StreamExt as _, sink, stream};
        use rmcp::ServiceExt as _;
        use rmcp::model::ServerJsonRpcMessage;
        let (to_client, outgoing) = tokio::sync::mpsc::channel::<ServerJsonRpcMessage>(64);
        let (from_client, incoming) = tokio::sync::mpsc::channel(64);
        let number = {
            let mut sessions = sessions.lock().await;
            sessions.push(from_client);
            sessions.len() - 1
        };
        let sink = Box::pin(sink::unfold(to_client, |sender, message| async move {
            sender.send(message).await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(sender)
        }));
        let stream = Box::pin(stream::unfold(incoming, |mut receiver| async move {
            receiver.recv().await.map(|m| (m, receiver))
        }));
        tokio::spawn(async move {
            if let Ok(running) = (Script {
                seen: Seen::default(),
            })
            .serve((sink, stream))
            .await
            {
                let _ = running.waiting().await;
            }
        });
        let first = format!("event: endpoint\ndata: /messages?session={number}\n\n");
        let events = stream::unfold(outgoing, |mut receiver| async move {
            let message = receiver.recv().await?;
            Some((
                format!(
                    "event: message\ndata: {}\n\n",
                    serde_json::to_string(&message).ok()?
                ),
                receiver,
            ))
        });
        let body = stream::once(async move { first })
            .chain(events)
            .map(Ok::<_, std::convert::Infallible>);
        (
            [("content-type", "text/event-stream")],
            axum::body::Body::from_stream(body),
        )
            .into_response()
    }

    async fn post(State(sessions): State<Sessions>, request: Request) -> StatusCode {
        let number: usize = request
            .uri()
            .query()
            .and_then(|q| q.strip_prefix("session="))
            .and_then(|n| n.parse().ok())
            .unwrap_or(usize::MAX);
        let Ok(body) = axum::body::to_bytes(request.into_body(), 1 << 20).await else {
            return StatusCode::BAD_REQUEST;
        };
        let Some(sender) = sessions.lock().await.get(number).cloned() else {
            return StatusCode::NOT_FOUND;
        };
        let Ok(message) = serde_json::from_slice(&body) else {
            return StatusCode::BAD_REQUEST;
        };
        match sender.send(message).await {
            Ok(()) => StatusCode::ACCEPTED,
            Err(_) => StatusCode::NOT_FOUND,
        }
    }

    let app = Router::new()
        .route("/sse", axum::routing::get(open))
        .route("/messages", axum::routing::post(post))
        .with_state(Sessions::default());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/sse", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}
