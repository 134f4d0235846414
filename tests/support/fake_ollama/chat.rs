//! What a chat is answered with: first what is said, then how it travels.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::{Shared, body_json, catalogue::known, full_name, go_json, json_of, mode::Mode, refuse};

/// One step of an answer on its way.
enum Step {
    Send(Bytes),
    Wait(Duration),
    /// So many times the same.
    Repeat(usize, Bytes),
    /// Nothing more, and the connection stays open.
    Hang,
    /// A single space again and again.
    Drip,
    /// The connection breaks.
    Break,
}

/// What the model says.
#[derive(Default)]
struct Said {
    thinking: String,
    content: String,
    tool_calls: Vec<Value>,
}

pub(super) async fn chat(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = match body_json(&body) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let model = match known(&shared, &body) {
        Ok(model) => model,
        Err(refusal) => return refusal,
    };
    let wants = |field: &str| body.get(field).is_some_and(|value| !is_nothing(value));
    if wants("tools") && !model.can("tools") {
        let refusal = format!(
            "registry.ollama.ai/library/{} does not support tools",
            model.name
        );
        return refuse(StatusCode::BAD_REQUEST, &refusal);
    }
    if wants("think") && !model.can("thinking") {
        let refusal = format!(
            "\"{}\" does not support thinking",
            body["model"].as_str().unwrap_or("")
        );
        return refuse(StatusCode::BAD_REQUEST, &refusal);
    }
    if !model.can("completion") {
        return refuse(
            StatusCode::BAD_REQUEST,
            &format!("\"{}\" does not support chat", model.name),
        );
    }
    if let Some(wrong) = wrong_option(&body) {
        return refuse(StatusCode::BAD_REQUEST, &wrong);
    }
    let mode = match shared.options.mode {
        Mode::ByModel => Mode::of_model(&model.name),
        mode => mode,
    };
    let messages = body
        .get("messages")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if messages.is_empty() {
        return load_or_unload(&shared, &model.name, &body, "message");
    }
    if let Some(answer) = refused(&shared, mode) {
        return answer;
    }
    if shared.options.loads_at_once {
        remember_loaded(&shared, &model.name, &body);
    }
    let said = say(&shared, mode, &body, &messages);
    let prompt = prompt_tokens(&body).min(context_of(&shared, &model.name));
    let name = body["model"].as_str().unwrap_or_default();
    if body.get("stream") == Some(&Value::Bool(false)) {
        if matches!(mode, Mode::Hang | Mode::Stall | Mode::Drip) {
            std::future::pending::<()>().await;
        }
        return whole(name, mode, &said, prompt);
    }
    let mut steps = steps(&shared, name, mode, &said, prompt);
    let running = Running::new(Arc::clone(&shared));
    // Ollama sends its headers with the first line, and not before.
    match steps.first() {
        Some(Step::Wait(time)) => {
            tokio::time::sleep(*time).await;
            steps.remove(0);
        }
        Some(Step::Hang) => std::future::pending().await,
        _ => {}
    }
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(play(running, steps)),
    )
        .into_response()
}

/// The older route, for clients that still use it: the same words without a conversation.
pub(super) async fn generate(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = match body_json(&body) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let model = match known(&shared, &body) {
        Ok(model) => model,
        Err(refusal) => return refusal,
    };
    let prompt = body
        .get("prompt")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if prompt.is_empty() {
        return load_or_unload(&shared, &model.name, &body, "response");
    }
    let text = format!("You asked: {prompt}");
    if body.get("stream") == Some(&Value::Bool(false)) {
        let mut last = done_line(&model.name, 8, 4);
        last.insert("response".to_owned(), text.into());
        return json_of(&last.into());
    }
    let mut steps: Vec<Step> = tokens(&text)
        .map(|token| line(&json!({"model": model.name, "created_at": CREATED, "response": token, "done": false})))
        .collect();
    let mut last = done_line(&model.name, 8, 4);
    last.insert("response".to_owned(), "".into());
    steps.push(line(&last.into()));
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(play(Running::new(shared), steps)),
    )
        .into_response()
}

const CREATED: &str = "2026-08-21T08:52:19.385406455Z";

