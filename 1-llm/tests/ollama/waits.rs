//! How long is waited for what, what is tried again, and what a cancel does.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    routing::{get, post},
};

use crate::*;

#[tokio::test]
async fn no_first_byte_and_no_next_line_are_timeouts_each_with_its_own_limit() {
    let (error, _) = fails(Mode::Hang).await;
    assert_eq!(error.kind, ErrorKind::TimedOut);
    let (error, text) = fails(Mode::Stall).await;
    assert_eq!(
        (error.kind, text.as_str()),
        (ErrorKind::TimedOut, "Hej på dig!")
    );
    let (error, _) = fails(Mode::Drip).await;
    assert_eq!(
        error.kind,
        ErrorKind::TimedOut,
        "bytes that never become a line are no progress"
    );
}

#[tokio::test]
async fn a_slow_first_byte_within_its_limit_is_waited_for() {
    assert_eq!(
        chat(Mode::Slow, ask("hi")).await.done().message.content,
        SAID
    );
}

#[tokio::test]
async fn a_model_that_is_not_in_memory_is_said_to_be_loading_and_one_that_is_is_not() {
    let options = || Options {
        mode: Mode::Slow,
        delay: Duration::from_millis(450),
        ..Options::default()
    };
    let fake = FakeOllama::with(options()).await.unwrap();
    let named = || ChatRequest {
        model: Some("llama3.2".to_owned()),
        ..ask("hi")
    };
    let patient = Settings::default();
    // The fake loads the model when the chat arrives, as a fast Ollama would: so here it is loaded.
    assert!(!collect(&ollama(&fake, &patient), named()).await.loading);
    let fake = FakeOllama::with(Options {
        loads_at_once: false,
        ..options()
    })
    .await
    .unwrap();
    let heard = collect(&ollama(&fake, &patient), named()).await;
    assert!(heard.loading);
    assert_eq!(heard.done().message.content, SAID);
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let fake = FakeOllama::start(Mode::Stall).await;
    let mut stream = ollama(&fake, &Settings::default())
        .chat(ask("hi"))
        .await
        .unwrap();
    assert!(matches!(
        stream.next().await,
        Some(Ok(ChatEvent::Content(_)))
    ));
    assert_eq!(fake.cancelled(), 0);
    drop(stream);
    within(fake.until_cancelled(1)).await;
}

#[tokio::test]
async fn a_busy_engine_is_asked_again_before_anything_was_said() {
    let fake = FakeOllama::start(Mode::Busy).await;
    let done = collect(&ollama(&fake, &quick()), ask("hi")).await.done();
    assert_eq!(done.message.content, SAID);
    assert_eq!(fake.chats().len(), 3);
}

#[tokio::test]
async fn an_engine_that_stays_busy_is_reported_with_a_time_to_try_again() {
    let fake = FakeOllama::start(Mode::Full).await;
    let error = collect(&ollama(&fake, &quick()), ask("hi"))
        .await
        .end
        .unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::Busy { retry_after } if retry_after >= Duration::from_secs(1)),
        "{error:?}"
    );
    assert_eq!(fake.chats().len(), 4, "once, and three times more");
}

#[tokio::test]
async fn an_answer_that_has_begun_is_never_asked_for_again() {
    for mode in [Mode::ErrorMidStream, Mode::Cut, Mode::Reset, Mode::Stall] {
        let fake = FakeOllama::start(mode).await;
        collect(&ollama(&fake, &quick()), ask("hi"))
            .await
            .end
            .unwrap_err();
        assert_eq!(fake.chats().len(), 1, "{mode:?}");
    }
}

#[tokio::test]
async fn a_timeout_names_the_setting_that_would_raise_it() {
    for (mode, setting) in [
        (Mode::Hang, "first_byte_timeout_ms"),
        (Mode::Stall, "idle_timeout_ms"),
        (Mode::Drip, "first_byte_timeout_ms"),
    ] {
        let (error, _) = fails(mode).await;
        assert!(error.public.contains(setting), "{mode:?}: {error}");
    }
}

