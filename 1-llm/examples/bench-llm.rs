//! What the provider costs, as ratios: decoding against a plain `serde_json::Value` loop, the
//! first token against a bare socket, and the memory that a very long answer takes.
//!
//! Run with `cargo run --release -p mcp-llm --example bench-llm`

#[path = "../../tests/support/fake_ollama/mod.rs"]
mod fake_ollama;

use std::{
    error::Error,
    hint::black_box,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fake_ollama::{FakeOllama, Mode, Options};
use futures_util::StreamExt;
use mcp_llm::{
    ChatEvent, ChatRequest, Message, Ollama, Provider, Settings,
    address::{Address, Syntax},
    ndjson::Lines,
    ollama::decode::Decoder,
};
use serde_json::Value;

type Done<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Done {
    // First: what the others leave free in the heap would hide what this one takes.
    memory().await?;
    decoding()?;
    buffering()?;
    first_token().await
}

/// The best of some measurements: what else runs on the machine only ever slows one down.
const TIMES: usize = 15;

/// The middle of some measurements.
fn median<T: PartialOrd + Copy>(mut all: Vec<T>) -> Option<T> {
    all.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    all.get(all.len() / 2).copied()
}

/// A stream as Ollama sends it: a word, some escapes, and a last line.
fn a_stream(tokens: usize) -> Vec<u8> {
    let words = [
        " the",
        " model",
        " \\u003cb\\u003e",
        " och",
        " på",
        ".\\n",
        " protocol",
        " a",
    ];
    let mut out = Vec::new();
    for word in words.iter().cycle().take(tokens) {
        out.extend_from_slice(
            format!(
                "{{\"model\":\"llama3.2:latest\",\"created_at\":\"2026-08-21T08:52:19.385406455Z\",\
                 \"message\":{{\"role\":\"assistant\",\"content\":\"{word}\"}},\"done\":false}}\n"
            )
            .as_bytes(),
        );
    }
    out.extend_from_slice(b"{\"model\":\"llama3.2:latest\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"eval_count\":7}\n");
    out
}

/// Ours: chunks in, events out, the whole answer put together.
fn ours(stream: &Bytes, chunk: usize) -> Done<usize> {
    let mut lines = Lines::new(16 << 20);
    let mut decoder = Decoder::new("llama3.2", tokio::time::Instant::now());
    let (mut rest, mut said) = (stream.clone(), 0);
    while !rest.is_empty() {
        lines.push(rest.split_to(chunk.min(rest.len())));
        while let Some(line) = lines.next_line().map_err(|_| "a line is too long")? {
            for event in decoder
                .decode_line(&line)
                .map_err(|error| format!("{error:?}"))?
            {
                match black_box(event) {
                    ChatEvent::Content(text) => said += text.len(),
                    ChatEvent::Done(done) => assert_eq!(done.message.content.len(), said),
                    _ => {}
                }
            }
        }
    }
    Ok(said)
}

/// The baseline: whole lines, each into a `Value`, the text taken out and put together.
fn baseline(stream: &Bytes, chunk: usize) -> Done<usize> {
    let mut buffer: Vec<u8> = Vec::new();
    let mut whole = String::new();
    for piece in stream.chunks(chunk) {
        buffer.extend_from_slice(piece);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let value: Value = serde_json::from_slice(&line)?;
            let text = value["message"]["content"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            whole.push_str(&text);
            black_box(text);
        }
    }
    Ok(whole.len())
}

#[allow(clippy::cast_precision_loss, reason = "a rate")]
fn rate(stream: &Bytes, chunk: usize, decode: fn(&Bytes, usize) -> Done<usize>) -> Done<f64> {
    let mut best = 0.0_f64;
    for _ in 0..TIMES {
        let started = Instant::now();
        black_box(decode(stream, chunk)?);
        best = best.max(stream.len() as f64 / 1e6 / started.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn decoding() -> Done {
    let stream = Bytes::from(a_stream(100_000));
    assert_eq!(ours(&stream, 8192)?, baseline(&stream, 8192)?);
    println!(
        "decode   {} MB of chat lines, best of {TIMES}",
        stream.len() / 1_000_000
    );
    for chunk in [256, 8192, 65_536] {
        let (ours, baseline) = (rate(&stream, chunk, ours)?, rate(&stream, chunk, baseline)?);
        println!(
            "  chunks of {chunk:>6}: {ours:>6.0} MB/s, Value baseline {baseline:>5.0} MB/s, ratio {:.1}x",
            ours / baseline
        );
    }
    let mut times = Vec::new();
    for tokens in [50_000, 500_000] {
        let stream = Bytes::from(a_stream(tokens));
        let mut each = Vec::new();
        for _ in 0..TIMES {
            let started = Instant::now();
            black_box(ours(&stream, 8192)?);
            each.push(started.elapsed());
        }
        times.push(each.into_iter().min().unwrap_or_default());
    }
    println!(
        "  10x the stream takes {:.1}x the time",
        times[1].as_secs_f64() / times[0].as_secs_f64()
    );
    Ok(())
}

/// One long line in small chunks: to search its beginning again for each chunk would be quadratic.
fn buffering() -> Done {
    let mut times = Vec::new();
    for size in [800 << 10, 8_000 << 10] {
        let line = Bytes::from([vec![b'x'; size], b"\n".to_vec()].concat());
        let mut each = Vec::new();
        for _ in 0..TIMES {
            let (started, mut rest, mut found) = (Instant::now(), line.clone(), 0);
            let mut lines = Lines::new(16 << 20);
            while !rest.is_empty() {
                lines.push(rest.split_to(64.min(rest.len())));
                while lines
                    .next_line()
                    .map_err(|_| "a line is too long")?
                    .is_some()
                {
                    found += 1;
                }
            }
            assert_eq!(black_box(found), 1);
            each.push(started.elapsed());
        }
        times.push(each.into_iter().min().unwrap_or_default());
    }
    println!(
        "  10x the line, in chunks of 64 bytes, takes {:.1}x the time",
        times[1].as_secs_f64() / times[0].as_secs_f64()
    );
    Ok(())
}

fn request() -> ChatRequest {
    ChatRequest {
        model: Some("llama3.2".to_owned()),
        messages: vec![Message::user("hi")],
        ..ChatRequest::default()
    }
}

/// From writing the request to having the first line, over a socket and nothing else.
fn raw(address: &str) -> Done<Duration> {
    let body = r#"{"model":"llama3.2","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    let started = Instant::now();
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    write!(
        socket,
        "POST /api/chat HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while !seen.windows(9).any(|window| window == b"\"content\"") {
        let count = socket.read(&mut buffer)?;
        seen.extend_from_slice(&buffer[..count]);
        if count == 0 {
            return Err("the fake hung up".into());
        }
    }
    Ok(started.elapsed())
}

async fn first_token() -> Done {
    let fake = FakeOllama::start(Mode::Normal).await;
    let address = fake.url.trim_start_matches("http://").to_owned();
    let (mut raws, mut ours) = (Vec::new(), Vec::new());
    // In turns, so that a noisy moment hits both; the first ones warm up.
    for n in 0..320 {
        let address = address.clone();
        let bare =
            tokio::task::spawn_blocking(move || raw(&address).map_err(|error| error.to_string()))
                .await??;
        // A provider of its own each time: no connection is kept, as the socket keeps none.
        let provider = Ollama::new(
            Address::parse(&fake.url, Syntax::Ollama)?,
            &Settings::default(),
            None,
        )?;
        let started = Instant::now();
        let mut answer = provider.chat(request()).await?;
        while let Some(event) = answer.next().await {
            if matches!(event?, ChatEvent::Content(_)) {
                break;
            }
        }
        let taken = started.elapsed();
        if n >= 20 {
            raws.push(bare);
            ours.push(taken);
        }
    }
    let p50 = |all: Vec<Duration>| median(all).unwrap_or_default().as_secs_f64() * 1e3;
    let (raw, ours) = (p50(raws), p50(ours));
    println!(
        "first token, p50 of 300: {ours:.2} ms, bare socket {raw:.2} ms, added {:.2} ms",
        ours - raw
    );
    Ok(())
}

/// What this process has in memory now, in bytes (Linux; elsewhere 0).
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or("0 kB");
    line.trim()
        .trim_end_matches("kB")
        .trim()
        .parse::<u64>()
        .unwrap_or(0)
        * 1024
}

#[allow(clippy::cast_precision_loss, reason = "megabytes")]
async fn memory() -> Done {
    const TOKENS: usize = 1_000_000;
    let fake = FakeOllama::with(Options {
        mode: Mode::Flood,
        tokens: TOKENS,
        ..Options::default()
    })
    .await?;
    let provider = Ollama::new(
        Address::parse(&fake.url, Syntax::Ollama)?,
        &Settings::default(),
        None,
    )?;
    let mut answer = provider.chat(request()).await?;
    let (mut idle, mut peak, mut tokens) = (0, 0, 0_usize);
    let started = Instant::now();
    while let Some(event) = answer.next().await {
        match event? {
            ChatEvent::Content(_) => tokens += 1,
            ChatEvent::Done(done) => assert_eq!(done.message.content.len(), TOKENS * 4),
            _ => {}
        }
        // The first tokens are there: everything is set up, and nothing has been gathered.
        if tokens == 1_000 && idle == 0 {
            idle = resident();
        }
        if tokens % 1_000 == 0 {
            peak = peak.max(resident());
        }
    }
    peak = peak.max(resident());
    let above = peak.saturating_sub(idle) as f64 / 1e6;
    println!(
        "memory   {tokens} tokens: {above:.1} MB above idle at most (fake included), {:.0} tokens/s",
        tokens as f64 / started.elapsed().as_secs_f64()
    );
    Ok(())
}
