//! Whatever bytes arrive, over HTTP and stdio: never a panic, never a hang, and one line in the
//! record for each message.

use std::time::Duration;

use mcp_server::{
    interceptor::{LimitSettings, Rate},
    transport::HttpSettings,
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage};
use serde_json::{Value, json};

use crate::support::{NEWEST, Server, odd::Odd, whole};

const PATIENCE: Duration = Duration::from_secs(20);

/// What clients send on a good day.
fn messages() -> Vec<Value> {
    let old = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    let new = |method: &str, params: Value| old(method, whole(params));
    let call = json!({ "name": "echo", "arguments": { "message": "hi" } });
    vec![
        old(
            "initialize",
            json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "f", "version": "0" } }),
        ),
        old("tools/call", call.clone()),
        new("tools/call", call),
        old("tools/list", json!({})),
        new("tools/list", json!({ "cursor": "x" })),
        new("server/discover", json!({})),
        old("ping", json!({})),
        new("resources/read", json!({ "uri": "config://server" })),
        new(
            "prompts/get",
            json!({ "name": "p", "arguments": { "a": "b" } }),
        ),
        new(
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "" } }),
        ),
        new("tasks/get", json!({ "taskId": "t" })),
        old("logging/setLevel", json!({ "level": "info" })),
        old("no/such/method", json!([1, 2])),
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": 1 } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } }),
        json!({ "jsonrpc": "2.0", "id": 7, "result": {} }),
        json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": 1, "message": "no" } }),
    ]
}

/// What happens to it on its way.
#[derive(Debug, Clone)]
enum Damage {
    /// A value somewhere inside becomes another.
    Swap(Index, Value),
    /// A byte becomes another.
    Flip(Index, u8),
    /// Bytes come in between.
    Insert(Index, Vec<u8>),
    /// The rest is missing.
    Cut(Index),
    /// A part comes twice, and with it a key.
    Repeat(Index, Index),
    /// It is wrapped so many times.
    Wrap(usize),
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z/]{0,12}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({ "jsonrpc": "2.0" })),
        Just(Value::from("x".repeat(20_000))),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), any_value()).prop_map(|(at, value)| Damage::Swap(at, value)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Flip(at, byte)),
        1 => (any::<Index>(), vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        1 => (1_usize..300).prop_map(Damage::Wrap),
    ]
}

/// Bytes as they arrive, and as a person can read them when a test fails.
#[derive(Clone)]
struct Arriving(Vec<u8>);

impl std::fmt::Debug for Arriving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.0[..self.0.len().min(400)];
        write!(f, "{} bytes: {}", self.0.len(), start.escape_ascii())
    }
}

/// Bytes as they may arrive.
fn bytes() -> impl Strategy<Value = Arriving> {
    let damaged = (any::<Index>(), vec(damage(), 0..4)).prop_map(|(which, damages)| {
        let mut message = which.get(&messages()).clone();
        for damage in &damages {
            if let Damage::Swap(at, value) = damage {
                let places = count(&message);
                swap(&mut message, &mut at.index(places), value);
            }
        }
        let mut bytes = message.to_string().into_bytes();
        for damage in damages {
            harm(&mut bytes, damage);
        }
        bytes
    });
    prop_oneof![1 => vec(any::<u8>(), 0..300), 6 => damaged].prop_map(Arriving)
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// Replaces the value at a place, counted from the outside in.
fn swap(value: &mut Value, place: &mut usize, new: &Value) {
    if *place == 0 {
        *value = new.clone();
        *place = usize::MAX;
        return;
    }
    *place -= 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => return,
    };
    for value in inner {
        if *place == usize::MAX {
            return;
        }
        swap(value, place, new);
    }
}

fn harm(bytes: &mut Vec<u8>, damage: Damage) {
    let length = bytes.len().max(1);
    match damage {
        Damage::Flip(at, byte) if !bytes.is_empty() => bytes[at.index(length)] = byte,
        Damage::Insert(at, new) => {
            let at = at.index(length).min(bytes.len());
            bytes.splice(at..at, new);
        }
        Damage::Cut(at) => bytes.truncate(at.index(length)),
        Damage::Repeat(from, to) => {
            let (from, to) = (
                from.index(length).min(bytes.len()),
                to.index(length).min(bytes.len()),
            );
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            let at = from.max(to);
            bytes.splice(at..at, part);
        }
        Damage::Wrap(times) => {
            let mut whole = "[".repeat(times).into_bytes();
            whole.append(bytes);
            whole.extend("]".repeat(times).bytes());
            *bytes = whole;
        }
        Damage::Swap(..) | Damage::Flip(..) => {}
    }
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        // A hang takes its time to be seen, so a failure is shown as it came.
        max_shrink_iters: 0,
        ..Config::default()
    })
}

async fn server() -> Server {
    let limits = LimitSettings {
        identity: Rate::new(60_000_000, 1_000_000).unwrap(),
        ..LimitSettings::default()
    };
    let settings = HttpSettings {
        max_body_bytes: 15_000,
        ..Default::default()
    };
    Server::guarding(Odd::default(), |it| it.limits(limits), settings).await
}

