//! Through the whole HTTP stack: the edge, the routes, rmcp, the guard.

use std::path::PathBuf;

use axum::body::{Body, BodyDataStream};
use http::{Method, request::Builder};
use rmcp::{
    ErrorData,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
        ServerConfig,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::Service as _;

use super::*;
use crate::{
    interceptor::{
        JournalSettings, KeyStore, LimitSettings, Pipeline, Rate,
        audit::FileSettings,
        keys::{Roles, fingerprint},
    },
    transport::{
        conversation::{MOST_BYTES_WAITING, MOST_WAITING},
        http::router,
        proxies::Remote,
    },
};

/// A wait that doesn't end is a failure, not a hang: time is paused, so this hour costs nothing.
const PATIENCE: Duration = Duration::from_secs(3600);

/// `quick` answers; `slow` never does, and tells when it began and when it was stopped.
#[derive(Debug, Clone, Default)]
struct Tools {
    began: Arc<Notify>,
    stopped: Arc<Notify>,
    finish: Arc<Notify>,
}

struct Tell(Arc<Notify>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if params.name == "large" {
            let large = "x".repeat(MOST_BYTES_WAITING / 4);
            return Ok(CallToolResult::success(vec![ContentBlock::text(large)]).into());
        }
        if params.name == "slow" {
            let _stopped = Tell(Arc::clone(&self.stopped));
            self.began.notify_one();
            self.finish.notified().await;
        }
        Ok(CallToolResult::success(vec![ContentBlock::text("done")]).into())
    }
}

struct Server {
    router: Router,
    tools: Tools,
    pipeline: Pipeline,
    keys: KeyStore,
    shutdown: CancellationToken,
    folder: tempfile::TempDir,
}

/// A server with two keys: `ada` may use every tool, `bob` only `quick`.
fn server(change: impl FnOnce(&mut HttpSettings)) -> Server {
    let folder = tempfile::tempdir().unwrap();
    write_keys(&folder, &["ada", "bob"]);
    let keys = KeyStore::open(&folder.path().join("keys.toml"), Roles::new()).unwrap();
    let plenty = Rate::new(1_000_000, 1_000_000).unwrap();
    let pipeline = Pipeline::builder()
        .journal(JournalSettings {
            stderr: false,
            file: Some(FileSettings {
                path: record(&folder),
                max_bytes: 1 << 20,
                keep: 1,
            }),
            strict: false,
        })
        .keys(keys.clone())
        .failed_sign_ins(1_000_000)
        .limits(LimitSettings {
            identity: plenty,
            tools: [].into(),
            concurrent: 1000.try_into().unwrap(),
            capacity: 100,
        })
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let mut settings = HttpSettings::default();
    change(&mut settings);
    let tools = Tools::default();
    let shutdown = CancellationToken::new();
    let guard = Guard::new(tools.clone(), &pipeline);
    Server {
        router: router(&guard, &settings, shutdown.clone()).0,
        tools,
        pipeline,
        keys,
        shutdown,
        folder,
    }
}

fn record(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("audit.jsonl")
}

fn write_keys(folder: &tempfile::TempDir, names: &[&str]) {
    let scope = |name: &str| {
        if name == "ada" {
            "tools:*"
        } else {
            "tools:util:quick"
        }
    };
    let text: String = names
        .iter()
        .map(|name| {
            let (digest, scope) = (fingerprint(name), scope(name));
            format!("[[key]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nscopes = [\"{scope}\"]\n")
        })
        .collect();
    std::fs::write(folder.path().join("keys.toml"), text).unwrap();
}

