//! No method passes by the pipeline: every kind of request that rmcp knows is tried, against a
//! handler that would answer all of them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mcp_server::{
    interceptor::{
        Credential, Grants, Guard, JournalSettings, KeyStore, LimitSettings, Peer, Pipeline, Rate,
        audit::FileSettings,
    },
    transport::RecordedTransport,
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::*,
    service::{RequestContext, serve_directly},
    transport::async_rw::AsyncRwTransport,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

/// Answers everything, and counts what reached it.
#[derive(Clone, Default)]
struct Everything(Arc<AtomicUsize>);

/// It advertises everything, or rmcp would refuse for it.
fn info() -> ServerConfig {
    let mut capabilities = ServerCapabilities::builder()
        .enable_tools()
        .enable_resources()
        .enable_prompts()
        .build();
    capabilities.extensions = serde_json::from_value(json!({
        "io.modelcontextprotocol/tasks": {},
        "io.modelcontextprotocol/skills": { "directoryRead": true },
    }))
    .unwrap();
    ServerConfig::new(capabilities)
}

fn task() -> Task {
    let now = "2026-01-01T00:00:00Z";
    Task::new("t", TaskStatus::Working, now, now)
}

macro_rules! answers {
    ($($name:ident($($params:ty)?) -> $output:ty = $value:expr;)*) => {$(
        async fn $name(&self, $(_params: $params,)? _context: RequestContext<RoleServer>) -> Result<$output, ErrorData> {
            self.0.fetch_add(1, Ordering::SeqCst);
            $value
        }
    )*};
}

#[allow(deprecated, reason = "older versions still send them")]
impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        info()
    }
    answers! {
        initialize(InitializeRequestParams) -> InitializeResult = Ok(info());
        discover() -> DiscoverResult = Ok(DiscoverResult::from_server_info(vec![], info()));
        ping() -> () = Ok(());
        complete(CompleteRequestParams) -> CompleteResult = Ok(CompleteResult::default());
        set_level(SetLevelRequestParams) -> () = Ok(());
        get_prompt(GetPromptRequestParams) -> GetPromptResponse = Ok(GetPromptResult::new(vec![]).into());
        list_prompts(Option<PaginatedRequestParams>) -> ListPromptsResult = Ok(ListPromptsResult::default());
        list_resources(Option<PaginatedRequestParams>) -> ListResourcesResult = Ok(ListResourcesResult::default());
        list_resource_templates(Option<PaginatedRequestParams>) -> ListResourceTemplatesResult = Ok(ListResourceTemplatesResult::default());
        read_resource(ReadResourceRequestParams) -> ReadResourceResponse = Ok(ReadResourceResult::new(vec![]).into());
        subscribe(SubscribeRequestParams) -> () = Ok(());
        unsubscribe(UnsubscribeRequestParams) -> () = Ok(());
        call_tool(CallToolRequestParams) -> CallToolResponse = Ok(CreateTaskResult::new(task()).into());
        list_tools(Option<PaginatedRequestParams>) -> ListToolsResult = Ok(ListToolsResult::default());
        on_custom_request(CustomRequest) -> CustomResult = Ok(CustomResult::new(json!({})));
        get_task(GetTaskParams) -> GetTaskResult = Err(ErrorData::internal_error("reached", None));
        update_task(UpdateTaskParams) -> () = Ok(());
        cancel_task(CancelTaskParams) -> () = Ok(());
        list_skills(Option<PaginatedRequestParams>) -> ListSkillsResult = Err(ErrorData::internal_error("reached", None));
        get_skill(GetSkillRequestParams) -> GetSkillResult = Err(ErrorData::internal_error("reached", None));
        read_resource_directory(ReadResourceDirectoryRequestParams) -> ReadResourceDirectoryResult = Ok(ListResourcesResult::default());
    }
    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }
    async fn listen(&self, _context: rmcp::service::SubscriptionContext) -> Result<(), ErrorData> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Every request, and whether it takes a scope, or a task of the caller's own.
/// The schema below proves that none is missing.
fn requests() -> Vec<(&'static str, Value, bool)> {
    let uri = json!({ "uri": "skill://x/SKILL.md" });
    let task = json!({ "taskId": "t", "inputResponses": {} });
    vec![
        ("ping", json!({}), false),
        (
            "initialize",
            json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } }),
            false,
        ),
        ("server/discover", json!({}), false),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "" } }),
            true,
        ),
        ("logging/setLevel", json!({ "level": "info" }), false),
        ("prompts/get", json!({ "name": "p" }), true),
        ("prompts/list", json!({}), false),
        ("resources/list", json!({}), false),
        ("resources/templates/list", json!({}), false),
        ("resources/read", uri.clone(), true),
        (
            "subscriptions/listen",
            json!({ "notifications": { "resourceSubscriptions": ["config://server"] } }),
            true,
        ),
        ("resources/subscribe", uri.clone(), true),
        ("resources/unsubscribe", uri.clone(), true),
        (
            "tools/call",
            json!({ "name": "echo", "arguments": {} }),
            true,
        ),
        ("tools/list", json!({}), false),
        ("tasks/get", task.clone(), true),
        ("tasks/update", task.clone(), true),
        ("tasks/cancel", task, true),
        ("skills/list", json!({}), false),
        ("skills/get", uri.clone(), true),
        ("resources/directory/read", uri, true),
        ("custom/anything", json!({}), true),
    ]
}

