//! A server under full load while keys are revoked and given back; then everything must be as it
//! was before, and the record whole. Used by the test and by `examples/soak.rs`.

use std::{
    collections::BTreeMap,
    io::BufReader,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use mcp_server::{
    app::App,
    config::{Config, Mode},
    interceptor::{Load, audit, keys::fingerprint},
    transport::{HttpSettings, http},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::wire::Wire;

const HOLDERS: u64 = 24;
const SESSIONS: usize = 32;

/// What a soak came to.
#[derive(Debug, Default)]
#[allow(dead_code, reason = "some of it is only for people to read")]
pub struct Report {
    pub requests: u64,
    /// By HTTP status.
    pub answers: BTreeMap<u16, u64>,
    /// How often the keys file changed.
    pub revocations: u64,
    pub records: u64,
    pub files: usize,
    pub load: Load,
    /// Tasks, before and after.
    pub tasks: (usize, usize),
    /// Kilobytes of memory, before and after; 0 where the system doesn't tell.
    pub memory: (u64, u64),
}

fn keys(without: u64) -> String {
    let holders = (0..HOLDERS).filter(|holder| holder % 4 != without);
    let entry = |holder| {
        let scope = if holder % 3 == 0 {
            "tools:util:echo"
        } else {
            "*"
        };
        let sha256 = fingerprint(&format!("holder-{holder}"));
        format!(
            "[[key]]\nname = \"holder-{holder}\"\nsha256 = \"{sha256}\"\nscopes = [\"{scope}\"]\n"
        )
    };
    holders.map(entry).collect()
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    answers: Mutex<BTreeMap<u16, u64>>,
    wrong: Mutex<Vec<String>>,
}

impl Shared {
    fn count(&self, status: u16) {
        self.sent.fetch_add(1, Ordering::SeqCst);
        *self.answers.lock().unwrap().entry(status).or_default() += 1;
        if status >= 500 {
            self.complain(format!("an answer {status}"));
        }
    }

    fn complain(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < 20 {
            wrong.push(what);
        }
    }
}

/// One client: whatever comes to its mind, in an order of its own.
async fn client(url: String, number: u64, shared: Arc<Shared>) {
    let mut turn = number;
    let http = Wire::new(&url, None).http;
    while !shared.stop.load(Ordering::SeqCst) {
        turn = turn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let choice = (turn >> 33) % 16;
        let holder = format!("holder-{}", (turn >> 40) % HOLDERS);
        let key = if choice == 0 { "nobody" } else { &holder };
        let wire = Wire::sharing(http.clone(), &url, Some(key));
        let message = match choice {
            0..=8 => wire.message(
                "tools/call",
                json!({ "name": "echo", "arguments": { "message": "hi" } }),
            ),
            9 => wire.message("tools/list", json!({})),
            10 => wire.message("resources/read", json!({ "uri": "config://server" })),
            11 => json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": {} }),
            12 => json!([]),
            13 => {
                abandon(&wire, &shared).await;
                continue;
            }
            _ => {
                session(&wire, &url, &holder, &shared).await;
                continue;
            }
        };
        match wire.post(&message).send().await {
            Ok(answer) => {
                shared.count(answer.status().as_u16());
                let _ = answer.bytes().await;
            }
            Err(error) => shared.complain(format!("no answer: {error}")),
        }
    }
}

/// Asks the tutor, and goes away in the middle of its answer.
async fn abandon(wire: &Wire, shared: &Shared) {
    let chat = json!({ "name": "ollama-chat", "arguments": { "prompt": "What is a tool in MCP?" }, "_meta": { "progressToken": 1 } });
    match wire.post(&wire.message("tools/call", chat)).send().await {
        Ok(answer) => {
            shared.count(answer.status().as_u16());
            let mut bytes = answer.bytes_stream();
            let _ = bytes.next().await;
        }
        Err(error) => shared.complain(format!("no answer: {error}")),
    }
}

/// A session from the handshake to its end.
async fn session(wire: &Wire, url: &str, holder: &str, shared: &Shared) {
    let hello = wire.initialize("2025-06-18").await;
    shared.count(hello.status.as_u16());
    let Some(id) = wire.session() else {
        return;
    };
    shared.sent.fetch_add(1, Ordering::SeqCst); // the notification behind the handshake
    let answer = wire.call("echo", json!({ "message": "hi" })).await;
    shared.count(answer.status.as_u16());
    let closed = wire
        .http
        .delete(url)
        .bearer_auth(holder)
        .header("mcp-session-id", id)
        .send()
        .await;
    match closed {
        Ok(answer) => shared.count(answer.status().as_u16()),
        Err(error) => shared.complain(format!("no answer: {error}")),
    }
}

/// Runs one, and says what is wrong if anything is.
pub async fn soak(time: Duration, clients: u64) -> Result<Report, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (keys_file, record) = (
        folder.path().join("keys.toml"),
        folder.path().join("audit.jsonl"),
    );
    std::fs::write(&keys_file, keys(99)).map_err(|error| error.to_string())?;
    let mut config = Config::default();
    config.server.mode = Mode::Prod;
    config.server.max_sessions = SESSIONS;
    config.server.max_sessions_per_identity = SESSIONS;
    config.server.session_idle_ms = 2_000;
    config.llm.provider = serde_json::from_str("\"tutor\"").map_err(|error| error.to_string())?;
    (config.audit.stderr, config.audit.file) = (false, Some(record.clone()));
    (config.audit.max_bytes, config.audit.keep) = (8 << 20, 10_000);
    config.auth.keys_file = Some(keys_file.clone());
    config.auth.failures_per_minute = 100_000_000;
    (config.limits.per_minute, config.limits.burst) = (600, 8);
    let app = App::build(config, &|_name| None).map_err(|error| error.to_string())?;
    let shutdown = CancellationToken::new();
    let settings = HttpSettings {
        port: 0,
        ..app.config.http_settings()
    };
    let server = http::Server::bind(&app.guard, settings, shutdown.clone()).await;
    let server = server.map_err(|error| error.to_string())?;
    let address = server.address();
    let served = tokio::spawn(server.run());

    let url = format!("http://{address}/mcp");
    let shared = Arc::new(Shared {
        stop: AtomicBool::new(false),
        sent: AtomicU64::new(0),
        answers: Mutex::default(),
        wrong: Mutex::default(),
    });
    let before = (tasks(), memory());
    let working: Vec<_> = (0..clients)
        .map(|number| tokio::spawn(client(url.clone(), number, Arc::clone(&shared))))
        .collect();
    let keys_now = &app.keys;
    let (began, mut revocations) = (Instant::now(), 0);
    while began.elapsed() < time {
        std::fs::write(&keys_file, keys(revocations % 4)).map_err(|error| error.to_string())?;
        keys_now.reload().map_err(|error| error.to_string())?;
        revocations += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shared.stop.store(true, Ordering::SeqCst);
    for client in working {
        client
            .await
            .map_err(|error| format!("a client failed: {error}"))?;
    }
    std::fs::write(&keys_file, keys(99)).map_err(|error| error.to_string())?;
    keys_now.reload().map_err(|error| error.to_string())?;

    let floor = settle(&app, before.0).await;
    let opened = open_all(&url, &shared).await;
    settle(&app, before.0).await;
    shutdown.cancel();
    served.await.map_err(|error| error.to_string())?;
    let journal = Arc::clone(app.pipeline.journal());
    tokio::task::spawn_blocking(move || journal.shut_down())
        .await
        .map_err(|error| error.to_string())?;
    let (records, files) = verify(&record)?;

    let report = Report {
        requests: shared.sent.load(Ordering::SeqCst),
        answers: shared.answers.lock().unwrap().clone(),
        revocations,
        records,
        files,
        load: floor.0,
        tasks: (before.0, floor.1),
        memory: (before.1, memory()),
    };
    let mut wrong = std::mem::take(&mut *shared.wrong.lock().unwrap());
    if report.load != Load::default() {
        wrong.push(format!("a table didn't empty: {:?}", report.load));
    }
    if report.tasks.1 > report.tasks.0 {
        wrong.push(format!("tasks were left behind: {:?}", report.tasks));
    }
    if opened != SESSIONS {
        wrong.push(format!(
            "{opened} of {SESSIONS} sessions could be opened afterwards: the others are still taken"
        ));
    }
    if report.records != report.requests {
        wrong.push(format!(
            "{} requests left {} records",
            report.requests, report.records
        ));
    }
    if wrong.is_empty() {
        Ok(report)
    } else {
        Err(format!("{}\n{report:#?}", wrong.join("\n")))
    }
}

/// Waits until the server is as it was, within a bound, and tells how it is then.
async fn settle(app: &App, floor: usize) -> (Load, usize) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let now = (app.pipeline.load(), tasks());
        if (now.0 == Load::default() && now.1 <= floor) || Instant::now() > end {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Opens as many sessions as there may be: a place that was never given back would be missing.
async fn open_all(url: &str, shared: &Shared) -> usize {
    let mut opened = 0;
    let http = Wire::new(url, None).http;
    for number in 0..SESSIONS as u64 {
        // By all of them in turn, because each may only ask so much.
        let holder = format!("holder-{}", number % HOLDERS);
        let wire = Wire::sharing(http.clone(), url, Some(&holder));
        let hello = wire.initialize("2025-06-18").await;
        shared.count(hello.status.as_u16());
        if wire.session().is_some() {
            shared.sent.fetch_add(1, Ordering::SeqCst);
            opened += 1;
        }
    }
    opened
}

/// Checks the chain over all files, oldest first, and counts the requests that they tell of.
fn verify(newest: &Path) -> Result<(u64, usize), String> {
    let older = |number: u32| newest.with_file_name(format!("audit.jsonl.{number}"));
    let mut files: Vec<_> = (1..).map(older).take_while(|path| path.exists()).collect();
    files.reverse();
    files.push(newest.to_owned());
    let (mut last, mut records) = (None::<String>, 0);
    for path in &files {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        let verdict = audit::verify(BufReader::new(file), last.as_deref())
            .map_err(|error| error.to_string())?;
        if let Some(fault) = verdict.fault {
            return Err(format!(
                "the chain breaks at {}:{}: {}",
                path.display(),
                fault.line,
                fault.what
            ));
        }
        last = Some(verdict.last);
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let counted = lines
            .filter(|line| line.get("audit").is_none())
            .map(|line| line["coalesced"].as_u64().unwrap_or(1));
        records += counted.sum::<u64>();
    }
    Ok((records, files.len()))
}
