//! The whole chain: key, program, server, (fake) Ollama, and back to the glass.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use mcp_client::store::{ChatImage, Store};

#[path = "../../../tests/support/fake_ollama/mod.rs"]
mod fake_ollama;

use fake_ollama::{FakeOllama, Mode, Options};

use super::program::{Program, built};
use super::{history, percentile, report};

/// Questions asked one after the other.
const ROUNDS: usize = 60;

/// The real server, stopped at the end.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(ollama: &str) -> Option<Self> {
        let mut child = Command::new(built("mcp-server")?)
            .args(["--transport", "sse"])
            .env_clear()
            .env("OLLAMA_HOST", ollama)
            .env("MCP_SERVER__PORT", "0")
            .env("MCP_LIMITS__BURST", "100000")
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(child.stderr.take()?).lines();
        let url = lines.find_map(|line| {
            let line = line.ok()?;
            let rest = line.split("listening on ").nth(1)?;
            rest.split_whitespace().next().map(str::to_owned)
        });
        // Somebody must read on, or the server's log would fill its pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, url: url? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long the fake itself takes to its first word.
async fn own(ollama: &str) -> Duration {
    let address = url::Url::parse(ollama).unwrap();
    // A model that the fake has: a refusal is over at once, and never counts as dropped.
    let body =
        r#"{"model": "llama3.2", "stream": true, "messages": [{"role": "user", "content": "hi"}]}"#;
    let began = Instant::now();
    let response = mcp_client::http::client_for(&address)
        .unwrap()
        .post(format!("{ollama}/api/chat"))
        .body(body)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    response.bytes_stream().next().await.unwrap().unwrap();
    began.elapsed()
}

pub(crate) async fn measure() {
    let fake = FakeOllama::with(Options {
        mode: Mode::Normal,
        pace: Duration::from_millis(40),
        ..Options::default()
    })
    .await
    .unwrap();
    let (Some(program), Some(server)) = (built("mcp-client"), Server::start(&fake.url)) else {
        println!("skip the rest: build the programs first, as `make bench-client` does");
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let chat = history(5000, 1_000_000);
    let store = Store::at(&state.path().join("learn-mcp"));
    store.save(&ChatImage::of(chat.chat()).unwrap()).unwrap();
    drop(chat);
    let Ok(mut program) = Program::start(&program, &server.url, state.path()) else {
        println!("skip the rest: there is no `script` on this machine");
        return;
    };

    let first = program.shows("reaches");
    let first = program.since_start(first).as_secs_f64() * 1e3;
    report(
        "start to first frame, with `script` around it",
        "<= 100 ms",
        &format!("{first:.1} ms"),
        first <= 100.0,
    );
    while !program.has("no key") {
        program.shows("no key");
    }
    program.listen(Duration::from_secs(1));
    let before = program.bytes;
    program.listen(Duration::from_secs(3));
    report(
        "bytes drawn in 3 idle seconds",
        "0",
        &(program.bytes - before).to_string(),
        program.bytes == before,
    );
    questions(&mut program, &fake).await;
    busiest(&mut program);
    memory(&mut program);
    typing(&mut program);
}

/// Asks, sees the first word, stops: three waits of a person in one round.
async fn questions(program: &mut Program, fake: &FakeOllama) {
    let (mut alone, mut whole) = (Vec::new(), Vec::new());
    let (mut usable, mut closed) = (Vec::new(), Vec::new());
    let rest = Duration::from_millis(40);
    for round in 0..ROUNDS {
        alone.push(own(&fake.url).await);
        // That request was dropped after its first word, too.
        fake.until_cancelled(2 * round + 1).await;
        let key = program.keys(b"hi\r");
        whole.push(program.shows("answering") - key);
        let esc = program.keys(b"\x1b");
        fake.until_cancelled(2 * round + 2).await;
        closed.push(esc.elapsed());
        usable.push(program.shows("Enter sends") - esc);
        program.listen(rest);
    }
    let own = Duration::from_secs_f64(percentile(&mut alone, 50) / 1e3);
    let mut added: Vec<Duration> = whole.iter().map(|t| t.saturating_sub(own)).collect();
    for (p, goal) in [(50, 15.0), (95, 40.0)] {
        let value = percentile(&mut added, p);
        report(
            &format!("Enter to first word on screen, over Ollama's own (p{p})"),
            &format!("<= {goal} ms"),
            &format!("{value:.1} ms"),
            value <= goal,
        );
    }
    let worst = percentile(&mut usable, 100);
    report(
        &format!("Esc to usable input on screen (worst of {ROUNDS})"),
        "<= 50 ms",
        &format!("{worst:.1} ms"),
        worst <= 50.0,
    );
    let worst = percentile(&mut closed, 100);
    report(
        &format!("Esc to the model's connection closed (worst of {ROUNDS})"),
        "<= 250 ms",
        &format!("{worst:.1} ms"),
        worst <= 250.0,
    );
}

/// Keys faster than anybody types, while an answer streams.
fn busiest(program: &mut Program) {
    program.keys(b"hi\r");
    program.shows("answering");
    let (before, began) = (program.frames, Instant::now());
    for _ in 0..400 {
        program.keys(b"x");
        program.listen(Duration::from_millis(5));
    }
    let rate = (program.frames - before) as f64 / began.elapsed().as_secs_f64();
    report(
        "frames per second under 200 keys per second",
        "<= 60",
        &format!("{rate:.1}"),
        rate <= 60.0,
    );
    program.keys(b"\x1b");
    // Ctrl-U empties the line.
    program.keys(b"\x15");
    program.listen(Duration::from_millis(500));
}

/// Types into the saved chat while an answer streams below its 5,000 messages. Unlike the row about
/// the app alone, this one has what waits for the next frame in it.
fn typing(program: &mut Program) {
    // The fake repeats what it is asked, a word at a time: that is how long it streams.
    program.keys(format!("{}\r", "word ".repeat(400)).as_bytes());
    program.shows("answering");
    let mut times: Vec<Duration> = (1..=100)
        .map(|n| {
            // At another moment between two frames each time.
            program.listen(Duration::from_millis(20 + n * 7 % 31));
            let key = program.keys(b"x");
            program.shows(&"x".repeat(usize::try_from(n).unwrap())) - key
        })
        .collect();
    assert!(program.has("answering"), "the answer was over too early");
    let p95 = percentile(&mut times, 95);
    report(
        "key to screen while streaming, the whole program (p95)",
        "<= 16 ms",
        &format!("{p95:.1} ms"),
        p95 <= 16.0,
    );
    program.keys(b"\x1b");
    program.listen(Duration::from_millis(500));
}

/// Opens the saved chat and scrolls through all of it.
fn memory(program: &mut Program) {
    // Ctrl-P lists the chats; the second is the saved one.
    program.keys(b"\x10");
    program.shows("Chats");
    program.keys(b"\x1b[B\r");
    program.shows("2/2");
    for _ in 0..900 {
        program.keys(b"\x1b[5~");
        program.listen(Duration::from_millis(2));
    }
    program.listen(Duration::from_millis(500));
    let peak = program.peak().unwrap_or(f64::NAN);
    report(
        "memory with 1 MB of history, all of it scrolled through",
        "<= 60 MB",
        &format!("{peak:.1} MB"),
        peak <= 60.0,
    );
}
