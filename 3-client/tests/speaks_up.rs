//! What a server says of its own accord: that a list or a resource changed, and questions in the
//! middle of a call. Each in the newest protocol and in an older one, over real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic in a test is its report"
)]

use std::sync::Arc;
use std::time::Duration;

use mcp_client::config::{Config, Given};
use mcp_client::link::{Hub, LinkEvent};
use mcp_client::session::question::{Answer, Asked};
use mcp_client::session::{Session, ToolResult};
use mcp_client::wire::WireLog;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientResult, ContentBlock,
    ElicitRequest, ElicitRequestParams, ErrorData, InputRequest, InputRequiredResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig,
    ServerRequest, SubscribeRequestParams, SubscriptionFilter, Tool,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

const OLDER: Option<&str> = Some("2025-06-18");
const NEWEST: Option<&str> = None;
const PAGE: &str = "docs://page";

/// A server whose one tool and one resource change with a number, and which asks for a size.
#[derive(Clone)]
struct Talkative {
    number: watch::Sender<u32>,
    listening: Arc<Notify>,
    stop: CancellationToken,
}

fn question() -> ElicitRequestParams {
    serde_json::from_value(json!({
        "mode": "form",
        "message": "Which size?",
        "requestedSchema": {"type": "object", "properties": {"size": {"type": "string"}}, "required": ["size"]},
    }))
    .unwrap()
}

/// A tool whose argument goes into a header as well, for whatever stands between.
fn ship() -> Tool {
    let schema = json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}});
    let schema = schema.as_object().cloned().unwrap();
    Tool::new("ship", "Ships a shirt", Arc::new(schema))
}

impl ServerHandler for Talkative {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder()
                .enable_tools()
                .enable_tool_list_changed()
                .enable_resources()
                .enable_resources_subscribe()
                .build(),
        )
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let about = format!("Makes a shirt, version {}", *self.number.borrow());
        let schema = Map::from_iter([("type".to_owned(), json!("object"))]);
        Ok(ListToolsResult::with_all_items(vec![
            Tool::new("shirt", about, Arc::new(schema)),
            ship(),
        ]))
    }

    // The transport compares a call's headers with the tool's schema.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        (name == "ship").then(ship)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name == "ship" {
            return Ok(CallToolResult::success(vec![ContentBlock::text("shipped")]).into());
        }
        let is_newest = context
            .protocol_version()
            .is_some_and(|v| v >= ProtocolVersion::V_2026_07_28);
        let answer = if !is_newest {
            let asked = ServerRequest::ElicitRequest(ElicitRequest::new(question()));
            match context.peer.send_request(asked).await {
                Ok(ClientResult::ElicitResult(answer)) => serde_json::to_value(answer).unwrap(),
                other => panic!("no answer: {other:?}"),
            }
        } else if let Some(answers) = request.input_responses {
            assert_eq!(request.request_state.as_deref(), Some("as it was"));
            answers["size"].clone()
        } else {
            let request = ElicitRequest::new(question());
            let requests = [("size".to_owned(), InputRequest::Elicitation(request))].into();
            return Ok(InputRequiredResult::new(Some(requests), Some("as it was".into())).into());
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(answer.to_string())]).into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![Resource::new(
            PAGE, "page",
        )]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let text = self.number.borrow().to_string();
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, request.uri)]).into())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut number = self.number.subscribe();
        self.listening.notify_one();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                _ = number.changed() => {}
            }
            // What the client didn't ask for is refused by the sink.
            let _ = context.sink().notify_tool_list_changed().await;
            let _ = context.sink().notify_resource_updated(PAGE).await;
        }
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let mut number = self.number.subscribe();
        self.listening.notify_one();
        while number.changed().await.is_ok() {
            let _ = context.peer.notify_tool_list_changed().await;
            let updated = ResourceUpdatedNotificationParam::new(PAGE);
            let _ = context.peer.notify_resource_updated(updated).await;
        }
    }

    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}

