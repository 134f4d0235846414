//! The gate: how many run, who is next, and that every place is given back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic in a test is its report"
)]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use mcp_llm::{
    ChatEvent, ChatRequest, ChatStream, ErrorKind, Gate, Health, Message, Model, Provider,
    ProviderError, Settings,
};
use support::{ask, collect, within};
use tokio::sync::Semaphore;

/// Speaks one word for each permit that the test hands out, and notes who was served.
#[derive(Default)]
struct Scripted {
    go: Arc<Go>,
}

struct Go {
    words: Semaphore,
    running: AtomicUsize,
    peak: AtomicUsize,
    served: Mutex<Vec<String>>,
}

impl Default for Go {
    fn default() -> Self {
        Self {
            words: Semaphore::new(0),
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            served: Mutex::new(Vec::new()),
        }
    }
}

struct Running(Arc<Go>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Provider for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let go = Arc::clone(&self.go);
        assert!(request.messages[0].content != "panic", "asked to panic");
        go.served.lock().unwrap().push(request.caller);
        let now = go.running.fetch_add(1, Ordering::SeqCst) + 1;
        go.peak.fetch_max(now, Ordering::SeqCst);
        let running = Running(go);
        Ok(Box::pin(futures_util::stream::once(async move {
            running.0.words.acquire().await.unwrap().forget();
            Ok(ChatEvent::Content("word".to_owned()))
        })))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        Ok(Vec::new())
    }

    async fn health(&self) -> Result<Health, ProviderError> {
        Ok(Health {
            provider: "scripted".to_owned(),
            version: String::new(),
            default_model: String::new(),
        })
    }
}

fn gate(most_running: usize, most_waiting: usize) -> (Arc<Gate>, Arc<Go>) {
    let scripted = Scripted::default();
    let go = Arc::clone(&scripted.go);
    let settings = Settings {
        max_concurrent: most_running,
        max_queue: most_waiting,
        ..Settings::default()
    };
    (Arc::new(Gate::new(Arc::new(scripted), &settings)), go)
}

fn from(caller: &str) -> ChatRequest {
    ChatRequest {
        caller: caller.to_owned(),
        ..ask("hi")
    }
}

async fn enter(gate: &Gate, caller: &str) -> ChatStream {
    gate.chat(from(caller)).await.unwrap()
}

/// The event that is there now, if any.
fn now(stream: &mut ChatStream) -> Option<Result<ChatEvent, ProviderError>> {
    stream.next().now_or_never().flatten()
}

fn queued(place: usize) -> Option<Result<ChatEvent, ProviderError>> {
    Some(Ok(ChatEvent::Queued { place }))
}

