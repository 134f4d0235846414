//! A call's place in a larger work goes with it to the engine, and to a collector.

use serde_json::{Value, json};

use crate::support::{
    Server,
    fake_ollama::{FakeOllama, Mode},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

async fn ask(server: &Server, meta: Value) {
    let answer = server
        .anonymous()
        .request(
            "tools/call",
            json!({ "name": "ollama-chat", "arguments": { "prompt": "a secret question" }, "_meta": meta }),
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The `traceparent` that the engine got with the chat.
fn told(fake: &FakeOllama) -> Option<String> {
    let requests = fake.requests();
    let chat = requests.iter().find(|it| it.path == "/api/chat").unwrap();
    let parent = chat.headers.get("traceparent")?;
    Some(parent.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_engine_hears_which_work_a_chat_belongs_to() {
    let (fake, server) = Server::with_fake(Mode::Normal, |_config| {}).await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    ask(
        &server,
        json!({ "traceparent": parent, "tracestate": "vendor=1" }),
    )
    .await;
    assert_eq!(told(&fake), Some(parent));
    let requests = fake.requests();
    let chat = requests.iter().find(|it| it.path == "/api/chat").unwrap();
    assert_eq!(chat.headers["tracestate"], "vendor=1");
}

#[tokio::test]
async fn without_a_trace_none_is_made_up_where_nobody_collects() {
    let (fake, server) = Server::with_fake(Mode::Normal, |_config| {}).await;
    ask(&server, json!({ "traceparent": "not one" })).await;
    assert_eq!(told(&fake), None);
}

#[cfg(feature = "otlp")]
mod collected {
    use std::sync::{Arc, Mutex};

    use axum::{Router, body::Bytes, routing::post};
    use tokio::{net::TcpListener, task::spawn_blocking};

    use super::*;

    fn holds(haystack: &[u8], needle: &[u8]) -> bool {
        haystack.windows(needle.len()).any(|it| it == needle)
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collector_gets_a_span_for_the_call_and_one_below_it_for_the_chat() {
        let got = Arc::new(Mutex::new(Vec::new()));
        let (kept, listener) = (
            Arc::clone(&got),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let address = listener.local_addr().unwrap();
        let take = post(move |body: Bytes| async move {
            kept.lock().unwrap().extend_from_slice(&body);
        });
        let router = Router::new().route("/v1/traces", take);
        tokio::spawn(async move { axum::serve(listener, router).await });

        let (fake, server) = Server::with_fake(Mode::Normal, |config| {
            let endpoint = format!("http://{address}/v1/traces");
            config.traces.endpoint = Some(endpoint.parse().unwrap());
        })
        .await;
        ask(
            &server,
            json!({ "traceparent": format!("00-{TRACE}-{CALLER}-01") }),
        )
        .await;

        let mut long = server.anonymous().message("ping-pong", json!({}));
        long["id"] = "x".repeat(10_000).into();
        server.anonymous().send(long).await;

        let told = told(&fake).unwrap();
        assert!(told.starts_with(&format!("00-{TRACE}-")), "{told}");
        assert!(!told.contains(CALLER), "the chat hangs below our own spans");
        let traces = server.traces.clone().unwrap();
        spawn_blocking(move || traces.shut_down()).await.unwrap();
        let sent = got.lock().unwrap();
        for wanted in [
            "tools/call ollama-chat".as_bytes(),
            b"gen_ai.usage.output_tokens",
            b"learn_mcp.request_id",
            &bytes(TRACE),
            &bytes(CALLER),
            // The chat's own span has the id that the engine was told.
            &bytes(&told[36..52]),
        ] {
            assert!(holds(&sent, wanted), "{}", String::from_utf8_lossy(wanted));
        }
        assert!(!holds(&sent, b"secret question"));
        // Spans wait in memory, so a caller's words are cut.
        assert!(holds(&sent, &[b'x'; 64]) && !holds(&sent, &[b'x'; 65]));
    }
}
