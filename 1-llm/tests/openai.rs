//! The OpenAI-compatible provider against a scripted server: llama.cpp's, vLLM's and LM Studio's
//! ways of saying the same. No such server was at hand: the scripts follow their documentation.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::StreamExt;
use mcp_llm::{
    ChatRequest, ErrorKind, Message, OpenAi, Provider, Settings,
    address::{Address, Syntax},
    chat::{Think, Usage},
    connect,
};
use serde_json::{Value, json};
use support::{Heard, ask, collect, weather, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the server is to say, and what it was asked.
#[derive(Clone, Default)]
struct Script {
    status: u16,
    content_type: &'static str,
    body: Vec<Bytes>,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

struct Server {
    url: String,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

impl Server {
    async fn answering(status: u16, content_type: &'static str, pieces: &[&[u8]]) -> Self {
        let body = pieces
            .iter()
            .map(|piece| Bytes::copy_from_slice(piece))
            .collect();
        let script = Script {
            status,
            content_type,
            body,
            ..Script::default()
        };
        let asked = Arc::clone(&script.asked);
        let app = Router::new()
            .route(
                "/v1/models",
                get(|| async {
                    Json::from(json!({"object": "list", "data": [{"id": "qwen"}, {"id": "b"}]}))
                }),
            )
            .route("/v1/chat/completions", post(completions))
            .with_state(script);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, asked }
    }

    async fn streaming(events: &[Value]) -> Self {
        let mut text: String = events
            .iter()
            .map(|event| format!("data: {event}\n\n"))
            .collect();
        text.push_str("data: [DONE]\n\n");
        Self::answering(200, "text/event-stream", &[text.as_bytes()]).await
    }

    fn provider(&self) -> OpenAi {
        let settings = Settings {
            first_byte_timeout_ms: 5_000,
            connect_timeout_ms: 500,
            ..Settings::default()
        };
        OpenAi::new(
            Address::parse(&self.url, Syntax::Url).unwrap(),
            &settings,
            Some("s3cret"),
        )
        .unwrap()
    }

    async fn hear(&self, request: ChatRequest) -> Heard {
        within(collect(&self.provider(), request)).await
    }

    fn body(&self) -> Value {
        self.asked.lock().unwrap().last().unwrap().1.clone()
    }
}

async fn completions(State(script): State<Script>, headers: HeaderMap, body: Bytes) -> Response {
    script
        .asked
        .lock()
        .unwrap()
        .push((headers, serde_json::from_slice(&body).unwrap()));
    let pieces = script.body.into_iter().map(Ok::<_, std::io::Error>);
    let status = StatusCode::from_u16(script.status).unwrap();
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    (status, [(header::CONTENT_TYPE, script.content_type)], body).into_response()
}

fn delta(delta: &Value) -> Value {
    json!({"id": "x", "object": "chat.completion.chunk", "model": "qwen-7b",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"model": "qwen-7b", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

#[tokio::test]
async fn an_answer_streams_with_its_thinking_usage_and_timings() {
    let events = [
        delta(&json!({"role": "assistant", "content": null})),
        delta(&json!({"reasoning_content": "Hm."})),
        delta(&json!({"content": "Hej"})),
        delta(&json!({"content": " på \"dig\""})),
        finish("stop"),
        json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3},
            "timings": {"prompt_ms": 12.5, "predicted_ms": 250.0}}),
    ];
    let heard = Server::streaming(&events).await.hear(ask("hi")).await;
    assert_eq!(
        (heard.thinking.concat(), heard.contents.concat()),
        ("Hm.".to_owned(), "Hej på \"dig\"".to_owned())
    );
    let done = heard.done();
    assert_eq!(
        (done.provider.as_str(), done.model.as_str()),
        ("openai", "qwen-7b")
    );
    assert_eq!(done.message.content, "Hej på \"dig\"");
    assert_eq!(done.message.thinking.as_deref(), Some("Hm."));
    assert_eq!(
        done.usage,
        Usage {
            prompt_tokens: 7,
            completion_tokens: 3
        }
    );
    assert_eq!(done.timings.prompt, Duration::from_micros(12_500));
    assert_eq!(done.done_reason, "stop");
}

#[tokio::test]
async fn a_tool_call_that_comes_in_pieces_is_passed_on_whole_and_once() {
    let piece = |call: Value| delta(&json!({"tool_calls": [call]}));
    let events = [
        piece(
            json!({"index": 0, "id": "abc", "type": "function", "function": {"name": "weather-get", "arguments": ""}}),
        ),
        piece(json!({"index": 0, "function": {"arguments": "{\"ci"}})),
        piece(json!({"index": 0, "function": {"arguments": "ty\":\"Oslo\"}"}})),
        finish("tool_calls"),
    ];
    let server = Server::streaming(&events).await;
    let heard = server
        .hear(ChatRequest {
            tools: vec![weather()],
            ..ask("weather in Oslo?")
        })
        .await;
    assert_eq!(heard.calls.len(), 1);
    assert_eq!(
        (heard.calls[0].id.as_str(), heard.calls[0].name.as_str()),
        ("abc", "weather-get")
    );
    assert_eq!(
        Value::from(heard.calls[0].arguments.clone()),
        json!({"city": "Oslo"})
    );
    let done = heard.done();
    assert_eq!(
        (done.message.tool_calls, done.done_reason.as_str()),
        (heard.calls, "stop")
    );
    assert_eq!(server.body()["tools"][0]["function"]["name"], "weather-get");
}

#[tokio::test]
async fn a_conversation_with_a_tools_result_is_written_in_this_dialect() {
    let server = Server::streaming(&[finish("stop")]).await;
    let call = serde_json::from_value(
        json!({"id": "abc", "name": "weather-get", "arguments": {"city": "Oslo"}}),
    )
    .unwrap();
    let mut asked = Message::new(mcp_llm::Role::Assistant, "");
    asked.tool_calls = vec![call];
    let result = Message::tool_result(&asked.tool_calls[0], "3 °C");
    let mut request = ask("weather?");
    request.messages.extend([asked, result]);
    request.think = Some(Think::Level("low".to_owned()));
    request.format = Some(json!({"type": "object"}));
    server.hear(request).await.done();
    let sent = server.body();
    let call = json!({"id": "abc", "type": "function",
        "function": {"name": "weather-get", "arguments": "{\"city\":\"Oslo\"}"}});
    assert_eq!(
        sent["messages"][1],
        json!({"role": "assistant", "content": "", "tool_calls": [call]})
    );
    assert_eq!(
        sent["messages"][2],
        json!({"role": "tool", "content": "3 °C", "tool_call_id": "abc"})
    );
    assert_eq!(
        (&sent["reasoning_effort"], &sent["stream_options"]),
        (&json!("low"), &json!({"include_usage": true}))
    );
    assert_eq!(
        sent["response_format"]["json_schema"]["schema"],
        json!({"type": "object"})
    );
    assert_eq!(sent["model"], "qwen", "the first that the server lists");
    let headers = server.asked.lock().unwrap()[0].0.clone();
    assert_eq!(headers["authorization"], "Bearer s3cret");
}

#[tokio::test]
async fn comments_event_names_and_any_chunking_do_no_harm() {
    let text = ": ping\r\n\r\nevent: message\ndata:{\"choices\":[{\"delta\":{\"content\":\"å\"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    let done = Server::answering(200, "text/event-stream; charset=utf-8", &bytes)
        .await
        .hear(ask("hi"))
        .await
        .done();
    assert_eq!(
        (done.message.content.as_str(), done.done_reason.as_str()),
        ("å", "length")
    );
}

#[tokio::test]
async fn an_event_of_several_lines_is_one_event_and_its_last_blank_line_may_be_missing() {
    let text = "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"Hej\"}}]}\nid: 7\n\n\
        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n";
    let done = Server::answering(200, "text/event-stream", &[text.as_bytes()])
        .await
        .hear(ask("hi"))
        .await
        .done();
    assert_eq!(done.message.content, "Hej");
}

#[tokio::test]
async fn a_last_line_that_was_cut_is_a_cut_answer_and_no_other_engine() {
    let cut = format!(
        "data: {}\n\ndata: {{\"cho",
        delta(&json!({"content": "Hej"}))
    );
    let heard = Server::answering(200, "text/event-stream", &[cut.as_bytes()])
        .await
        .hear(ask("hi"))
        .await;
    assert_eq!(heard.contents, ["Hej"]);
    assert_eq!(heard.end.unwrap_err().kind, ErrorKind::Truncated);
}

#[tokio::test]
async fn a_line_or_an_event_without_end_is_refused_at_its_limit() {
    let megabyte = "x".repeat(1 << 20);
    for (piece, unit) in [
        (megabyte.clone(), "line"),
        (format!("data: {megabyte}\n"), "event"),
    ] {
        let pieces: Vec<&[u8]> = std::iter::once(&b"data: "[..])
            .chain(std::iter::repeat_n(piece.as_bytes(), 20))
            .collect();
        let error = Server::answering(200, "text/event-stream", &pieces)
            .await
            .hear(ask("hi"))
            .await
            .end
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Engine);
        let expected = format!("an {unit} of more than 16 MB").replace("an line", "a line");
        assert!(error.public.contains(&expected), "{error}");
    }
}

#[tokio::test]
async fn bytes_that_never_become_a_line_are_no_progress_and_comments_are() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        for piece in [": still here\n", "x"] {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert_ne!(socket.read(&mut request).await.unwrap(), 0);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            socket.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if socket.write_all(piece.as_bytes()).await.is_err() {
                    break;
                }
            }
            let end = format!("\ndata: {}\n\n", finish("stop"));
            let _ = socket.write_all(end.as_bytes()).await;
        }
    });
    let settings = Settings {
        connect_timeout_ms: 200,
        first_byte_timeout_ms: 200,
        idle_timeout_ms: 200,
        ..Settings::default()
    };
    let provider =
        OpenAi::new(Address::parse(&url, Syntax::Url).unwrap(), &settings, None).unwrap();
    let request = || ChatRequest {
        model: Some("m".to_owned()),
        ..ask("hi")
    };
    within(collect(&provider, request())).await.done();
    let error = within(collect(&provider, request())).await.end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    within(server).await.unwrap();
}

