//! What the server adds to a model's own time: an engine that speaks Ollama's chat protocol stamps
//! each token with the moment at which it was sent, and the caller looks at the stamp.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    routing::{get, post},
    serve::ListenerExt as _,
};
use futures_util::{StreamExt as _, future::try_join_all, stream};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{
    Effort,
    contenders::{self, FEWEST_KEYS, Settings},
    report::{Goal, Section},
    window::Spread,
    wire,
};

const CALLERS: usize = 50;
const TOKENS_PER_SECOND: usize = 2_000;

/// Since when stamps count, and how far apart tokens are.
#[derive(Clone, Copy)]
struct Engine {
    since: Instant,
    pace: Duration,
}

pub async fn run(effort: Effort) -> anyhow::Result<Section> {
    let mut section = Section::new("chat", "Tokens");
    let engine = Engine {
        since: Instant::now(),
        pace: Duration::from_secs(1) * CALLERS as u32 / TOKENS_PER_SECOND as u32,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let router = Router::new()
        .route("/api/chat", post(speak))
        .route("/api/ps", get(|| async { Json(json!({ "models": [] })) }))
        .with_state(engine);
    let listener = listener.tap_io(|stream| {
        // As Ollama does: without it a token may wait 40 ms for an acknowledgement.
        let _ = stream.set_nodelay(true);
    });
    let engine_task = tokio::spawn(async move { axum::serve(listener, router).await });
    let settings = Settings::with(
        FEWEST_KEYS,
        &format!(
            "[llm]\nprovider = \"ollama\"\nbase_url = \"http://{address}\"\ndefault_model = \"m\"\nmax_concurrent = {CALLERS}"
        ),
    )?;
    let server = settings.product()?;

    let rounds = effort.pick(&[20], &[200])[0];
    let mut added = Vec::new();
    for _ in 0..=rounds {
        let direct = first_token(&address, &direct(1), engine).await?;
        let through = first_token(&server.address, &through(0, 1)?, engine).await?;
        added.push(through.as_secs_f64() * 1e3 - direct.as_secs_f64() * 1e3);
    }
    // The first opens the server's connection to the engine.
    let added = Spread::of(added.into_iter().skip(1));
    section.goal(Goal::at_most(
        "time to first token that the server adds, ms",
        added,
        3.0,
    ));

    let tokens = effort.pick(&[80], &[400])[0];
    let requests = (0..CALLERS)
        .map(|number| through(number, tokens))
        .collect::<Result<Vec<_>, _>>()?;
    let reading = requests
        .iter()
        .map(|request| read(&server.address, request, engine));
    let lateness: Vec<Duration> = try_join_all(reading)
        .await?
        .into_iter()
        .flatten()
        .map(|token| token.late)
        .collect();
    ensure!(
        lateness.len() >= CALLERS * tokens,
        "tokens were lost: {} of {}",
        lateness.len(),
        CALLERS * tokens
    );
    let millis = || lateness.iter().map(|late| late.as_secs_f64() * 1e3);
    let worst = millis().fold(0.0, f64::max);
    section.say(&format!(
        "{} tokens to {CALLERS} callers, {TOKENS_PER_SECOND} a second in all. Each came {} ms after the engine sent it.",
        lateness.len(),
        Spread::of(millis()).show(),
    ));
    section.goal(Goal::at_most(
        "2,000 tokens/s to 50 callers: the latest token, ms",
        Spread::one(worst),
        50.0,
    ));
    engine_task.abort();
    Ok(section)
}

/// The engine: as many tokens as `options.num_predict` says, each its own stamp in microseconds.
async fn speak(State(engine): State<Engine>, Json(body): Json<serde_json::Value>) -> Body {
    let tokens = body["options"]["num_predict"].as_u64().unwrap_or(1);
    let mut ticks = tokio::time::interval(engine.pace);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let lines = stream::unfold((0, ticks), move |(sent, mut ticks)| async move {
        if sent > tokens {
            return None;
        }
        ticks.tick().await;
        let stamp = format!("<{}>", engine.since.elapsed().as_micros());
        let line = if sent < tokens {
            json!({ "model": "m", "message": { "role": "assistant", "content": stamp }, "done": false })
        } else {
            json!({ "model": "m", "message": { "role": "assistant", "content": "" }, "done": true, "done_reason": "stop" })
        };
        Some((
            Ok::<_, std::io::Error>(format!("{line}\n")),
            (sent + 1, ticks),
        ))
    });
    Body::from_stream(lines.boxed())
}

fn direct(tokens: usize) -> Vec<u8> {
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hello" }], "options": { "num_predict": tokens } }).to_string();
    format!("POST /api/chat HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn through(caller: usize, tokens: usize) -> anyhow::Result<Vec<u8>> {
    let arguments =
        json!({ "prompt": "hello", "model": "m", "options": { "num_predict": tokens } });
    let mut call: serde_json::Value = serde_json::from_str(&wire::call(
        wire::Lifecycle::Stateless,
        "ollama-chat",
        &arguments,
    ))?;
    call["params"]["_meta"]["progressToken"] = caller.into();
    Ok(wire::post(
        &contenders::key(caller),
        &wire::call_headers("ollama-chat"),
        &call.to_string(),
    ))
}

/// A token as it came in.
struct Token {
    at: Instant,
    late: Duration,
}

async fn first_token(address: &str, request: &[u8], engine: Engine) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let tokens = read(address, request, engine).await?;
    Ok(tokens.first().context("no token came")?.at - start)
}

/// Sends a request and reads the stamps in what comes back, until the answer ends. The final result
/// repeats the whole text; only what comes before it is looked at.
async fn read(address: &str, request: &[u8], engine: Engine) -> anyhow::Result<Vec<Token>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request).await?;
    let (mut tokens, mut buffer, mut looked_at) = (Vec::new(), Vec::new(), 0);
    loop {
        let read = stream.read_buf(&mut buffer).await?;
        ensure!(read > 0, "cut off: {}", String::from_utf8_lossy(&buffer));
        let now = Instant::now();
        // Whole lines only: a piece may end anywhere.
        let whole = buffer
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&buffer[looked_at..whole]).into_owned();
        looked_at = whole;
        let text = text.split("\"result\"").next().unwrap_or_default();
        for stamp in text
            .split('<')
            .skip(1)
            .filter_map(|rest| rest.split_once('>'))
        {
            let sent = engine.since + Duration::from_micros(stamp.0.parse()?);
            tokens.push(Token {
                at: now,
                late: now.saturating_duration_since(sent),
            });
        }
        if buffer.ends_with(b"0\r\n\r\n") {
            return Ok(tokens);
        }
    }
}