/// Modes that are refusals from the start.
fn refused(shared: &Shared, mode: Mode) -> Option<Response> {
    let busy = "server busy, please try again.  maximum pending requests exceeded";
    let page = "<!DOCTYPE html><html><body><h1>It works!</h1></body></html>";
    let html = [(header::CONTENT_TYPE, "text/html")];
    Some(match mode {
        Mode::Busy => {
            let mut now = shared.now();
            now.busy_left = now.busy_left.checked_sub(1)?;
            refuse(StatusCode::SERVICE_UNAVAILABLE, busy)
        }
        Mode::Full => refuse(StatusCode::SERVICE_UNAVAILABLE, busy),
        Mode::Crash => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "llama-server process has terminated: exit status 2",
        ),
        Mode::Unauthorized => {
            let body = json!({"error": "unauthorized", "signin_url": "https://ollama.com/connect"});
            (StatusCode::UNAUTHORIZED, json_of(&body)).into_response()
        }
        Mode::Html => (html, page).into_response(),
        Mode::BadGateway => (StatusCode::INTERNAL_SERVER_ERROR, html, page).into_response(),
        Mode::Redirect => (
            StatusCode::TEMPORARY_REDIRECT,
            [(header::LOCATION, shared.options.redirect_to.clone())],
        )
            .into_response(),
        Mode::ContextFull => refuse(
            StatusCode::BAD_REQUEST,
            "the request exceeds the available context size, try increasing it",
        ),
        _ => return None,
    })
}

/// What the model says to this conversation.
fn say(shared: &Shared, mode: Mode, body: &Value, messages: &[Value]) -> Said {
    let last = messages.last().cloned().unwrap_or_default();
    let text = last["content"].as_str().unwrap_or_default();
    let mut said = Said::default();
    if mode == Mode::Thinking && body.get("think") != Some(&Value::Bool(false)) {
        said.thinking = "Okay, let me think about <that> & answer.".to_owned();
    }
    if last["role"] == "tool" {
        let tool = last["tool_name"].as_str().unwrap_or("the tool");
        said.content = format!("{tool} says: {text}");
        return said;
    }
    let tools = body
        .get("tools")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let always = matches!(mode, Mode::Tools | Mode::ToolsInDone);
    let lower = text.to_lowercase();
    if let Some(tool) = tools.iter().find(|tool| always || is_about(&lower, tool)) {
        said.tool_calls.push(call(shared, tool, text));
        return said;
    }
    said.content = match body.get("format") {
        Some(Value::String(json)) if json == "json" => json!({"answer": text}).to_string(),
        Some(schema @ Value::Object(_)) => instance_of(schema).to_string(),
        _ => format!("Hej på dig! You said “{text}” — that is <fine> & good 🦙."),
    };
    said
}

/// A question is about a tool when it has one of the longer words of its name.
fn is_about(lower: &str, tool: &Value) -> bool {
    let name = tool["function"]["name"].as_str().unwrap_or_default();
    name.split(['-', '_'])
        .filter(|word| word.len() > 3 && *word != "ollama" && *word != "list")
        .any(|word| lower.contains(word))
}

/// A call with the argument that the tool's schema asks for.
fn call(shared: &Shared, tool: &Value, text: &str) -> Value {
    let function = &tool["function"];
    let mut arguments = Map::new();
    let required = function["parameters"]["required"][0].as_str();
    let first = function["parameters"]["properties"]
        .as_object()
        .and_then(|all| all.keys().next());
    if let Some(argument) = required.or(first.map(String::as_str)) {
        let text = text.trim_end_matches(['?', '.', '!']);
        let value = match text.rsplit_once(" in ") {
            Some((_, place)) => place,
            None => text.split_once(' ').map_or(text, |(_, rest)| rest),
        };
        arguments.insert(argument.to_owned(), value.into());
    }
    let mut now = shared.now();
    let index = now.calls_made;
    now.calls_made += 1;
    json!({"id": format!("call_{index:08x}"),
        "function": {"index": 0, "name": function["name"], "arguments": arguments}})
}

/// The plainest value that a schema allows.
fn instance_of(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") | None => {
            let properties = schema["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            properties
                .iter()
                .map(|(name, inner)| (name.clone(), instance_of(inner)))
                .collect::<Map<_, _>>()
                .into()
        }
        Some("array") => json!([instance_of(&schema["items"])]),
        Some("integer" | "number") => json!(7),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some(_) => schema["enum"]
            .get(0)
            .cloned()
            .unwrap_or_else(|| json!("text")),
    }
}

