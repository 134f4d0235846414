//! What goes wrong, and what is said about it.

use axum::{
    Router,
    http::{StatusCode, header::RETRY_AFTER},
    routing::post,
};
use mcp_llm::{ProviderError, chat::Think};
use serde_json::{Value, json};

use crate::{support::weather, *};

#[tokio::test]
async fn an_error_under_status_200_is_an_error_and_what_came_before_it_is_kept() {
    let (error, text) = fails(Mode::ErrorMidStream).await;
    assert_eq!(
        (error.kind, text.as_str()),
        (ErrorKind::Engine, "Hej på dig!")
    );
    assert!(
        error
            .internal()
            .contains("an error was encountered while running the model"),
        "{error:?}"
    );
    assert_eq!(fails(Mode::ErrorFirst).await.0.kind, ErrorKind::Engine);
}

#[tokio::test]
async fn an_end_without_done_is_a_cut_answer() {
    for mode in [Mode::Cut, Mode::Reset] {
        let (error, text) = fails(mode).await;
        assert_eq!(
            (error.kind, text.as_str()),
            (ErrorKind::Truncated, "Hej på dig!"),
            "{mode:?}"
        );
    }
}

#[tokio::test]
async fn what_does_not_talk_like_ollama_is_named_as_that() {
    for mode in [Mode::Html, Mode::Garbage, Mode::Strings] {
        let (error, _) = fails(mode).await;
        assert_eq!(error.kind, ErrorKind::Engine, "{mode:?}");
        assert!(
            error.public.contains("doesn't talk like Ollama"),
            "{mode:?}: {error}"
        );
    }
    let (error, _) = fails(Mode::Strings).await;
    assert!(
        error.internal().contains("string \"15\""),
        "{}",
        error.internal()
    );
    let (error, _) = fails(Mode::Garbage).await;
    assert!(
        error.internal().contains("this is   no \u{fffd} json"),
        "{}",
        error.internal()
    );
}

#[tokio::test]
async fn a_line_without_end_is_refused_at_its_limit() {
    let settings = Settings {
        idle_timeout_ms: 20_000,
        first_byte_timeout_ms: 20_000,
        ..quick()
    };
    let fake = FakeOllama::start(Mode::LongLine).await;
    let error = collect(&ollama(&fake, &settings), ask("hi"))
        .await
        .end
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Engine);
    assert!(error.public.contains("16 MB"), "{error}");
    within(fake.until_cancelled(1)).await;
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (mode, kind, next) in [
        (
            Mode::Unauthorized,
            ErrorKind::Unauthorized,
            "OLLAMA_API_KEY",
        ),
        (Mode::Crash, ErrorKind::Engine, "its own log says why"),
        (Mode::BadGateway, ErrorKind::Engine, "its own log says why"),
        (
            Mode::ContextFull,
            ErrorKind::ContextFull,
            "or raise num_ctx",
        ),
    ] {
        let (error, _) = fails(mode).await;
        assert_eq!(error.kind, kind, "{mode:?}");
        assert!(error.public.contains(next), "{mode:?}: {error}");
    }
}

#[tokio::test]
async fn an_unknown_model_names_the_pull_that_would_fix_it() {
    let heard = chat(
        Mode::Normal,
        ChatRequest {
            model: Some("zzz".to_owned()),
            ..ask("hi")
        },
    )
    .await;
    let error = heard.end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ModelNotFound);
    assert!(error.public.contains("ollama pull zzz"), "{error}");
    // A name that would do something in a shell isn't offered for pasting.
    let heard = chat(
        Mode::Normal,
        ChatRequest {
            model: Some("x;rm -rf ~".to_owned()),
            ..ask("hi")
        },
    )
    .await;
    let error = heard.end.unwrap_err();
    assert!(error.public.contains("ollama pull MODEL"), "{error}");
}

