//! A fake Ollama: a real HTTP server that answers as Ollama does, bad days included.
//!
//! It is judged by Ollama's own clients, unchanged (`tests/oracles/run.sh`). What it says is
//! scripted by a [`Mode`]; with [`Mode::ByModel`] the model's name picks the script, so that one
//! running fake can show them all: `llama3.2` answers and calls tools, `qwen3` thinks first, and
//! `fake-cut`, `fake-slow`… behave as the mode of that name.
//!
//! Used by `#[path]` from several test crates and one example, each of which uses a part of it.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::result_large_err,
    reason = "test support, shared by several crates, each of which uses a part; an Err is an answer here"
)]

// The models that are installed, and what the catalogue's routes say about them.
mod catalogue;
// What a chat is answered with: refused, or said and sent.
mod chat;
// The script of each mode.
mod mode;
// What the model says.
mod said;
// How that travels, step by step.
mod steps;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, delete, get, post},
    serve::ListenerExt,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

pub use catalogue::FakeModel;
pub use mode::Mode;

/// How a fake is set up.
#[derive(Debug, Clone)]
pub struct Options {
    pub mode: Mode,
    /// 0 takes a free one.
    pub port: u16,
    /// The pause between two pieces of an answer.
    pub pace: Duration,
    /// How long `slow` and `stall` wait.
    pub delay: Duration,
    /// Where `redirect` points.
    pub redirect_to: String,
    /// How many tokens `flood` sends.
    pub tokens: usize,
    /// Whether a model counts as loaded from the moment that a chat asks for it.
    pub loads_at_once: bool,
    pub models: Vec<FakeModel>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::ByModel,
            port: 0,
            pace: Duration::ZERO,
            delay: Duration::from_millis(300),
            redirect_to: "http://127.0.0.1:9/".to_owned(),
            tokens: 1_000,
            loads_at_once: true,
            models: FakeModel::usual(),
        }
    }
}