/// The answer, cut into what is sent and what is waited for.
fn steps(shared: &Shared, model: &str, mode: Mode, said: &Said, prompt: u64) -> Vec<Step> {
    let chunk = |message: Value| {
        line(&json!({"model": model, "created_at": CREATED, "message": message, "done": false}))
    };
    let mut words: Vec<Step> = tokens(&said.thinking)
        .map(|token| chunk(json!({"role": "assistant", "content": "", "thinking": token})))
        .collect();
    words.extend(
        tokens(&said.content).map(|token| chunk(json!({"role": "assistant", "content": token}))),
    );
    let mut last = done_line(model, prompt, tokens(&said.content).count() as u64 + 1);
    if !said.tool_calls.is_empty() {
        let message = json!({"role": "assistant", "content": "", "tool_calls": said.tool_calls});
        if mode == Mode::ToolsInDone {
            last.insert("message".to_owned(), message);
        } else {
            words.push(chunk(message));
        }
    }
    let done = line(&last.clone().into());
    let some = |words: Vec<Step>, then: Vec<Step>| words.into_iter().take(3).chain(then).collect();
    match mode {
        Mode::ErrorMidStream => some(
            words,
            vec![line(
                &json!({"error": "an error was encountered while running the model"}),
            )],
        ),
        Mode::ErrorFirst => vec![line(
            &json!({"error": "an error was encountered while running the model"}),
        )],
        Mode::Cut => some(words, vec![]),
        Mode::Reset => some(
            words,
            vec![Step::Wait(Duration::from_millis(20)), Step::Break],
        ),
        Mode::Stall => some(words, vec![Step::Hang]),
        Mode::Hang => vec![Step::Hang],
        Mode::Drip => vec![Step::Drip],
        Mode::Slow => [vec![Step::Wait(shared.options.delay)], words, vec![done]]
            .into_iter()
            .flatten()
            .collect(),
        Mode::LongLine => vec![
            Step::Send("{\"message\":{\"content\":\"".into()),
            Step::Repeat(1_600, vec![b'x'; 64 << 10].into()),
        ],
        Mode::Garbage => some(
            words,
            vec![Step::Send(b"this is \0 no \xff json\n".to_vec().into())],
        ),
        Mode::Strings => vec![Step::Send("{\"done\":true,\"eval_count\":\"15\"}\n".into())],
        Mode::Sparse => vec![
            Step::Send("{\"message\":{\"content\":\"Hej\"}}\n\n".into()),
            Step::Send("{\"message\":{}}\r\n{\"message\":null,\"done\":true}".into()),
        ],
        Mode::ContentInDone => {
            last.insert(
                "message".to_owned(),
                json!({"role": "assistant", "content": said.content}),
            );
            vec![line(&last.into())]
        }
        Mode::Split => split(words.into_iter().chain([done])),
        Mode::Flood => {
            let token = json!({"model": model, "created_at": CREATED,
                "message": {"role": "assistant", "content": "tok "}, "done": false});
            vec![
                Step::Repeat(shared.options.tokens, format!("{token}\n").into()),
                done,
            ]
        }
        _ => words.into_iter().chain([done]).collect(),
    }
}

/// The same bytes in pieces of changing sizes: inside characters, and across lines.
fn split(steps: impl Iterator<Item = Step>) -> Vec<Step> {
    let mut bytes = Vec::new();
    for step in steps {
        if let Step::Send(line) = step {
            bytes.extend_from_slice(&line);
        }
    }
    let mut sizes = [1, 3, 2, 170, 5, 400, 1, 1, 64].into_iter().cycle();
    let mut rest = &bytes[..];
    let mut out = Vec::new();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).min(rest.len());
        out.push(Step::Send(Bytes::copy_from_slice(&rest[..size])));
        // So that the pieces leave one by one.
        out.push(Step::Wait(Duration::from_micros(100)));
        rest = &rest[size..];
    }
    out
}

/// The body, played step by step. It notices when the other side has gone.
fn play(running: Running, steps: Vec<Step>) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    stream::unfold(
        (steps.into_iter(), None, running),
        |(mut steps, mut repeat, mut running)| async move {
            if let Some((left, piece)) = repeat.take() {
                if left > 1 {
                    repeat = Some((left - 1, Bytes::clone(&piece)));
                }
                return Some((Ok(piece), (steps, repeat, running)));
            }
            loop {
                match steps.next() {
                    None => {
                        running.finish();
                        return None;
                    }
                    Some(Step::Send(piece)) => {
                        let pace = running.shared.options.pace;
                        if !pace.is_zero() {
                            tokio::time::sleep(pace).await;
                        }
                        return Some((Ok(piece), (steps, None, running)));
                    }
                    Some(Step::Repeat(0, _)) => {}
                    Some(Step::Repeat(times, piece)) => {
                        let repeat = (times > 1).then(|| (times - 1, piece.clone()));
                        return Some((Ok(piece), (steps, repeat, running)));
                    }
                    Some(Step::Wait(time)) => tokio::time::sleep(time).await,
                    Some(Step::Hang) => std::future::pending().await,
                    Some(Step::Drip) => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        let again = vec![Step::Drip].into_iter();
                        return Some((Ok(Bytes::from_static(b" ")), (again, None, running)));
                    }
                    Some(Step::Break) => {
                        running.finish();
                        return Some((
                            Err(io::Error::other("broken on purpose")),
                            (steps, None, running),
                        ));
                    }
                }
            }
        },
    )
}