/// How many messages a record tells of: a flood is one line with its count.
fn told(record: &[Value]) -> u64 {
    record
        .iter()
        .map(|line| line["coalesced"].as_u64().unwrap_or(1))
        .sum()
}

#[test]
fn whatever_arrives_over_http_is_answered_and_recorded_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(server());
    let session = runtime.block_on(async {
        let ada = server.client("ada");
        ada.initialize("2025-06-18").await;
        ada.session().unwrap()
    });
    let sent = std::sync::atomic::AtomicU64::new(2);
    let headers = (0_usize..4, 0_usize..3, 0_usize..3);
    let outcome = runner(400).run(
        &(bytes(), headers),
        |(Arriving(body), (version, session_is, method_is))| {
            let ada = server.client("ada");
            let claimed = serde_json::from_slice::<Value>(&body).ok();
            let method = claimed
                .as_ref()
                .and_then(|it| it["method"].as_str())
                .unwrap_or("tools/call")
                .to_owned();
            let mut request = ada
                .http
                .post(server.url())
                .bearer_auth("ada")
                .header("accept", "application/json, text/event-stream")
                .header("content-type", "application/json");
            request = match version {
                0 => request.header("mcp-protocol-version", NEWEST),
                1 => request.header("mcp-protocol-version", "2025-06-18"),
                2 => request.header("mcp-protocol-version", "nonsense"),
                _ => request,
            };
            request = match session_is {
                0 => request.header("mcp-session-id", &session),
                1 => request.header("mcp-session-id", "nonsense"),
                _ => request,
            };
            request = match (method_is, reqwest::header::HeaderValue::from_str(&method)) {
                (0, Ok(method)) => request.header("mcp-method", method),
                (1, _) => request.header("mcp-method", "tools/list"),
                _ => request,
            };
            // Only the head is waited for: some answers are streams without an end.
            let answer = runtime.block_on(async {
                tokio::time::timeout(PATIENCE, request.body(body).send()).await
            });
            sent.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let status = answer
                .map_err(|_| TestCaseError::fail("it hangs"))?
                .map_err(|error| TestCaseError::fail(error.to_string()))?
                .status();
            prop_assert!(status.as_u16() < 500, "{}", status);
            Ok(())
        },
    );
    outcome.unwrap();
    let sent = sent.into_inner();
    runtime.block_on(until_told(&server, sent));
    assert_eq!(told(&server.record()), sent, "one record for each request");
}

/// The last calls may still be on their way when their streams are dropped.
async fn until_told(server: &Server, wanted: u64) {
    let waiting = async {
        loop {
            let text = std::fs::read_to_string(server.folder.path().join("audit.jsonl")).unwrap();
            let lines: Vec<Value> = text
                .lines()
                .skip(1)
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            if told(&lines) >= wanted {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    // What is missing then is for the assertion to say.
    let _ = tokio::time::timeout(PATIENCE, waiting).await;
}

/// How many lines of the record a line over stdio makes.
fn makes(line: &[u8]) -> u64 {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    if line.trim_ascii().is_empty() {
        return 0;
    }
    match serde_json::from_slice::<ClientJsonRpcMessage>(line) {
        Ok(JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)) if line.len() <= 15_000 => 0,
        _ => 1,
    }
}

#[test]
fn whatever_arrives_over_stdio_is_recorded_once_and_the_conversation_goes_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(server());
    let talk = std::sync::Mutex::new(server_talk(&runtime, &server));
    let expected = std::sync::atomic::AtomicU64::new(2);
    let outcome = runner(600).run(&bytes(), |Arriving(line)| {
        let mut talk = talk
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let lines: u64 = line.split(|byte| *byte == b'\n').map(makes).sum();
        expected.fetch_add(lines + 1, std::sync::atomic::Ordering::SeqCst);
        let answer = runtime.block_on(async {
            talk.say(&line).await;
            let ask = talk.ask(987_654_321, "tools/list", json!({}));
            tokio::time::timeout(PATIENCE, ask).await
        });
        let answer = answer.map_err(|_| TestCaseError::fail("it hangs"))?;
        prop_assert!(answer.get("result").is_some(), "{}", answer);
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(talk.into_inner().unwrap().end()).unwrap();
    assert_eq!(
        told(&server.record()),
        expected.into_inner(),
        "one record for each message"
    );
}

fn server_talk(runtime: &tokio::runtime::Runtime, server: &Server) -> crate::support::Talk {
    runtime.block_on(async {
        let mut talk = server.talk(Some("ada"));
        talk.hello().await;
        talk
    })
}

#[test]
fn whatever_arrives_first_over_stdio_the_server_answers_or_ends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(server());
    let expected = std::sync::atomic::AtomicU64::new(0);
    let outcome = runner(150).run(&bytes(), |Arriving(line)| {
        // Only the first line: what follows one that ends the conversation isn't read any more.
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        expected.fetch_add(makes(line), std::sync::atomic::Ordering::SeqCst);
        runtime.block_on(async {
            let mut talk = server.talk(Some("ada"));
            talk.say(line).await;
            // An error is a good end: a host that begins like this is told why.
            let _ = talk.end().await;
        });
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(told(&server.record()), expected.into_inner());
}
