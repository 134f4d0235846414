//! How an answer travels: the pieces that are sent, what is waited for, and where it breaks.

use std::{io, sync::Arc, time::Duration};

use axum::body::Bytes;
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::{
    Shared, go_json,
    mode::Mode,
    said::{Said, tokens},
};

/// When every answer was made.
pub(super) const CREATED: &str = "2026-08-21T08:52:19.385406455Z";

/// One step of an answer on its way.
pub(super) enum Step {
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

/// The line that ends an answer, with its counts.
pub(super) fn done_line(model: &str, prompt: u64, answer: u64) -> Map<String, Value> {
    let Value::Object(line) = json!({"model": model, "created_at": CREATED,
        "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop",
        "total_duration": 182_242_375, "load_duration": 41_295_167, "prompt_eval_count": prompt,
        "prompt_eval_duration": 24_573_166, "eval_count": answer, "eval_duration": 115_959_084})
    else {
        return Map::new();
    };
    line
}

/// The answer, cut into what is sent and what is waited for.
pub(super) fn steps(
    shared: &Shared,
    model: &str,
    mode: Mode,
    said: &Said,
    prompt: u64,
) -> Vec<Step> {
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
pub(super) fn play(
    running: Running,
    steps: Vec<Step>,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
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
pub(super) struct Running {
    shared: Arc<Shared>,
    finished: bool,
}

impl Running {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
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

pub(super) fn line(value: &Value) -> Step {
    Step::Send(Bytes::from(go_json(value) + "\n"))
}
