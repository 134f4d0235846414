//! Two routers over one guard, of which one has no fast path: whatever is sent, they answer alike.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use proptest::prelude::*;
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig, Tool,
};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use http::HeaderValue;

use super::*;
use crate::{
    interceptor::{
        JournalSettings, LimitSettings, Pipeline, Rate,
        keys::{Roles, fingerprint},
    },
    transport::{HttpSettings, http::build_router, mcp::Shortcut, proxies::Remote},
};

/// A wait that doesn't end is a failure, not a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// `echo` repeats, `fails` fails, `breaks` is a protocol error, `talks` notifies before it answers,
/// `marked` wants an argument in a header, `slow` waits.
#[derive(Clone, Default)]
struct Tools {
    began: Arc<Notify>,
    finish: Arc<Notify>,
    ended: Arc<Notify>,
}

fn tool(name: &'static str) -> Tool {
    let value = match name {
        "marked" => json!({ "type": "string", "x-mcp-header": "Value" }),
        _ => json!({ "type": "string" }),
    };
    let schema = json!({ "type": "object", "properties": { "value": value } });
    Tool::new(
        name,
        "a tool",
        Arc::new(schema.as_object().unwrap().clone()),
    )
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let known = ["echo", "fails", "breaks", "talks", "marked", "slow"];
        known.into_iter().find(|known| *known == name).map(tool)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let said = json!(params.arguments).to_string();
        let text = vec![ContentBlock::text(said)];
        match &*params.name {
            "fails" => return Ok(CallToolResult::error(text).into()),
            "breaks" => return Err(ErrorData::invalid_params("it broke", None)),
            "talks" => {
                // Nobody listens who didn't ask to.
                let _ = context.peer.notify_tool_list_changed().await;
            }
            "slow" => {
                self.began.notify_one();
                tokio::select! {
                    () = self.finish.notified() => {}
                    () = context.ct.cancelled() => {}
                }
                self.ended.notify_one();
            }
            _ => {}
        }
        Ok(CallToolResult::success(text).into())
    }
}

struct Ways {
    fast: axum::Router,
    long: axum::Router,
    path: FastPath<Tools>,
    tools: Tools,
    shutdown: CancellationToken,
    _folder: tempfile::TempDir,
}

fn ways() -> Ways {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    let key = |name, scopes| {
        format!(
            "[[key]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [\"{scopes}\"]\n",
            fingerprint(name)
        )
    };
    std::fs::write(&file, key("ada", "*") + &key("bob", "tools:util:echo")).unwrap();
    let plenty = Rate::new(1_000_000, 1_000_000).unwrap();
    let pipeline = Pipeline::builder()
        .journal(JournalSettings {
            stderr: false,
            file: None,
            strict: false,
        })
        .keys_file(&file, Roles::new())
        .unwrap()
        .failed_sign_ins(1_000_000)
        .limits(LimitSettings {
            identity: plenty,
            tools: [].into(),
            concurrent: 1000.try_into().unwrap(),
            capacity: 100,
        })
        .build()
        .unwrap();
    let tools = Tools::default();
    let guard = Guard::new(tools.clone(), &pipeline);
    let shutdown = CancellationToken::new();
    let settings = HttpSettings::default();
    let router = |way| build_router(&guard, &settings, shutdown.clone(), way).0;
    Ways {
        fast: router(Shortcut::On),
        long: router(Shortcut::Off),
        path: FastPath::new(guard.clone(), settings.max_body_bytes),
        tools,
        shutdown: shutdown.clone(),
        _folder: folder,
    }
}

/// A request that can be sent twice.
#[derive(Debug, Clone)]
struct Sent {
    method: Method,
    uri: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// A call that is in order in every respect.
fn plain(tool: &str) -> Sent {
    let headers = [
        ("host", "127.0.0.1:8080"),
        ("authorization", "Bearer ada"),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ];
    let message = json!({
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {
            "_meta": {
                VERSION: "2026-07-28",
                CAPABILITIES: {},
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            },
            "name": tool,
            "arguments": { "value": "hi" },
        },
    });
    Sent {
        method: Method::POST,
        uri: "/mcp",
        headers: headers
            .map(|(name, value)| (name, value.to_owned()))
            .to_vec(),
        body: message.to_string(),
    }
}

impl Sent {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self = self.without(name);
        self.and(name, value)
    }

    fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(it, _)| *it != name);
        self
    }

    /// With a part of its message changed: `null` takes it away.
    fn saying(mut self, at: &str, value: Value) -> Self {
        let mut message: Value = serde_json::from_str(&self.body).unwrap();
        let (parent, key) = at.rsplit_once('|').unwrap();
        let parent = message.pointer_mut(&parent.replace('|', "/")).unwrap();
        let parent = parent.as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(key);
        } else {
            parent.insert(key.to_owned(), value);
        }
        self.body = message.to_string();
        self
    }

    fn replacing(mut self, this: &str, by: &str) -> Self {
        assert!(self.body.contains(this), "{this}");
        self.body = self.body.replacen(this, by, 1);
        self
    }

    fn request(&self) -> Request {
        let mut request = Request::builder().method(self.method.clone()).uri(self.uri);
        for (name, value) in &self.headers {
            request = request.header(*name, value.as_bytes());
        }
        let remote = Remote(SocketAddr::from(([127, 0, 0, 1], 9)));
        request
            .extension(remote)
            .body(Body::from(self.body.clone()))
            .unwrap()
    }
}

/// What a caller sees: status, kind of answer, the answer.
async fn seen(router: &axum::Router, sent: &Sent) -> (StatusCode, HeaderMap, String) {
    let mut router = router.clone();
    let answer = tokio::time::timeout(PATIENCE, router.call(sent.request())).await;
    let (parts, body) = answer.expect("an answer").unwrap().into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (
        parts.status,
        parts.headers,
        String::from_utf8_lossy(&body).into_owned(),
    )
}