impl Talkative {
    async fn start() -> (Self, String) {
        let server = Self {
            number: watch::Sender::new(1),
            listening: Arc::default(),
            stop: CancellationToken::new(),
        };
        let handler = server.clone();
        let service: StreamableHttpService<Self, LocalSessionManager> =
            StreamableHttpService::new(move || Ok(handler.clone()), Arc::default(), {
                let mut config = StreamableHttpServerConfig::default();
                config.cancellation_token = server.stop.clone();
                config
            });
        let app = axum::Router::new().nest_service("/mcp", service);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let stop = server.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = axum::serve(listener, app) => {}
            }
        });
        (server, url)
    }

    async fn is_listened_to(&self) {
        soon(self.listening.notified()).await;
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

fn config(url: &str, version: Option<&str>) -> Config {
    let given = Given {
        url: Some(url.into()),
        protocol: version.map(str::to_owned),
        ..Given::default()
    };
    Config::load(&given, &|_| None).unwrap()
}

async fn session(url: &str, version: Option<&str>, asker: Option<mpsc::Sender<Asked>>) -> Session {
    let config = config(url, version);
    Session::connect_asking(
        &config.servers[0],
        config.limits,
        &WireLog::default(),
        asker,
    )
    .await
    .unwrap()
}

#[tokio::test]
async fn a_list_that_changes_is_read_again_without_being_asked_for() {
    for version in [NEWEST, OLDER] {
        let (server, url) = Talkative::start().await;
        let hub = Hub::new(&config(&url, version), &WireLog::default());
        let (sender, mut events) = mpsc::channel(16);
        let stop = CancellationToken::new();
        hub.start(&sender, &stop).detach_all();
        let mut described = async || loop {
            if let (_, LinkEvent::Ready(catalog, _)) = soon(events.recv()).await.unwrap() {
                return catalog.tools[0].description.clone();
            }
        };
        assert_eq!(described().await, "Makes a shirt, version 1", "{version:?}");
        server.is_listened_to().await;
        server.number.send_replace(2);
        assert_eq!(described().await, "Makes a shirt, version 2", "{version:?}");
        stop.cancel();
    }
}

#[tokio::test]
async fn a_server_that_goes_away_is_noticed_although_nothing_is_asked() {
    let (server, url) = Talkative::start().await;
    let hub = Hub::new(&config(&url, NEWEST), &WireLog::default());
    let (sender, mut events) = mpsc::channel(16);
    let stop = CancellationToken::new();
    hub.start(&sender, &stop).detach_all();
    server.is_listened_to().await;
    server.stop.cancel();
    loop {
        if let (_, LinkEvent::Down(failure, wait)) = soon(events.recv()).await.unwrap() {
            assert_eq!(failure.kind(), mcp_client::failure::Kind::Away, "{failure}");
            assert!(wait.is_some(), "it is tried again");
            break;
        }
    }
    stop.cancel();
}

#[tokio::test]
async fn a_watched_resource_is_heard_of_when_it_changes() {
    for version in [NEWEST, OLDER] {
        let (server, url) = Talkative::start().await;
        let session = session(&url, version, None).await;
        let mut updates = session.updates(PAGE).await.unwrap();
        server.is_listened_to().await;
        server.number.send_replace(2);
        assert!(soon(updates.next()).await, "{version:?}");
        let text = session.read(PAGE, &CancellationToken::new()).await.unwrap();
        assert_eq!(text, "2");
        soon(updates.end()).await;
    }
}

/// Calls the tool and answers its question.
async fn call(url: &str, version: Option<&str>, answer: Answer) -> (Asked, ToolResult) {
    let (asker, mut asked) = mpsc::channel(4);
    let session = session(url, version, Some(asker)).await;
    let cancel = CancellationToken::new();
    let call = Box::pin(session.call("shirt", Map::new(), None, &cancel));
    let reply = async {
        let mut question: Asked = asked.recv().await.unwrap();
        let (unused, _) = tokio::sync::oneshot::channel();
        let reply = std::mem::replace(&mut question.reply, unused);
        reply.send(answer).unwrap();
        question
    };
    let (result, question) = soon(async { tokio::join!(call, reply) }).await;
    (question, result.unwrap())
}

#[tokio::test]
async fn a_question_in_the_middle_of_a_call_reaches_the_person_and_the_answer_the_server() {
    let (_server, url) = Talkative::start().await;
    for version in [NEWEST, OLDER] {
        let size = Map::from_iter([("size".to_owned(), json!("l"))]);
        let (asked, result) = call(&url, version, Answer::Accept(size)).await;
        assert_eq!(asked.question.message, "Which size?");
        assert_eq!(asked.question.server, "local");
        assert!(asked.question.schema["properties"]["size"].is_object());
        let told: Value = serde_json::from_str(&result.text).unwrap();
        assert_eq!(
            told,
            json!({"action": "accept", "content": {"size": "l"}}),
            "{version:?}"
        );

        let (_, result) = call(&url, version, Answer::Decline).await;
        let told: Value = serde_json::from_str(&result.text).unwrap();
        assert_eq!(told, json!({"action": "decline"}), "{version:?}");
    }
}

#[tokio::test]
async fn where_nobody_can_answer_the_failure_says_what_was_asked() {
    let (_server, url) = Talkative::start().await;
    let session = session(&url, NEWEST, None).await;
    let failure = session
        .call("shirt", Map::new(), None, &CancellationToken::new())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("Which size?") || failure.contains("elicitation"),
        "{failure}"
    );
}

/// Runs the program, with nobody to ask.
async fn program(url: &str, args: &[&str]) -> (i32, String, String) {
    let ran = tokio::process::Command::new(env!("CARGO_BIN_EXE_mcp-client"))
        .args(args)
        .env_clear()
        .env("MCP_SERVER_URL", url)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let ran = soon(ran).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        ran.status.code().unwrap(),
        text(ran.stdout),
        text(ran.stderr),
    )
}

#[tokio::test]
async fn a_question_that_was_declined_unasked_is_told_on_stderr_with_what_to_do() {
    let (_server, url) = Talkative::start().await;
    // The one connects and calls; the other lists everything first.
    for command in ["call", "trace"] {
        let (code, out, err) = program(&url, &["--protocol", "2025-06-18", command, "shirt"]).await;
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("decline"), "{out}");
        assert_eq!(
            err,
            "mcp-client: local: in the middle of a call it asks “Which size?”. It was told no: nobody \
             is here to answer; do this in the chat (`mcp-client` without a command), where you are asked\n",
            "{command}"
        );
    }
    let (code, _, err) = program(&url, &["call", "shirt"]).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("Which size?") && err.contains("only in the chat"),
        "{err}"
    );
}

#[tokio::test]
async fn a_tool_that_wants_an_argument_in_a_header_is_called_although_its_schema_was_not_read() {
    let (_server, url) = Talkative::start().await;
    let (code, out, err) = program(&url, &["call", "ship", r#"{"region": "north"}"#]).await;
    assert_eq!((code, out.as_str()), (0, "shipped\n"), "{err}");
}