#[tokio::test]
async fn a_capability_that_the_model_lacks_is_named() {
    let tiny = || Some("tinyllama".to_owned());
    let tools = ChatRequest {
        model: tiny(),
        tools: vec![weather()],
        ..ask("hi")
    };
    let think = ChatRequest {
        model: tiny(),
        think: Some(Think::Switch(true)),
        ..ask("hi")
    };
    for (request, what) in [(tools, "tools"), (think, "thinking")] {
        let error = chat(Mode::Normal, request).await.end.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(
            error.public.contains(&format!("doesn't support {what}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_option_of_the_wrong_type_is_an_invalid_request() {
    let mut request = ask("hi");
    request.options.insert("seed".to_owned(), json!("seven"));
    let error = chat(Mode::Normal, request).await.end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.public.contains("\"seed\""), "{error}");
}

#[tokio::test]
async fn nothing_listening_says_how_to_start_it_and_where_it_was_sought() {
    let fake = FakeOllama::start(Mode::Normal).await;
    let url = fake.url.clone();
    let env = |name: &str| (name == "OLLAMA_HOST").then(|| url.clone());
    let provider = Ollama::connect(&quick(), &env).unwrap();
    drop(fake);
    tokio::task::yield_now().await;
    let error = loop {
        // The listener closes when its task has been dropped, a moment later.
        match within(provider.health()).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ErrorKind::Unreachable);
    let expected =
        format!("Ollama isn't answering at {url} (from OLLAMA_HOST). Start it with: ollama serve");
    assert_eq!(error.public, expected);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_goes_nowhere_else() {
    let other = FakeOllama::start(Mode::Normal).await;
    let options = Options {
        mode: Mode::Redirect,
        redirect_to: other.url.clone(),
        ..Options::default()
    };
    let fake = FakeOllama::with(options).await.unwrap();
    let provider = Ollama::new(
        Address::parse(&fake.url, Syntax::Ollama).unwrap(),
        &quick(),
        Some("s3cret"),
    )
    .unwrap();
    let error = collect(&provider, ask("hi")).await.end.unwrap_err();
    assert!(
        error.public.contains("redirects aren't followed"),
        "{error}"
    );
    assert!(other.requests().is_empty());
    let sent = fake.requests();
    assert!(
        sent.iter()
            .all(|request| request.headers["authorization"] == "Bearer s3cret")
    );
    assert!(
        !format!("{provider:?} {error:?}").contains("s3cret"),
        "{provider:?}"
    );
}

/// What a refusal becomes. The engine's own time keeps a busy one from being asked again.
async fn refused(status: u16, body: &'static str) -> ProviderError {
    let status = StatusCode::from_u16(status).unwrap();
    let url = serves(Router::new().route(
        "/api/chat",
        post(move || async move { (status, [(RETRY_AFTER, "60")], body) }),
    ))
    .await;
    let request = ChatRequest {
        model: Some("llama3.2".to_owned()),
        ..ask("hi")
    };
    collect(&at(&url), request).await.end.unwrap_err()
}

#[tokio::test]
async fn each_refusal_in_ollamas_words_is_put_into_words_that_say_what_to_do() {
    let busy = ErrorKind::Busy {
        retry_after: Duration::from_secs(60),
    };
    let (invalid, engine) = (ErrorKind::Invalid, ErrorKind::Engine);
    let missing = "isn't installed. Get it with: ollama pull llama3.2";
    for (status, body, kind, public) in [
        (
            400,
            r#"{"error":"missing request body"}"#,
            invalid,
            "missing request body",
        ),
        (
            400,
            r#"{"error":"model is required"}"#,
            invalid,
            "model is required",
        ),
        (
            404,
            r#"{"error":"model 'llama3.2' not found"}"#,
            ErrorKind::ModelNotFound,
            missing,
        ),
        (
            404,
            r#"{"error":"model \"llama3.2\" not found, try pulling it first"}"#,
            ErrorKind::ModelNotFound,
            missing,
        ),
        (404, "404 page not found", invalid, "no such route"),
        (
            400,
            r#"{"error":"\"llama3.2\" does not support thinking"}"#,
            ErrorKind::Unsupported,
            "doesn't support thinking",
        ),
        (
            400,
            r#"{"error":"registry.ollama.ai/library/test:latest does not support tools"}"#,
            ErrorKind::Unsupported,
            "doesn't support tools",
        ),
        (
            503,
            r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#,
            busy,
            "Try again in 60 s",
        ),
        (
            429,
            r#"{"error":"rate limit exceeded"}"#,
            busy,
            "Try again in 60 s",
        ),
        (
            502,
            r#"{"error":"model is overloaded"}"#,
            busy,
            "Try again in 60 s",
        ),
        (
            401,
            r#"{"error":"unauthorized","signin_url":"https://ollama.com/connect"}"#,
            ErrorKind::Unauthorized,
            "ollama signin",
        ),
        (403, "", ErrorKind::Unauthorized, "Host name"),
        (
            500,
            r#"{"error":"llama-server process has terminated: exit status 2"}"#,
            engine,
            "its own log says why",
        ),
        (
            500,
            r#"{"error":"timed out waiting for llama-server to start: progress 0.00"}"#,
            engine,
            "its own log says why",
        ),
        (
            500,
            r#"{"error":"model requires more system memory (9.8 GiB) than is available (3.1 GiB)"}"#,
            engine,
            "enough memory",
        ),
        (
            500,
            "<html><h1>Bad gateway</h1></html>",
            engine,
            "its own log says why",
        ),
    ] {
        let error = refused(status, body).await;
        assert_eq!(error.kind, kind, "{body}: {error}");
        assert!(error.public.contains(public), "{body}: {error}");
        // The log has it all; whoever asked reads Ollama's own words only on their own request.
        let said = serde_json::from_str::<Value>(body).map_or(body.to_owned(), |body| {
            body["error"].as_str().unwrap_or_default().to_owned()
        });
        assert!(
            error.internal().contains(&said),
            "{body}: {}",
            error.internal()
        );
        assert!(
            kind == invalid || said.is_empty() || !error.public.contains(&said),
            "{body}: {error}"
        );
    }
}

#[tokio::test]
async fn of_a_very_long_refusal_the_beginning_is_kept() {
    let long: &'static str = format!("<html>{}", "no ".repeat(100_000)).leak();
    let error = refused(500, long).await;
    assert!(
        error.internal().contains("<html>no no"),
        "{}",
        error.internal()
    );
    assert!(
        error.internal().len() < 1_000,
        "{} bytes",
        error.internal().len()
    );
}

#[tokio::test]
async fn a_time_to_try_again_that_nobody_would_wait_for_is_a_day_at_most() {
    let url = serves(Router::new().route(
        "/api/chat",
        post(|| async {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                [(RETRY_AFTER, "18446744073709551615")],
                "",
            )
        }),
    ))
    .await;
    let request = ChatRequest {
        model: Some("m".to_owned()),
        ..ask("hi")
    };
    let error = collect(&at(&url), request).await.end.unwrap_err();
    let day = Duration::from_secs(24 * 60 * 60);
    assert_eq!(error.kind, ErrorKind::Busy { retry_after: day });
}