/// A pipeline; without anonymous callers there is a way to sign in that nobody uses.
fn pipeline(folder: &std::path::Path, anonymous: Option<Grants>) -> Pipeline {
    let builder = Pipeline::builder()
        .journal(JournalSettings {
            stderr: false,
            file: Some(FileSettings {
                path: folder.join("audit.jsonl"),
                max_bytes: 1 << 20,
                keep: 1,
            }),
            strict: true,
        })
        .limits(LimitSettings {
            identity: Rate::new(60_000, 1_000).unwrap(),
            tools: [].into(),
            concurrent: 100.try_into().unwrap(),
            capacity: 10,
        })
        .keys(KeyStore::empty());
    let builder = match anonymous {
        Some(grants) => builder.anonymous(grants),
        None => builder,
    };
    builder.build().unwrap()
}

/// Sends every request to the handler behind the guard; gives the error codes, and how many
/// requests reached the handler.
async fn send_all(
    anonymous: Option<Grants>,
) -> (Vec<(&'static str, Option<i64>)>, usize, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path(), anonymous);
    let handler = Everything::default();
    let reached = Arc::clone(&handler.0);
    let guard = Guard::new(handler, &pipeline);
    let caller = guard.sign_in(&Credential::none(), Peer::Parent).await.ok();
    let mut codes = Vec::new();
    for (method, mut params, _) in requests() {
        // What only older versions have is sent in the older way.
        let old = matches!(
            method,
            "initialize" | "ping" | "resources/subscribe" | "resources/unsubscribe"
        );
        if !old {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "0" },
                "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
            });
        }
        let (near, far) = tokio::io::duplex(1 << 16);
        let running = match &caller {
            // A transport that begins no exchange.
            None => serve_directly(guard.clone(), far, None),
            Some(caller) => {
                let (read, write) = tokio::io::split(far);
                let lines = AsyncRwTransport::new_server(read, write);
                let (guard, caller) = (guard.clone(), caller.clone());
                let recorded =
                    RecordedTransport::new(lines, guard.clone(), "stdio", caller, Peer::Parent);
                serve_directly(guard, recorded, None)
            }
        };
        let (read, mut write) = tokio::io::split(near);
        let request = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        write
            .write_all(format!("{request}\n").as_bytes())
            .await
            .unwrap();
        let mut lines = BufReader::new(read).lines();
        let code = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .unwrap_or_else(|| panic!("{method}: no answer"));
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == 7 {
                break message["error"]["code"].as_i64();
            }
        };
        codes.push((method, code));
        running.cancel().await.unwrap();
    }
    pipeline.journal().shut_down();
    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let record = text
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (codes, reached.load(Ordering::SeqCst), record)
}

#[test]
fn the_list_of_requests_is_rmcps_own() {
    let schema = serde_json::to_value(schemars::schema_for!(ClientRequest)).unwrap();
    let known = schema["anyOf"].as_array().unwrap().len();
    assert_eq!(
        known,
        requests().len(),
        "rmcp knows another number of requests: add the new one to the guard, then here"
    );
}

#[test]
fn the_guard_knows_every_notification_of_rmcps() {
    let schema = serde_json::to_value(schemars::schema_for!(ClientNotification)).unwrap();
    let known = schema["anyOf"].as_array().unwrap().len();
    // Cancelled, progress, initialized, roots' change, and whatever else.
    assert_eq!(known, 5, "add the new one to the guard, then here");
}

#[tokio::test]
async fn without_an_identity_nothing_reaches_the_handler() {
    let (codes, reached, record) = send_all(None).await;
    for (method, code) in codes {
        assert_eq!(code, Some(401), "{method}");
    }
    assert_eq!(reached, 0);
    let methods: Vec<_> = record
        .iter()
        .filter(|line| line["outcome"] == "UNAUTHORIZED")
        .filter_map(|line| line["method"].as_str())
        .collect();
    let coalesced: u64 = record
        .iter()
        .filter_map(|line| line["coalesced"].as_u64())
        .sum();
    assert_eq!(
        methods.len() as u64 + coalesced,
        requests().len() as u64,
        "{methods:?}"
    );
}

#[tokio::test]
async fn without_scopes_only_what_takes_none_reaches_the_handler() {
    let (codes, reached, _record) = send_all(Some(Grants::default())).await;
    let free = requests()
        .iter()
        .filter(|(.., takes_scope)| !takes_scope)
        .count();
    for ((method, code), (_, _, takes_scope)) in codes.iter().zip(requests()) {
        // Who may not use a method of the server's own is told that there is none, and a task that
        // isn't the caller's is told like one that doesn't exist.
        let refused = if *method == "custom/anything" {
            -32601
        } else if method.starts_with("tasks/") {
            -32602
        } else {
            403
        };
        assert_eq!(*code == Some(refused), takes_scope, "{method}: {code:?}");
    }
    assert_eq!(reached, free);
}

#[tokio::test]
async fn with_every_scope_each_request_reaches_the_handler_and_is_recorded_once() {
    let all = Grants::new(vec![mcp_server::interceptor::Grant::parse("*").unwrap()]);
    let (codes, reached, record) = send_all(Some(all)).await;
    assert_eq!(reached, requests().len(), "{codes:?}");
    let methods: Vec<_> = record
        .iter()
        .filter_map(|line| line["method"].as_str())
        .collect();
    let expected: Vec<_> = requests().iter().map(|(method, ..)| *method).collect();
    assert_eq!(methods, expected);
}