#[tokio::test]
async fn an_end_without_a_reason_is_a_cut_answer_and_one_with_a_reason_needs_no_done() {
    let event = |value: &Value| format!("data: {value}\n\n").into_bytes();
    let word = event(&delta(&json!({"content": "Hej"})));
    let error = Server::answering(200, "text/event-stream", &[&word])
        .await
        .hear(ask("hi"))
        .await
        .end
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Truncated);
    let whole =
        Server::answering(200, "text/event-stream", &[&word, &event(&finish("stop"))]).await;
    assert_eq!(whole.hear(ask("hi")).await.done().message.content, "Hej");
}

#[tokio::test]
async fn an_error_in_the_middle_is_an_error_and_what_came_before_it_is_kept() {
    for error in [
        "data: {\"error\":{\"message\":\"boom\",\"code\":500}}\n\n",
        "error: {\"message\":\"boom\"}\n\n",
        "event: error\ndata: {\"message\":\"boom\"}\n\n",
    ] {
        let word = format!("data: {}\n\n{error}", delta(&json!({"content": "Hej"})));
        let heard = Server::answering(200, "text/event-stream", &[word.as_bytes()])
            .await
            .hear(ask("hi"))
            .await;
        assert_eq!(heard.contents, ["Hej"]);
        let error = heard.end.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Engine);
        assert!(
            error.internal().contains("boom") && !error.public.contains("boom"),
            "{error:?}"
        );
        assert!(
            error.public.contains("failed while it ran the model"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (status, body, kind, next) in [
        (
            401,
            r#"{"error":{"message":"Invalid API Key"}}"#,
            ErrorKind::Unauthorized,
            "OPENAI_API_KEY",
        ),
        (
            404,
            r#"{"error":{"message":"model 'x' not found"}}"#,
            ErrorKind::ModelNotFound,
            "mcp-llm models",
        ),
        (
            404,
            r#"{"detail":"Not Found"}"#,
            ErrorKind::Invalid,
            "base_url",
        ),
        (
            400,
            r#"{"message":"This model's maximum context length is 4096 tokens"}"#,
            ErrorKind::ContextFull,
            "larger context",
        ),
        (
            400,
            r#"{"error":"tools param requires --jinja flag to be supported"}"#,
            ErrorKind::Unsupported,
            "start the server with them",
        ),
        (
            400,
            r#"{"error":{"message":"bad temperature"}}"#,
            ErrorKind::Invalid,
            "bad temperature",
        ),
        (500, "<html>", ErrorKind::Engine, "its own log says why"),
    ] {
        let server = Server::answering(status, "application/json", &[body.as_bytes()]).await;
        let error = server.hear(ask("hi")).await.end.unwrap_err();
        assert_eq!(error.kind, kind, "{body}");
        assert!(error.public.contains(next), "{body}: {error}");
    }
}

#[tokio::test]
async fn what_does_not_talk_like_this_is_named_as_that() {
    for (content_type, body) in [
        ("text/html", &b"<html>"[..]),
        ("application/json", b"{\"choices\":[]}"),
        ("text/event-stream", b"data: {\"choices\":7}\n\n"),
        ("text/event-stream", b"data: \xff\n\n"),
    ] {
        let error = Server::answering(200, content_type, &[body])
            .await
            .hear(ask("hi"))
            .await
            .end
            .unwrap_err();
        assert!(
            error.public.contains("doesn't talk like"),
            "{content_type}: {error}"
        );
    }
}

#[tokio::test]
async fn models_and_health_tell_what_is_there() {
    let server = Server::streaming(&[]).await;
    let names: Vec<String> = server
        .provider()
        .models()
        .await
        .unwrap()
        .into_iter()
        .map(|model| model.name)
        .collect();
    assert_eq!(names, ["qwen", "b"]);
    let health = server.provider().health().await.unwrap();
    assert_eq!(
        (health.provider.as_str(), health.default_model.as_str()),
        ("openai", "qwen")
    );
}

#[tokio::test]
async fn the_address_comes_from_the_settings_or_the_environment_and_is_needed() {
    let settings: Settings = serde_json::from_value(json!({"provider": "openai"})).unwrap();
    let error = connect(&settings, &|_| None).err().unwrap();
    assert!(
        error.public.contains("base_url or OPENAI_BASE_URL"),
        "{error}"
    );
    let server = Server::streaming(&[finish("stop")]).await;
    let url = format!("{}/v1", server.url);
    let env = |name: &str| (name == "OPENAI_BASE_URL").then(|| url.clone());
    let provider = connect(&settings, &env).unwrap();
    assert_eq!(provider.name(), "openai");
    collect(&*provider, ask("hi")).await.done();
    // The settings win over the environment, and OLLAMA_HOST says nothing about this provider.
    let elsewhere = Settings {
        base_url: Some("http://127.0.0.1:9/v1".to_owned()),
        ..settings.clone()
    };
    let error = connect(&elsewhere, &env)
        .unwrap()
        .models()
        .await
        .unwrap_err();
    assert!(
        error
            .public
            .contains("http://127.0.0.1:9/v1 (from base_url)"),
        "{error}"
    );
    let ollamas = |name: &str| (name == "OLLAMA_HOST").then(|| url.clone());
    assert!(connect(&settings, &ollamas).is_err());
}

#[test]
fn an_address_is_a_url_here_and_none_of_ollamas_rules_repairs_it() {
    let settings: Settings = serde_json::from_value(json!({"provider": "openai"})).unwrap();
    for (written, problem) in [
        ("gpu", "must begin with http://"),
        ("http://gpu:port/v1", "has a port that isn't a number"),
        (
            "http://me:hunter2@gpu/v1",
            "holds a user name or a password",
        ),
    ] {
        let env = |name: &str| (name == "OPENAI_BASE_URL").then(|| written.to_owned());
        let from_environment = connect(&settings, &env).err().unwrap();
        let expected = format!("OPENAI_BASE_URL {problem}");
        assert!(
            from_environment.public.starts_with(&expected),
            "{from_environment}"
        );
        let configured = Settings {
            base_url: Some(written.to_owned()),
            ..settings.clone()
        };
        let from_settings = connect(&configured, &|_| None).err().unwrap();
        let expected = format!("base_url: {problem}");
        assert!(
            from_settings.public.starts_with(&expected),
            "{from_settings}"
        );
    }
    // Ollama's usual address is an address like any other when it was set.
    let configured = Settings {
        base_url: Some("http://127.0.0.1:11434".to_owned()),
        ..settings
    };
    assert!(connect(&configured, &|_| None).is_ok());
}

#[tokio::test]
async fn names_from_the_server_lose_what_hides_and_what_drives_a_terminal() {
    let app = Router::new().route(
        "/v1/models",
        get(|| async { Json::from(json!({"data": [{"id": "qwen\u{202e}7b\u{1b}[2J\u{200b}"}]})) }),
    )
    .route(
        "/v1/chat/completions",
        post(|| async {
            let event = json!({"model": "qwen\u{202e}7b\u{1b}[2J", "choices": [{"delta": {}, "finish_reason": "st\u{7}op"}]});
            ([(header::CONTENT_TYPE, "text/event-stream")], format!("data: {event}\n\n"))
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let address = Address::parse(&url, Syntax::Url).unwrap();
    let provider = OpenAi::new(address, &Settings::default(), None).unwrap();
    assert_eq!(provider.models().await.unwrap()[0].name, "qwen7b[2J");
    let done = within(collect(&provider, ask("hi"))).await.done();
    assert_eq!(
        (done.model.as_str(), done.done_reason.as_str()),
        ("qwen7b[2J", "stop")
    );
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert_ne!(socket.read(&mut request).await.unwrap(), 0);
        let event = "data: {\"choices\":[{\"delta\":{\"content\":\"Hej\"}}]}\n\n";
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        socket
            .write_all(format!("{head}{event}").as_bytes())
            .await
            .unwrap();
        // Its end is the other side's doing: this one says nothing more and closes nothing.
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
    });
    let provider = OpenAi::new(
        Address::parse(&url, Syntax::Url).unwrap(),
        &Settings::default(),
        None,
    )
    .unwrap();
    let request = ChatRequest {
        model: Some("m".to_owned()),
        ..ask("hi")
    };
    let mut stream = provider.chat(request).await.unwrap();
    assert!(within(stream.next()).await.unwrap().is_ok());
    drop(stream);
    within(server).await.unwrap();
}

#[tokio::test]
async fn a_busy_server_is_asked_again_before_anything_was_said() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move || {
        let busy = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if busy {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            let body = format!("data: {}\n\n", finish("stop"));
            ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
        }
    };
    let app = Router::new().route("/v1/chat/completions", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let provider = OpenAi::new(
        Address::parse(&url, Syntax::Url).unwrap(),
        &Settings::default(),
        None,
    )
    .unwrap();
    let request = ChatRequest {
        model: Some("m".to_owned()),
        ..ask("hi")
    };
    within(collect(&provider, request)).await.done();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