impl Server {
    /// Sends a request; a key's name is the key.
    async fn request(&self, method: Method, uri: &str, key: &str, body: String) -> Response {
        let bearer = |request: Builder| match key {
            "" => request,
            key => request.header(header::AUTHORIZATION, format!("Bearer {key}")),
        };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, "localhost")
            .extension(Remote(([127, 0, 0, 1], 1).into()));
        let request = bearer(request).body(Body::from(body)).unwrap();
        self.router.clone().call(request).await.unwrap()
    }

    async fn get(&self, uri: &str, key: &str) -> Response {
        self.request(Method::GET, uri, key, String::new()).await
    }

    async fn post(&self, uri: &str, key: &str, body: &Value) -> Response {
        self.request(Method::POST, uri, key, body.to_string()).await
    }

    async fn open(&self, key: &str) -> Reader {
        let response = self.get("/sse", key).await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut reader = Reader {
            address: String::new(),
            body: response.into_body().into_data_stream(),
            text: String::new(),
        };
        let (event, address) = reader.event().await.unwrap();
        assert_eq!(event, "endpoint");
        reader.address = address;
        reader
    }

    /// Opens a stream and shakes hands on it.
    async fn begin(&self, key: &str) -> Reader {
        let mut reader = self.open(key).await;
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2024-11-05",
            "capabilities": {},
            "clientInfo": { "name": "an old host", "version": "1" },
        } });
        assert_eq!(
            self.post(&reader.address, key, &hello).await.status(),
            StatusCode::ACCEPTED
        );
        let answer = reader.message().await;
        assert_eq!(answer["result"]["protocolVersion"], "2024-11-05");
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.post(&reader.address, key, &ready).await;
        reader
    }

    async fn call(&self, reader: &Reader, key: &str, id: u64, tool: &str) -> Response {
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool } });
        self.post(&reader.address, key, &call).await
    }
}

struct Reader {
    address: String,
    body: BodyDataStream,
    text: String,
}

impl Reader {
    /// The next block of the stream, or `None` at its end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.body.next())
                .await
                .expect("the stream says nothing and doesn't end")?;
            self.text += std::str::from_utf8(&chunk.unwrap()).unwrap();
        }
    }

    /// The next event, comments passed over.
    async fn event(&mut self) -> Option<(String, String)> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let mut lines = block.lines();
                lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
            };
            if let (Some(event), Some(data)) = (field("event:"), field("data:")) {
                return Some((event, data));
            }
        }
    }

    async fn message(&mut self) -> Value {
        let (event, data) = self.event().await.expect("the stream has ended");
        assert_eq!(event, "message");
        serde_json::from_str(&data).unwrap()
    }

    /// Reads on until the stream ends.
    async fn end(mut self) {
        tokio::time::timeout(PATIENCE, async { while self.block().await.is_some() {} })
            .await
            .expect("the stream is kept alive and doesn't end");
    }
}

/// Lets everything else happen that can: paused time goes on only when nobody has anything to do.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

async fn told(notify: &Notify) {
    tokio::time::timeout(PATIENCE, notify.notified())
        .await
        .expect("it was never told");
}