/// What a request may be instead of plain, and whether it's plain all the same.
fn variants() -> Vec<(bool, Sent)> {
    let meta = |key: &str| format!("|params|_meta|{key}");
    let echo = || plain("echo");
    vec![
        (true, echo()),
        (true, plain("fails")),
        (true, plain("breaks")),
        (true, plain("nothing-of-the-kind")),
        (true, echo().with("authorization", "Bearer bob")),
        (true, plain("fails").with("authorization", "Bearer bob")),
        (
            true,
            echo().without("authorization").and("x-api-key", "ada"),
        ),
        (
            true,
            echo().with("accept", "text/event-stream,application/json"),
        ),
        (true, echo().saying("|id", json!("seven"))),
        (true, echo().saying("|params|arguments", Value::Null)),
        (true, echo().saying("|params|arguments", json!({}))),
        (
            true,
            echo().saying(
                "|params|arguments",
                json!({ "a": [1.5, -2, null, { "b": 18_446_744_073_709_551_615_u64 }] }),
            ),
        ),
        (
            true,
            echo().saying(
                &meta("traceparent"),
                json!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ),
        ),
        (
            true,
            echo().saying(&meta(CAPABILITIES), json!({ "elicitation": {} })),
        ),
        (
            true,
            plain("marked").saying("|params|arguments", Value::Null),
        ),
        (true, echo().replacing("\"hi\"", "\"\\u0068i\\n\"")),
        (
            true,
            echo().replacing("\"value\":\"hi\"", "\"value\":\"hi\",\"value\":\"ho\""),
        ),
        // Refused at the edge, on whichever way it would have gone.
        (true, echo().without("authorization")),
        (true, echo().with("authorization", "Bearer nobody")),
        (true, echo().with("host", "evil.example")),
        // Headers.
        (false, echo().without("mcp-method")),
        (false, echo().with("mcp-method", "tools/list")),
        (false, echo().and("mcp-method", "tools/call")),
        (false, echo().without("mcp-name")),
        (false, echo().with("mcp-name", "fails")),
        (false, echo().and("mcp-name", "echo")),
        (false, echo().with("mcp-name", "=?base64?ZWNobw==?=")),
        (false, echo().with("mcp-name", "=?base64?ZmFpbHM=?=")),
        (false, echo().with("mcp-name", "ech\u{f6}")),
        (false, plain("=?echo")),
        (false, plain("=?base64?ZWNobw==?=")),
        (false, echo().without("mcp-protocol-version")),
        (false, echo().with("mcp-protocol-version", "2025-11-25")),
        (false, echo().with("mcp-protocol-version", "2099-01-01")),
        (false, echo().and("mcp-protocol-version", "2026-07-28")),
        (false, echo().with("accept", "application/json")),
        (false, echo().with("accept", "*/*")),
        (
            false,
            echo().with("accept", "application/json, text/event-stream;q=0"),
        ),
        (
            false,
            echo().with("accept", "application/json, text/event-stream, */*"),
        ),
        (false, echo().without("accept")),
        (
            false,
            echo()
                .without("accept")
                .and("accept", "application/json")
                .and("accept", "text/event-stream"),
        ),
        (false, echo().with("content-type", "text/plain")),
        (
            false,
            echo().with("content-type", "application/json; charset=utf-8"),
        ),
        (false, echo().and("content-type", "text/plain")),
        (false, echo().without("content-type")),
        (false, echo().and("mcp-session-id", "a-session")),
        (false, echo().and("last-event-id", "1")),
        (false, echo().and("origin", "http://evil.example")),
        (false, echo().and("mcp-param-value", "hi")),
        (false, plain("marked")),
        (false, plain("marked").and("mcp-param-value", "hi")),
        (false, plain("marked").and("mcp-param-value", "ho")),
        (
            false,
            Sent {
                method: Method::PUT,
                ..echo()
            },
        ),
        (
            false,
            Sent {
                uri: "http://127.0.0.1:8080/mcp",
                ..echo()
            },
        ),
        // The message.
        (false, echo().saying("|jsonrpc", json!("1.0"))),
        (false, echo().saying("|jsonrpc", Value::Null)),
        (false, echo().saying("|id", Value::Null)),
        (false, echo().replacing("\"id\":7", "\"id\":null")),
        (false, echo().saying("|id", json!(1.5))),
        (false, echo().saying("|id", json!([1]))),
        (false, echo().saying("|method", json!("tools/list"))),
        (false, echo().saying("|method", json!("ping"))),
        (false, echo().saying("|more", json!(1))),
        (false, echo().saying("|params", json!([]))),
        (false, echo().saying("|params|name", json!(1))),
        (false, echo().saying("|params|name", Value::Null)),
        (false, echo().saying("|params|name", json!("fails"))),
        (false, echo().saying("|params|arguments", json!([1]))),
        (
            false,
            echo().saying("|params|requestState", json!("sealed")),
        ),
        (false, echo().saying("|params|inputResponses", json!({}))),
        (false, echo().saying("|params|task", json!({}))),
        (false, echo().saying("|params|_meta", Value::Null)),
        (false, echo().saying(&meta(VERSION), Value::Null)),
        (false, echo().saying(&meta(VERSION), json!("2025-11-25"))),
        (false, echo().saying(&meta(VERSION), json!(1))),
        (false, echo().saying(&meta(CAPABILITIES), Value::Null)),
        (false, echo().saying(&meta(CAPABILITIES), json!([]))),
        (
            false,
            echo().saying(&meta(CAPABILITIES), json!({ "elicitation": 5 })),
        ),
        (false, echo().saying(&meta("progressToken"), json!("t"))),
        (
            false,
            echo().saying(&meta("io.modelcontextprotocol/logLevel"), json!("debug")),
        ),
        (false, echo().saying(&meta("com.example/more"), json!(1))),
        (false, echo().replacing("\"id\":7", "\"id\":7,\"id\":8")),
        (
            false,
            echo().replacing("\"name\":\"echo\"", "\"name\":\"fails\",\"name\":\"echo\""),
        ),
        (
            false,
            echo().replacing("\"arguments\":", "\"arguments\":{},\"arguments\":"),
        ),
        (
            false,
            Sent {
                body: format!("[{}]", echo().body),
                ..echo()
            },
        ),
        (
            false,
            Sent {
                body: String::new(),
                ..echo()
            },
        ),
        (
            false,
            Sent {
                body: "nothing".to_owned(),
                ..echo()
            },
        ),
        (
            false,
            Sent {
                body: echo().body + "{}",
                ..echo()
            },
        ),
        (
            false,
            Sent {
                body: format!("{}{}", "[".repeat(500), "]".repeat(500)),
                ..echo()
            },
        ),
        (
            false,
            echo().replacing("\"hi\"", &format!("{}{}", "[".repeat(500), "]".repeat(500))),
        ),
        (false, echo().replacing("\"hi\"", "1e999")),
        (false, echo().replacing("\"hi\"", "\"\\ud800\"")),
    ]
}

#[tokio::test]
async fn both_ways_answer_alike() {
    let ways = ways();
    for (_, sent) in variants() {
        let (fast, long) = (seen(&ways.fast, &sent).await, seen(&ways.long, &sent).await);
        assert_eq!(fast, long, "{sent:#?}");
    }
}

#[tokio::test]
async fn only_what_is_plain_goes_the_short_way_and_anything_else_is_given_back_whole() {
    let ways = ways();
    for (is_plain, sent) in variants() {
        match ways.path.answer(sent.request()).await {
            Ok(_) => assert!(is_plain, "{sent:#?}"),
            Err(request) => {
                assert!(!is_plain, "{sent:#?}");
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                assert_eq!(body, sent.body);
                assert_eq!(parts.headers, *sent.request().headers());
                assert!(parts.extensions.get::<Remote>().is_some());
            }
        }
    }
}