/// A running fake; dropping it stops it.
#[derive(Debug)]
pub struct FakeOllama {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Drop for FakeOllama {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    /// `Null` when there was none, or when it wasn't JSON.
    pub body: Value,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    now: Mutex<Now>,
    changed: Notify,
}

/// What changes while the fake runs.
#[derive(Debug)]
struct Now {
    models: Vec<FakeModel>,
    loaded: Vec<(String, u64)>,
    requests: Vec<Recorded>,
    busy_left: usize,
    calls_made: usize,
    active: usize,
    peak: usize,
    cancelled: usize,
    connections: usize,
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeOllama {
    /// A fake on a free port that does one thing.
    pub async fn start(mode: Mode) -> Self {
        Self::with(Options {
            mode,
            ..Options::default()
        })
        .await
        .expect("a free port on loopback")
    }

    /// A fake set up in detail.
    pub async fn with(options: Options) -> std::io::Result<Self> {
        let listener =
            TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            now: Mutex::new(Now {
                models: options.models.clone(),
                loaded: Vec::new(),
                requests: Vec::new(),
                busy_left: 2,
                calls_made: 0,
                active: 0,
                peak: 0,
                cancelled: 0,
                connections: 0,
            }),
            options,
            changed: Notify::new(),
        });
        let app = router(Arc::clone(&shared));
        // Without this each small write waits up to 40 ms for the acknowledgement of the last one.
        let counted = Arc::clone(&shared);
        let listener = listener.tap_io(move |stream| {
            counted.now().connections += 1;
            let _ = stream.set_nodelay(true);
        });
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self {
            url,
            shared,
            serving,
        })
    }

    /// Everything that was asked so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.now().requests.clone()
    }

    /// The bodies of the chats so far.
    pub fn chats(&self) -> Vec<Value> {
        let now = self.shared.now();
        now.requests
            .iter()
            .filter(|r| r.path == "/api/chat")
            .map(|r| r.body.clone())
            .collect()
    }

    /// How many answers were dropped by the other side before their end.
    pub fn cancelled(&self) -> usize {
        self.shared.now().cancelled
    }

    /// How many answers ran at the same time, at most.
    pub fn peak(&self) -> usize {
        self.shared.now().peak
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.shared.now().connections
    }

    /// Marks a model as loaded, with a context of that many tokens.
    pub fn load(&self, model: &str, context: u64) {
        self.shared.now().loaded.push((model.to_owned(), context));
    }

    /// Waits until so many answers were dropped by the other side.
    pub async fn until_cancelled(&self, count: usize) {
        self.until(|now| now.cancelled >= count).await;
    }

    /// Waits until so many requests have arrived.
    pub async fn until_requests(&self, count: usize) {
        self.until(|now| now.requests.len() >= count).await;
    }

    async fn until(&self, done: impl Fn(&Now) -> bool) {
        let happens = async {
            loop {
                let changed = self.shared.changed.notified();
                if done(&self.shared.now()) {
                    return;
                }
                changed.await;
            }
        };
        // A test that waits for what never comes fails, and doesn't hang.
        tokio::time::timeout(Duration::from_secs(60), happens)
            .await
            .expect("it should have happened long ago");
    }

    /// Runs until the process ends.
    pub async fn run(mut self) {
        let _ = (&mut self.serving).await;
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(|| async { "Ollama is running" }))
        .route(
            "/api/version",
            get(|| async { json_of(&json!({"version": "0.32.15"})) }),
        )
        .route("/api/tags", get(catalogue::tags))
        .route("/api/ps", get(catalogue::ps))
        .route("/api/show", post(catalogue::show))
        .route("/api/pull", post(catalogue::pull))
        .route("/api/delete", delete(catalogue::delete))
        .route("/api/copy", post(catalogue::copy))
        .route("/api/embed", post(catalogue::embed))
        .route("/api/chat", post(chat::chat))
        .route("/api/generate", post(chat::generate))
        .fallback(any(|| async {
            (StatusCode::NOT_FOUND, "404 page not found")
        }))
        .method_not_allowed_fallback(|| async {
            (StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed")
        })
        .layer(DefaultBodyLimit::max(64 << 20))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), record))
        .with_state(shared)
}

/// Notes each request, and refuses a Host name that isn't local, as Ollama does.
async fn record(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, 64 << 20).await else {
        return refuse(StatusCode::BAD_REQUEST, "http: request body too large");
    };
    {
        let mut now = shared.now();
        // A fake that runs for days must not grow: a test never needs this many.
        if now.requests.len() < 10_000 {
            now.requests.push(Recorded {
                method: parts.method.to_string(),
                path: parts.uri.path().to_owned(),
                headers: parts.headers.clone(),
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            });
        }
    }
    shared.changed.notify_waiters();
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("");
    if !is_local(host) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.is_empty()
        || name == "localhost"
        || name.parse::<std::net::IpAddr>().is_ok()
        || [".localhost", ".local", ".internal"]
            .iter()
            .any(|ending| name.ends_with(ending))
}

/// JSON the way Go writes it: `<`, `>` and `&` are escaped.
fn go_json(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

fn json_of(value: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        go_json(value),
    )
        .into_response()
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, json_of(&json!({"error": error}))).into_response()
}

/// A request's body as JSON, refused in Ollama's words when it isn't.
fn body_json(body: &Bytes) -> Result<Value, Response> {
    if body.is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, "missing request body"));
    }
    serde_json::from_slice(body)
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.to_string()))
}

/// The model that a request names, in either field.
fn model_of(body: &Value) -> String {
    let field = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
    };
    field("model")
        .or_else(|| field("name"))
        .unwrap_or_default()
        .to_owned()
}

/// Names without a tag mean `:latest`, and case doesn't matter.
fn full_name(name: &str) -> String {
    let name = name.to_lowercase();
    if name.rsplit('/').next().unwrap_or("").contains(':') {
        name
    } else {
        format!("{name}:latest")
    }
}