async fn body_of(response: Response) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_old_host_shakes_hands_calls_a_tool_and_reads_the_answer_from_the_stream() {
    let server = server(|_| {});
    let mut reader = server.begin("ada").await;
    let posted = server.call(&reader, "ada", 1, "quick").await;
    assert_eq!(posted.status(), StatusCode::ACCEPTED);
    let answer = reader.message().await;
    assert_eq!(
        (&answer["id"], &answer["result"]["content"][0]["text"]),
        (&json!(1), &json!("done"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_pipeline_refuses_on_the_stream_and_its_record_names_the_transport() {
    let server = server(|_| {});
    let mut reader = server.begin("bob").await;
    server.call(&reader, "bob", 1, "slow").await;
    let answer = reader.message().await;
    assert_eq!(answer["error"]["code"], 403);
    assert_eq!(
        answer["error"]["data"]["required_scopes"],
        json!(["tools:util:slow"])
    );
    server
        .post("/messages?sessionId=none", "bob", &json!({}))
        .await;
    server.pipeline.journal().shut_down();
    let text = std::fs::read_to_string(record(&server.folder)).unwrap();
    let records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|record: &Value| record.get("method").is_some())
        .collect();
    assert!(records.len() >= 3, "{text}");
    assert!(
        records.iter().all(|record| record["transport"] == "sse"),
        "{text}"
    );
    assert!(
        !text.contains("sessionId"),
        "an address of a stream is nobody else's business: {text}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_address_of_a_stream_cannot_be_guessed() {
    let server = server(|_| {});
    let (first, second) = (server.open("ada").await, server.open("ada").await);
    let id = |reader: &Reader| {
        reader
            .address
            .strip_prefix("/messages?sessionId=")
            .unwrap()
            .to_owned()
    };
    assert_ne!(id(&first), id(&second));
    assert_eq!(id(&first).len(), 64, "256 bits");
}

#[tokio::test(start_paused = true)]
async fn the_key_is_checked_on_the_stream_and_on_every_message() {
    let server = server(|_| {});
    for key in ["", "eve"] {
        let refused = server.get("/sse", key).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{key}");
        assert!(refused.headers().contains_key(header::WWW_AUTHENTICATE));
    }
    let mut reader = server.begin("ada").await;
    for key in ["", "eve"] {
        let refused = server.call(&reader, key, 7, "quick").await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{key}");
    }
    server.call(&reader, "ada", 8, "quick").await;
    assert_eq!(
        reader.message().await["id"],
        8,
        "what was refused never arrived"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_unknown_to_everyone_but_its_opener() {
    let server = server(|_| {});
    let reader = server.begin("ada").await;
    let foreign = server.call(&reader, "bob", 1, "quick").await;
    let unknown = server
        .post("/messages?sessionId=00", "bob", &json!({}))
        .await;
    let without = server.post("/messages", "bob", &json!({})).await;
    for response in [foreign, unknown, without] {
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let error = body_of(response).await;
        assert!(
            error["error"]["message"]
                .as_str()
                .unwrap()
                .contains("GET /sse"),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn another_host_or_origin_is_refused_on_both_paths() {
    let server = server(|_| {});
    for (method, path) in [
        (Method::GET, "/sse"),
        (Method::POST, "/messages?sessionId=1"),
    ] {
        for (name, value) in [("host", "evil.example"), ("origin", "https://evil.example")] {
            let mut request = Request::builder().method(method.clone()).uri(path);
            if name != "host" {
                request = request.header(header::HOST, "localhost");
            }
            let request = request
                .header(name, value)
                .header(header::AUTHORIZATION, "Bearer ada")
                .extension(Remote(([127, 0, 0, 1], 1).into()))
                .body(Body::empty())
                .unwrap();
            let response = server.router.clone().call(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_gets_a_json_rpc_error() {
    let server = server(|settings| settings.max_body_bytes = 1000);
    let mut reader = server.begin("ada").await;
    for (body, status, code, id) in [
        ("{\"jsonrpc\":", 400, -32700, Value::Null),
        (
            "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
            400,
            -32600,
            Value::Null,
        ),
        (
            "{\"jsonrpc\":\"1.0\",\"id\":5,\"method\":\"ping\"}",
            400,
            -32600,
            json!(5),
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
            400,
            -32600,
            Value::Null,
        ),
        ("17", 400, -32600, Value::Null),
        ("", 400, -32700, Value::Null),
        (&*format!("\"{}\"", "x".repeat(1000)), 413, 413, Value::Null),
    ] {
        let response = server
            .request(Method::POST, &reader.address, "ada", body.to_owned())
            .await;
        assert_eq!(response.status().as_u16(), status, "{body}");
        let error = body_of(response).await;
        assert_eq!(
            (&error["error"]["code"], &error["id"]),
            (&json!(code), &id),
            "{body}"
        );
    }
    server.call(&reader, "ada", 1, "quick").await;
    assert_eq!(reader.message().await["id"], 1, "the stream goes on");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_method_is_told_the_right_one() {
    let server = server(|_| {});
    let posted = server.post("/sse", "ada", &json!({})).await;
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(posted.headers()[header::ALLOW], "GET, HEAD");
    assert!(
        body_of(posted).await["error"]["message"]
            .as_str()
            .unwrap()
            .contains("POST /mcp")
    );
    let got = server.get("/messages", "ada").await;
    assert_eq!(
        (got.status(), &got.headers()[header::ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn one_identity_has_so_many_streams_and_all_have_so_many() {
    let server = server(|settings| {
        settings.max_sse_streams = 3;
        settings.max_sse_streams_per_identity = 2;
    });
    let _first = server.open("ada").await;
    let second = server.open("ada").await;
    let refused = server.get("/sse", "ada").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(body_of(refused).await["error"]["code"], 429);
    let _third = server.open("bob").await;
    assert_eq!(
        server.get("/sse", "bob").await.status(),
        StatusCode::TOO_MANY_REQUESTS,
        "all of them count"
    );
    // A stream that is closed makes room, once its conversation is over.
    drop(second);
    settle().await;
    assert_eq!(server.get("/sse", "bob").await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_closed_stream_stops_its_calls_and_is_forgotten() {
    let server = server(|_| {});
    let reader = server.begin("ada").await;
    server.call(&reader, "ada", 1, "slow").await;
    told(&server.tools.began).await;
    let address = reader.address.clone();
    drop(reader);
    told(&server.tools.stopped).await;
    let late = server
        .post(
            &address,
            "ada",
            &json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }),
        )
        .await;
    assert_eq!(late.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_ends_the_stream_and_its_calls() {
    let server = server(|_| {});
    let mut reader = server.begin("ada").await;
    let other = server.begin("bob").await;
    server.call(&reader, "ada", 1, "slow").await;
    told(&server.tools.began).await;
    write_keys(&server.folder, &["bob"]);
    server.keys.reload().unwrap();
    told(&server.tools.stopped).await;
    let last = reader.message().await;
    assert_eq!(last["error"]["code"], 401, "its last words: {last}");
    reader.end().await;
    assert_eq!(
        server.call(&other, "bob", 1, "quick").await.status(),
        StatusCode::ACCEPTED
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changes_ends_the_stream_even_if_nobody_reads_it() {
    let server = server(|_| {});
    let reader = server.begin("ada").await;
    let text = std::fs::read_to_string(server.folder.path().join("keys.toml")).unwrap();
    let changed = text.replace("tools:*", "resources:*");
    std::fs::write(server.folder.path().join("keys.toml"), changed).unwrap();
    server.keys.reload().unwrap();
    settle().await;
    let late = server.call(&reader, "ada", 1, "quick").await;
    assert_eq!(late.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_kept_alive_and_ends_when_it_was_idle_for_long() {
    let server = server(|settings| settings.session_idle = Duration::from_millis(60_000));
    let since = tokio::time::Instant::now();
    let mut reader = server.begin("ada").await;
    let block = reader.block().await.unwrap();
    assert!(block.starts_with(':'), "a comment: {block:?}");
    assert_eq!(since.elapsed(), KEEP_ALIVE);
    // A message starts the time again; what only keeps the line open doesn't.
    server.call(&reader, "ada", 1, "quick").await;
    reader.message().await;
    reader.end().await;
    assert_eq!(since.elapsed().as_secs(), KEEP_ALIVE.as_secs() + 60);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_an_answer_is_not_idle() {
    let server = server(|settings| settings.session_idle = Duration::from_millis(60_000));
    let mut reader = server.begin("ada").await;
    server.call(&reader, "ada", 1, "slow").await;
    told(&server.tools.began).await;
    for _ in 0..20 {
        reader.block().await.expect("still open after 5 minutes");
    }
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    server.post(&reader.address, "ada", &cancel).await;
    told(&server.tools.stopped).await;
    let since = tokio::time::Instant::now();
    reader.end().await;
    assert_eq!(
        since.elapsed().as_secs(),
        60,
        "what was cancelled keeps nothing open"
    );
}

#[tokio::test(start_paused = true)]
async fn at_shutdown_quiet_streams_end_at_once_and_busy_ones_after_their_answer() {
    let server = server(|_| {});
    let (quiet, mut busy) = (server.begin("bob").await, server.begin("ada").await);
    server.call(&busy, "ada", 1, "slow").await;
    told(&server.tools.began).await;
    let since = tokio::time::Instant::now();
    server.shutdown.cancel();
    quiet.end().await;
    assert!(since.elapsed() < Duration::from_secs(1));
    server.tools.finish.notify_one();
    let answer = busy.message().await;
    assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
    busy.end().await;
    assert!(since.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_is_given_no_more_and_then_ended() {
    let server = server(|settings| settings.max_sse_streams_per_identity = 1);
    let reader = server.begin("ada").await;
    let ping = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
    let mut taken = 0;
    let refused = loop {
        let response = server.post(&reader.address, "ada", &ping(taken)).await;
        if response.status() != StatusCode::ACCEPTED {
            break response;
        }
        taken += 1;
        // The answer gets in line.
        settle().await;
        assert!(taken < 1000, "it takes and takes");
    };
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let most = u64::try_from(QUEUE + MOST_WAITING).unwrap();
    assert!((most..=most + 1).contains(&taken), "{taken}");
    tokio::time::sleep(STALL + Duration::from_secs(1)).await;
    assert_eq!(
        server
            .post(&reader.address, "ada", &ping(9999))
            .await
            .status(),
        StatusCode::NOT_FOUND
    );
    // What it queued still takes memory, so its place is taken until the connection is gone.
    assert_eq!(
        server.get("/sse", "ada").await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    let mut kept = 0;
    let mut reader = reader;
    while reader.event().await.is_some() {
        kept += 1;
    }
    assert!(kept <= QUEUE + 1, "no more than the queue was kept: {kept}");
    drop(reader);
    assert_eq!(server.get("/sse", "ada").await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_large_answers_unread_is_refused_before_there_are_many() {
    let server = server(|_| {});
    let mut reader = server.begin("ada").await;
    let mut taken = 0;
    while server.call(&reader, "ada", taken, "large").await.status() == StatusCode::ACCEPTED {
        taken += 1;
        settle().await;
        assert!(taken < 100, "it takes and takes");
    }
    assert!((4..=5).contains(&taken), "{taken}");
    for _ in 0..taken {
        reader.message().await;
    }
    let again = tokio::time::timeout(KEEP_ALIVE / 2, reader.block()).await;
    assert!(again.is_err(), "all of it was read");
    let call = server.call(&reader, "ada", 99, "large").await;
    assert_eq!(call.status(), StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_call_keeps_its_place_until_its_answer_is_read() {
    let server = server(|_| {});
    let mut reader = server.begin("ada").await;
    let running = || server.pipeline.load().running;
    let _ = tokio::time::timeout(KEEP_ALIVE / 2, reader.block()).await;
    assert_eq!(running(), 0);
    for id in 0..3 {
        server.call(&reader, "ada", id, "quick").await;
    }
    settle().await;
    assert_eq!(running(), 3);
    for _ in 0..3 {
        reader.message().await;
    }
    let _ = tokio::time::timeout(KEEP_ALIVE / 2, reader.block()).await;
    assert_eq!(running(), 0);
}

#[tokio::test(start_paused = true)]
async fn it_is_served_only_where_it_is_switched_on() {
    for (sse, status) in [(false, StatusCode::NOT_FOUND), (true, StatusCode::OK)] {
        let server = server(|settings| settings.sse = sse);
        assert_eq!(server.get("/sse", "ada").await.status(), status, "{sse}");
    }
}

#[tokio::test]
async fn where_a_proxy_encrypts_nobody_is_served_around_it() {
    let server = server(|settings| {
        settings.host = [0, 0, 0, 0].into();
        settings.trusted_proxies = vec!["10.0.0.1/32".parse().unwrap()];
    });
    for (address, is_served) in [
        ([10, 0, 0, 1], true),
        ([127, 0, 0, 1], true),
        ([10, 0, 0, 2], false),
    ] {
        let request = Request::post("/mcp")
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, "Bearer ada")
            .header("x-forwarded-for", "192.0.2.7")
            .extension(Remote((address, 1).into()))
            .body(Body::from("no message"))
            .unwrap();
        let answer = server.router.clone().call(request).await.unwrap();
        let is_refused = answer.status() == StatusCode::FORBIDDEN;
        assert_eq!(is_refused, !is_served, "{address:?}: {}", answer.status());
    }
}