#[tokio::test]
async fn the_short_way_ends_at_the_guard_too() {
    let ways = ways();
    // Straight to it, without the edge: nobody signed in.
    let answer = ways.path.answer(plain("echo").request()).await.unwrap();
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let message: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(message["error"]["code"], 401, "{message}");
    // With an edge, and a key that mustn't.
    let bob = plain("fails").with("authorization", "Bearer bob");
    let (status, headers, body) = seen(&ways.fast, &bob).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    assert!(headers.contains_key("www-authenticate"), "{headers:?}");
}

#[tokio::test]
async fn who_asked_for_nothing_in_between_gets_nothing_in_between() {
    let ways = ways();
    let (status, headers, body) = seen(&ways.fast, &plain("talks")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "application/json");
    assert!(!body.contains("list_changed"), "{body}");
    // 2026-07-28 has a stream of its own for what `talks` says.
    let (_, headers, _) = seen(&ways.long, &plain("talks")).await;
    assert_eq!(headers["content-type"], "text/event-stream");
}

#[tokio::test]
async fn who_hangs_up_cancels_the_call_and_does_not_tear_it_apart() {
    let ways = ways();
    let mut router = ways.fast.clone();
    let call = tokio::spawn(async move { router.call(plain("slow").request()).await });
    tokio::time::timeout(PATIENCE, ways.tools.began.notified())
        .await
        .expect("it begins");
    call.abort();
    tokio::time::timeout(PATIENCE, ways.tools.ended.notified())
        .await
        .expect("it ends in its own time, told that nobody waits");
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_what_it_began() {
    let ways = ways();
    for router in [&ways.fast, &ways.long] {
        let sent = plain("slow");
        let call = seen(router, &sent);
        let stop = async {
            ways.tools.began.notified().await;
            ways.shutdown.cancel();
            tokio::task::yield_now().await;
            ways.tools.finish.notify_one();
        };
        let both = async { tokio::join!(call, stop) };
        let both = tokio::time::timeout(PATIENCE, both).await;
        let ((status, _, body), ()) = both.expect("an end");
        assert_eq!(status, StatusCode::OK, "{body}");
        assert!(body.contains("hi"), "{body}");
    }
}

/// What a hand, a proxy or an attacker could do to a text: cut, doubled, exchanged, put in.
fn worn(text: String) -> impl Strategy<Value = String> {
    let bits = prop_oneof![
        Just("\"".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just(",".to_owned()),
        Just("null".to_owned()),
        Just("\\u0000".to_owned()),
        Just("\"_meta\":{}".to_owned()),
        Just("\"name\":\"fails\"".to_owned()),
        ".{0,3}",
    ];
    let length = text.len();
    (0..length, 0..length, bits, any::<bool>()).prop_map(move |(one, other, bit, takes)| {
        let (from, to) = (one.min(other), one.max(other).min(one.min(other) + 12));
        let at = |at: usize| {
            (0..=at)
                .rev()
                .find(|it| text.is_char_boundary(*it))
                .unwrap_or(0)
        };
        let rest = if takes { at(to) } else { at(from) };
        format!("{}{bit}{}", &text[..at(from)], &text[rest..])
    })
}

static RUNTIME: LazyLock<(tokio::runtime::Runtime, Ways)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ways = runtime.block_on(async { ways() });
    (runtime, ways)
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_befalls_a_body_both_ways_answer_alike(body in worn(plain("echo").body)) {
        let (runtime, ways) = &*RUNTIME;
        let sent = Sent { body, ..plain("echo") };
        let both = async { (seen(&ways.fast, &sent).await, seen(&ways.long, &sent).await) };
        let (fast, long) = runtime.block_on(both);
        prop_assert_eq!(fast, long);
    }

    #[test]
    fn whatever_befalls_a_header_both_ways_answer_alike(
        (at, value) in (0..plain("echo").headers.len()).prop_flat_map(|at| {
            (Just(at), worn(plain("echo").headers[at].1.clone()))
        }),
    ) {
        let (runtime, ways) = &*RUNTIME;
        let mut sent = plain("echo");
        // What no HTTP header can hold never gets here.
        prop_assume!(HeaderValue::from_bytes(value.as_bytes()).is_ok());
        sent.headers[at].1 = value;
        let both = async { (seen(&ways.fast, &sent).await, seen(&ways.long, &sent).await) };
        let (fast, long) = runtime.block_on(both);
        prop_assert_eq!(fast, long);
    }
}