#[tokio::test]
async fn no_more_run_at_once_than_the_gate_is_wide_and_all_are_served() {
    let (gate, go) = gate(2, 100);
    let all = (0..20).map(|n| {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            collect(&*gate, from(&format!("caller {}", n % 3)))
                .await
                .contents
        })
    });
    let all = all.collect::<Vec<_>>();
    for _ in 0..20 {
        // Everybody who may run does, and is stopped in the middle, before one goes on.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        go.words.add_permits(1);
    }
    for one in all {
        assert_eq!(within(one).await.unwrap(), ["word"]);
    }
    assert_eq!(go.peak.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_place_in_the_queue_is_told_and_told_again_when_it_changes() {
    let (gate, _go) = gate(1, 10);
    let first = enter(&gate, "a").await;
    let mut second = enter(&gate, "a").await;
    let mut third = enter(&gate, "a").await;
    assert_eq!((now(&mut second), now(&mut third)), (queued(1), queued(2)));
    assert_eq!((now(&mut second), now(&mut third)), (None, None));
    drop(first);
    assert_eq!(
        (now(&mut second), now(&mut third)),
        (None, queued(1)),
        "the second runs now"
    );
}

#[tokio::test]
async fn turns_go_round_so_that_a_burst_does_not_starve_another_caller() {
    let (gate, go) = gate(1, 100);
    let mut streams = Vec::new();
    for _ in 0..6 {
        streams.push(enter(&gate, "greedy").await);
    }
    streams.push(enter(&gate, "patient").await);
    streams.push(enter(&gate, "patient").await);
    assert_eq!(
        now(&mut streams[6]),
        queued(2),
        "after one of the greedy caller's, not after five"
    );
    assert_eq!(now(&mut streams[7]), queued(4));
    let readers = streams.into_iter().map(|mut stream| {
        let go = Arc::clone(&go);
        tokio::spawn(async move {
            go.words.add_permits(1);
            while stream.next().await.is_some() {}
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        within(reader).await.unwrap();
    }
    let served = go.served.lock().unwrap().clone();
    assert_eq!(
        served[..5],
        ["greedy", "greedy", "patient", "greedy", "patient"]
    );
}

#[tokio::test]
async fn a_full_queue_refuses_with_a_time_to_try_again() {
    let (gate, _go) = gate(1, 2);
    let _kept = (
        enter(&gate, "a").await,
        enter(&gate, "a").await,
        enter(&gate, "b").await,
    );
    for caller in ["a", "b"] {
        let error = gate.chat(from(caller)).await.err().unwrap();
        assert!(
            matches!(error.kind, ErrorKind::Busy { retry_after } if retry_after > Duration::ZERO)
        );
        assert!(error.public.contains("Try again in"), "{error}");
    }
}

#[tokio::test]
async fn a_caller_who_fills_the_queue_gives_way_to_another() {
    let (gate, _go) = gate(1, 3);
    let _running = enter(&gate, "greedy").await;
    let mut greedy = vec![
        enter(&gate, "greedy").await,
        enter(&gate, "greedy").await,
        enter(&gate, "greedy").await,
    ];
    let mut patient = enter(&gate, "patient").await;
    assert_eq!(now(&mut patient), queued(2));
    let put_out = now(&mut greedy[2]).unwrap().unwrap_err();
    assert!(
        matches!(put_out.kind, ErrorKind::Busy { .. }),
        "the last one of the burst gave way"
    );
    assert_eq!(
        (now(&mut greedy[0]), now(&mut greedy[1])),
        (queued(1), queued(3))
    );
    drop(greedy);
    assert_eq!(
        now(&mut patient),
        queued(1),
        "one that was put out gives nothing back twice"
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_too_long_is_busy_and_leaves_the_queue() {
    let (gate, _go) = gate(1, 2);
    let running = enter(&gate, "a").await;
    let heard = collect(&*gate, from("b")).await;
    assert!(matches!(
        heard.end.unwrap_err().kind,
        ErrorKind::Busy { .. }
    ));
    assert_eq!(heard.places, [1]);
    let mut next = enter(&gate, "c").await;
    assert_eq!(now(&mut next), queued(1));
    drop(running);
}

#[tokio::test]
async fn places_come_back_when_a_stream_is_dropped_wherever_it_was() {
    let (gate, go) = gate(1, 10);
    let running = enter(&gate, "a").await;
    let waiting = enter(&gate, "b").await;
    let mut last = enter(&gate, "c").await;
    assert_eq!(now(&mut last), queued(2));
    drop(waiting);
    assert_eq!(now(&mut last), queued(1));
    let mut admitted_unseen = enter(&gate, "d").await;
    assert_eq!(now(&mut admitted_unseen), queued(2));
    drop(running);
    // `last` may run now and hasn't looked; dropping it must pass the turn on.
    drop(last);
    go.words.add_permits(1);
    assert_eq!(
        now(&mut admitted_unseen),
        Some(Ok(ChatEvent::Content("word".to_owned())))
    );
    drop(admitted_unseen);
    assert_eq!(go.running.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_panic_behind_the_gate_gives_its_place_back() {
    let (gate, go) = gate(1, 10);
    let mut request = from("a");
    request.messages = vec![Message::user("panic")];
    let behind = Arc::clone(&gate);
    let panicked = tokio::spawn(async move { collect(&*behind, request).await.contents.len() });
    let panicked = within(panicked).await;
    assert!(panicked.unwrap_err().is_panic());
    go.words.add_permits(1);
    assert_eq!(within(collect(&*gate, from("b"))).await.contents, ["word"]);
}

#[tokio::test]
async fn without_a_queue_the_gate_refuses_what_it_cannot_run_at_once() {
    let (gate, go) = gate(1, 0);
    let running = enter(&gate, "a").await;
    assert!(gate.chat(from("b")).await.is_err());
    drop(running);
    go.words.add_permits(1);
    assert_eq!(within(collect(&*gate, from("b"))).await.contents, ["word"]);
}