#[tokio::test]
async fn a_connection_that_does_not_open_is_nobody_answering_and_ends_at_its_own_limit() {
    // A queue of connections that nobody takes from: when it is full, the next one isn't answered.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut taken = Vec::new();
    let mut opens = async || {
        let soon = Duration::from_millis(200);
        let opened = tokio::time::timeout(soon, tokio::net::TcpStream::connect(address)).await;
        opened.map(|stream| taken.push(stream)).is_ok()
    };
    while opens().await {}
    let settings = Settings {
        connect_timeout_ms: 300,
        first_byte_timeout_ms: 60_000,
        ..Settings::default()
    };
    let url = format!("http://{address}");
    let provider = Ollama::new(
        Address::parse(&url, Syntax::Ollama).unwrap(),
        &settings,
        None,
    )
    .unwrap();
    for error in [
        within(provider.version()).await.unwrap_err(),
        within(provider.show("m")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
        assert!(error.public.contains("isn't answering at"), "{error}");
    }
}

#[tokio::test]
async fn an_engine_that_takes_connections_and_says_nothing_is_told_from_one_that_is_away() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let error = within(at(&url).version()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(error.public.contains("connect_timeout_ms"), "{error}");
}

#[tokio::test]
async fn health_waits_for_the_list_of_models_no_longer_than_for_the_version() {
    let never = || async { std::future::pending::<&'static str>().await };
    let url = serves(
        Router::new()
            .route("/api/version", get(|| async { r#"{"version":"0.32.15"}"# }))
            .route("/api/tags", get(never)),
    )
    .await;
    let settings = Settings {
        idle_timeout_ms: 600_000,
        ..quick()
    };
    let provider = Ollama::new(
        Address::parse(&url, Syntax::Ollama).unwrap(),
        &settings,
        None,
    )
    .unwrap();
    let health = within(provider.health()).await.unwrap();
    assert_eq!(
        (health.version.as_str(), health.default_model.as_str()),
        ("0.32.15", "")
    );
}

#[tokio::test]
async fn dropping_a_chat_that_has_not_had_its_first_byte_closes_the_connection_too() {
    let fake = FakeOllama::start(Mode::Hang).await;
    let mut stream = ollama(&fake, &Settings::default())
        .chat(ask("hi"))
        .await
        .unwrap();
    // Polled until the request is there; the answer never is.
    tokio::select! {
        event = stream.next() => panic!("nothing was sent, and {event:?} came"),
        () = within(fake.until_requests(2)) => {}
    }
    drop(stream);
    within(fake.until_cancelled(1)).await;
}

/// Refuses so many requests with this status, and then answers.
async fn refusing(times: usize, status: StatusCode) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move |body: &'static str| {
        let asked = count.fetch_add(1, Ordering::SeqCst);
        let status = if asked < times {
            status
        } else {
            StatusCode::OK
        };
        async move { (status, [(CONTENT_TYPE, "application/json")], body) }
    };
    let tags = answer.clone();
    let app = Router::new()
        .route(
            "/api/tags",
            get(move || tags(r#"{"models":[{"name":"m"}]}"#)),
        )
        .route(
            "/api/chat",
            post(move || answer(r#"{"message":{"content":"Hej"},"done":true}"#)),
        );
    (serves(app).await, asked)
}

#[tokio::test]
async fn a_rate_limit_is_asked_again_whether_the_model_was_named_or_not() {
    for (model, requests) in [(Some("m".to_owned()), 2), (None, 3)] {
        let (url, asked) = refusing(1, StatusCode::TOO_MANY_REQUESTS).await;
        let request = ChatRequest { model, ..ask("hi") };
        assert_eq!(
            collect(&at(&url), request).await.done().message.content,
            "Hej"
        );
        assert_eq!(asked.load(Ordering::SeqCst), requests);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_tried_again_three_times_whether_the_model_was_named_or_not() {
    // Bound and not listening: every connection is refused, and nobody else gets the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    for model in [Some("m".to_owned()), None] {
        let started = tokio::time::Instant::now();
        let request = ChatRequest { model, ..ask("hi") };
        let heard = support::collect(&at(&url), request).await;
        assert_eq!(heard.end.unwrap_err().kind, ErrorKind::Unreachable);
        let pauses = Duration::from_millis(250 + 500 + 1_000);
        assert!(started.elapsed() >= pauses, "after {:?}", started.elapsed());
    }
}