/// An answer under way; dropped before its end, it was cancelled.
struct Running {
    shared: Arc<Shared>,
    finished: bool,
}

impl Running {
    fn new(shared: Arc<Shared>) -> Self {
        {
            let mut now = shared.now();
            now.active += 1;
            now.peak = now.peak.max(now.active);
        }
        Self {
            shared,
            finished: false,
        }
    }

    fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        {
            let mut now = self.shared.now();
            now.active -= 1;
            if !self.finished {
                now.cancelled += 1;
            }
        }
        self.shared.changed.notify_waiters();
    }
}

/// Not streamed: one object, with everything put together.
fn whole(model: &str, mode: Mode, said: &Said, prompt: u64) -> Response {
    if matches!(
        mode,
        Mode::ErrorMidStream | Mode::ErrorFirst | Mode::Cut | Mode::Reset
    ) {
        return refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "an error was encountered while running the model",
        );
    }
    let mut message = Map::from_iter([
        ("role".to_owned(), json!("assistant")),
        ("content".to_owned(), json!(said.content)),
    ]);
    if !said.thinking.is_empty() {
        message.insert("thinking".to_owned(), json!(said.thinking));
    }
    if !said.tool_calls.is_empty() {
        message.insert("tool_calls".to_owned(), json!(said.tool_calls));
    }
    let mut last = done_line(model, prompt, tokens(&said.content).count() as u64 + 1);
    last.insert("message".to_owned(), message.into());
    json_of(&last.into())
}

fn done_line(model: &str, prompt: u64, answer: u64) -> Map<String, Value> {
    let Value::Object(line) = json!({"model": model, "created_at": CREATED,
        "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop",
        "total_duration": 182_242_375, "load_duration": 41_295_167, "prompt_eval_count": prompt,
        "prompt_eval_duration": 24_573_166, "eval_count": answer, "eval_duration": 115_959_084})
    else {
        return Map::new();
    };
    line
}

fn load_or_unload(shared: &Shared, model: &str, body: &Value, text_field: &str) -> Response {
    let unload = body
        .get("keep_alive")
        .is_some_and(|value| value.as_f64() == Some(0.0) || value == "0" || value == "0s");
    if unload {
        shared
            .now()
            .loaded
            .retain(|(name, _)| *name != full_name(model));
    } else {
        remember_loaded(shared, model, body);
    }
    let text = if text_field == "message" {
        json!({"role": "assistant", "content": ""})
    } else {
        json!("")
    };
    json_of(
        &json!({"model": model, "created_at": CREATED, text_field: text, "done": true,
        "done_reason": if unload { "unload" } else { "load" }}),
    )
}

fn remember_loaded(shared: &Shared, model: &str, body: &Value) {
    let name = full_name(model);
    let asked = body["options"]["num_ctx"].as_u64();
    let mut now = shared.now();
    match now.loaded.iter_mut().find(|(known, _)| *known == name) {
        Some((_, context)) => *context = asked.unwrap_or(*context),
        None => now.loaded.push((name, asked.unwrap_or(4096))),
    }
}

fn context_of(shared: &Shared, model: &str) -> u64 {
    let name = full_name(model);
    shared
        .now()
        .loaded
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(4096, |(_, context)| *context)
}

/// About four letters a token, as English has it.
fn prompt_tokens(body: &Value) -> u64 {
    let text = body["messages"].to_string().len() + body["tools"].to_string().len();
    text as u64 / 4 + 1
}

fn wrong_option(body: &Value) -> Option<String> {
    let options = body.get("options")?.as_object()?;
    let wrong = [
        "num_ctx",
        "num_predict",
        "seed",
        "temperature",
        "top_p",
        "top_k",
    ]
    .into_iter()
    .find(|name| {
        options
            .get(*name)
            .is_some_and(|value| !value.is_number() && !value.is_null())
    })?;
    Some(format!("option \"{wrong}\" must be of type integer"))
}

fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value.as_array().is_some_and(Vec::is_empty)
}

/// Word by word, each with the space before it, as models do.
fn tokens(text: &str) -> impl Iterator<Item = String> {
    let mut words: Vec<String> = Vec::new();
    for (n, word) in text.split(' ').enumerate() {
        words.push(if n == 0 {
            word.to_owned()
        } else {
            format!(" {word}")
        });
    }
    words.into_iter().filter(|word| !word.is_empty())
}

fn line(value: &Value) -> Step {
    Step::Send(Bytes::from(go_json(value) + "\n"))
}
