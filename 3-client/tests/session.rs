//! One connection against a real server over HTTP: both lifecycles, order, cancellation, refusals.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic in a test is its report"
)]

mod support;

use std::time::Duration;

use mcp_client::config::{Approve, Endpoint, Limits, Protocol, ServerConfig, VERSIONS};
use mcp_client::failure::{Failure, Kind};
use mcp_client::secret::Secret;
use mcp_client::session::Session;
use mcp_client::tap::{Progress, ProgressKind};
use mcp_client::wire::WireLog;
use serde_json::json;
use support::Server;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

fn server(url: &str, key: Option<&str>, protocol: Protocol) -> ServerConfig {
    ServerConfig {
        name: "local".into(),
        endpoint: Endpoint::Http(url.into()),
        key: key.and_then(Secret::new),
        protocol,
        approve: Approve::None,
        allow_http: false,
    }
}

async fn connect(url: &str) -> Session {
    Session::connect(
        &server(url, None, Protocol::Auto),
        Limits::default(),
        &WireLog::default(),
    )
    .await
    .unwrap()
}

fn question(text: &str) -> serde_json::Map<String, serde_json::Value> {
    json!({"messages": [{"role": "user", "content": text}]})
        .as_object()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn auto_agrees_on_the_newest_version_and_lists_everything() {
    let server = Server::start(None).await;
    let session = connect(&server.url).await;
    let (catalog, refused) = session.catalog().await.unwrap();
    assert_eq!(catalog.protocol, "2026-07-28");
    assert!(refused.is_empty(), "{refused:?}");
    assert!(
        catalog
            .tool("echo")
            .is_some_and(|t| t.hints.read_only == Some(true))
    );
    assert_eq!(catalog.resources[0].uri, "config://server");
    assert_eq!(catalog.prompts[0].arguments[0].name, "concept");
    assert_eq!(catalog.models.provider, "tutor");
}

#[tokio::test]
async fn every_older_version_can_be_insisted_on_and_works() {
    let scripted = Server::start(None).await;
    for version in VERSIONS {
        let config = server(&scripted.url, None, Protocol::Version(version.into()));
        let session = Session::connect(&config, Limits::default(), &WireLog::default())
            .await
            .unwrap();
        let (catalog, _) = session.catalog().await.unwrap();
        assert_eq!(catalog.protocol, version);
        let arguments = json!({"message": version}).as_object().unwrap().clone();
        let result = session
            .call("echo", arguments, None, &CancellationToken::new())
            .await
            .unwrap();
        assert_eq!(result.text, version);
        session.close().await;
    }
}

#[tokio::test]
async fn deltas_arrive_in_order_and_all_of_them_before_the_result() {
    let server = Server::start(None).await;
    let session = connect(&server.url).await;
    let long = (0..400)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    let (sender, mut pieces) = mpsc::channel::<Progress>(8);
    let cancel = CancellationToken::new();
    let collect = async {
        let mut text = String::new();
        while let Some(piece) = pieces.recv().await {
            text.push_str(&piece.text);
        }
        text
    };
    let call = async {
        let sender = sender;
        session
            .call("ollama-chat", question(&long), Some(&sender), &cancel)
            .await
            .unwrap()
    };
    let (result, text) = tokio::join!(call, collect);
    assert_eq!(
        text, result.text,
        "the pieces put together are the answer, byte for byte"
    );
    assert!(text.contains(&long));
}

#[tokio::test]
async fn a_tool_that_the_server_calls_and_kinds_of_later_versions_are_no_part_of_the_answer() {
    let server = Server::start(None).await;
    let session = connect(&server.url).await;
    let (sender, mut pieces) = mpsc::channel::<Progress>(64);
    let cancel = CancellationToken::new();
    let result = session
        .call(
            "ollama-chat",
            question("tools inside"),
            Some(&sender),
            &cancel,
        )
        .await
        .unwrap();
    drop(sender);
    let mut all = Vec::new();
    while let Some(piece) = pieces.recv().await {
        all.push(piece);
    }
    let answer: String = all
        .iter()
        .filter(|p| p.kind == ProgressKind::Content)
        .map(|p| p.text.as_str())
        .collect();
    assert_eq!(answer, result.text);
    assert_eq!(
        (all[0].kind, all[0].text.as_str()),
        (ProgressKind::Tool, "weather-get")
    );
    assert_eq!(all[1].kind, ProgressKind::Other);
}

#[tokio::test]
async fn a_cancelled_call_reaches_the_server_in_both_eras() {
    let scripted = Server::start(None).await;
    for protocol in [Protocol::Auto, Protocol::Version("2025-06-18".into())] {
        let session = Session::connect(
            &server(&scripted.url, None, protocol.clone()),
            Limits::default(),
            &WireLog::default(),
        )
        .await
        .unwrap();
        let (sender, mut pieces) = mpsc::channel::<Progress>(8);
        let cancel = CancellationToken::new();
        let stop = async {
            scripted.seen.streaming.notified().await;
            cancel.cancel();
            while pieces.recv().await.is_some() {}
        };
        let call = async {
            let sender = sender;
            session
                .call("ollama-chat", question("endless"), Some(&sender), &cancel)
                .await
        };
        let (result, ()) = tokio::join!(call, stop);
        assert_eq!(result.unwrap_err(), Failure::Cancelled);
        tokio::time::timeout(Duration::from_secs(5), scripted.seen.cancelled.notified())
            .await
            .unwrap_or_else(|_| panic!("{protocol:?}: the server went on"));
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_with_the_servers_reason_and_never_logged() {
    let scripted = Server::start(Some("right-key")).await;
    let wire = WireLog::default();
    let failure = Session::connect(
        &server(&scripted.url, Some("wrong-key"), Protocol::Auto),
        Limits::default(),
        &wire,
    )
    .await
    .unwrap_err();
    assert_eq!(failure.kind(), Kind::SignedOut);
    assert!(
        failure.to_string().contains("the key is unknown"),
        "{failure}"
    );
    let log = wire.to_jsonl();
    assert!(log.contains("\"status\":401"), "{log}");
    assert!(!log.contains("wrong-key"), "{log}");
    assert_eq!(
        wire.since(0)
            .iter()
            .filter(|e| e.direction == mcp_client::wire::Direction::Out)
            .count(),
        1,
        "a refused key isn't tried twice: attempts are counted"
    );
}

#[tokio::test]
async fn a_right_key_is_accepted() {
    let scripted = Server::start(Some("right-key")).await;
    let session = Session::connect(
        &server(&scripted.url, Some("right-key"), Protocol::Auto),
        Limits::default(),
        &WireLog::default(),
    )
    .await
    .unwrap();
    assert!(session.catalog().await.is_ok());
}

#[tokio::test]
async fn refusals_keep_their_data() {
    let server = Server::start(None).await;
    let session = connect(&server.url).await;
    let cancel = CancellationToken::new();
    let throttled = session
        .call("ollama-chat", question("throttle"), None, &cancel)
        .await
        .unwrap_err();
    assert_eq!(throttled.retry_after(), Some(Duration::from_secs(4)));
    let Failure::Refused(refusal) = session
        .call("ollama-chat", question("forbidden"), None, &cancel)
        .await
        .unwrap_err()
    else {
        panic!()
    };
    assert_eq!(refusal.required_scopes, ["tools:ollama:chat"]);
}

#[tokio::test]
async fn a_tool_that_fails_is_a_result_and_a_bad_argument_an_error() {
    let server = Server::start(None).await;
    let session = connect(&server.url).await;
    let cancel = CancellationToken::new();
    let weather = session
        .call(
            "weather-get",
            json!({"city": "Oslo"}).as_object().unwrap().clone(),
            None,
            &cancel,
        )
        .await
        .unwrap();
    assert!(weather.is_error);
    let wrong = session
        .call("echo", serde_json::Map::new(), None, &cancel)
        .await
        .unwrap_err();
    assert!(
        matches!(wrong, Failure::Rpc { code: -32602, .. }),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_away_is_told_apart_from_one_that_breaks() {
    let server = Server::start(None).await;
    let session = connect(&server.url).await;
    let url = server.url.clone();
    server.kill().await;
    let failure = session
        .call(
            "echo",
            json!({"message": "x"}).as_object().unwrap().clone(),
            None,
            &CancellationToken::new(),
        )
        .await
        .unwrap_err();
    assert!(failure.wants_reconnect(), "{failure:?}");
    let again = Session::connect(
        &self::server(&url, None, Protocol::Auto),
        Limits::default(),
        &WireLog::default(),
    )
    .await
    .unwrap_err();
    assert_eq!(again.kind(), Kind::Away, "{again:?}");
}

#[tokio::test]
async fn the_wire_log_links_a_call_to_its_result_with_the_http_status() {
    let scripted = Server::start(None).await;
    let wire = WireLog::default();
    let session = Session::connect(
        &server(&scripted.url, None, Protocol::Auto),
        Limits::default(),
        &wire,
    )
    .await
    .unwrap();
    session
        .call(
            "echo",
            json!({"message": "x"}).as_object().unwrap().clone(),
            None,
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    let entries = wire.since(0);
    let call = entries
        .iter()
        .find(|e| {
            e.method.as_deref() == Some("tools/call")
                && e.pair.is_some()
                && e.kind == mcp_client::wire::Kind::Request
        })
        .unwrap();
    let answer = entries.iter().find(|e| Some(e.seq) == call.pair).unwrap();
    assert_eq!(answer.http.as_ref().unwrap().status, Some(200));
    assert!(answer.body.contains("\"x\""));
    assert!(
        call.http
            .as_ref()
            .unwrap()
            .headers
            .iter()
            .any(|(name, _)| name == "mcp-method")
    );
}

#[tokio::test]
async fn a_server_of_2024_is_reached_over_http_and_sse() {
    let url = support::start_legacy().await;
    let config = ServerConfig {
        endpoint: Endpoint::Sse(url),
        ..server("", None, Protocol::Auto)
    };
    let session = Session::connect(&config, Limits::default(), &WireLog::default())
        .await
        .unwrap();
    let (catalog, _) = session.catalog().await.unwrap();
    assert_eq!(catalog.protocol, "2024-11-05");
    let (sender, mut pieces) = mpsc::channel::<Progress>(256);
    let result = session
        .call(
            "ollama-chat",
            question("hello"),
            Some(&sender),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    drop(sender);
    let mut text = String::new();
    while let Some(piece) = pieces.recv().await {
        text.push_str(&piece.text);
    }
    assert_eq!(text, result.text);
}

#[cfg(unix)]
#[tokio::test]
async fn a_child_process_gets_no_key_and_its_last_words_explain_its_end() {
    // Cargo sets this one for every test; a key would pass or stay behind in the same way.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let script = "echo \"no such database ${CARGO_MANIFEST_DIR:-clean}\" >&2; exit 1";
    let endpoint = Endpoint::Stdio {
        command: "sh".into(),
        args: vec!["-c".into(), script.into()],
        env: std::collections::BTreeMap::new(),
    };
    let config = ServerConfig {
        endpoint,
        ..server("", None, Protocol::Auto)
    };
    let failure = Session::connect(&config, Limits::default(), &WireLog::default())
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), Kind::Away);
    assert!(
        failure.to_string().contains("no such database clean"),
        "{failure}"
    );
}

/// A server with a certificate that nobody has vouched for; it never gets as far as a request.
async fn with_its_own_certificate() -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}/mcp",
        listener.local_addr().unwrap().port()
    );
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    url
}

#[tokio::test]
async fn what_is_wrong_is_said_in_words_that_fit_it() {
    let limits = Limits::default();
    let wire = WireLog::default();
    let failed = async |url: &str| {
        let config = ServerConfig {
            endpoint: Endpoint::of_url(url),
            ..server(url, None, Protocol::Auto)
        };
        Session::connect(&config, limits, &wire).await.unwrap_err()
    };
    let untrusted = failed(&with_its_own_certificate().await).await;
    assert!(matches!(untrusted, Failure::Untrusted(_)), "{untrusted:?}");
    assert!(!untrusted.wants_reconnect() && untrusted.advice().unwrap().contains("certificate"));

    let scripted = Server::start(None).await;
    let base = scripted.url.strip_suffix("/mcp").unwrap();
    for wrong in [base.to_owned(), format!("{base}/"), format!("{base}/?x=1")] {
        let failure = failed(&wrong).await;
        assert!(
            matches!(failure, Failure::NoServer { .. }),
            "{wrong}: {failure:?}"
        );
        let advice = failure.advice().unwrap();
        assert!(advice.ends_with(&scripted.url), "{advice}");
    }
    let elsewhere = failed(&format!("{base}/elsewhere/mcp")).await;
    assert!(
        !elsewhere.advice().unwrap().contains("Perhaps"),
        "{elsewhere:?}"
    );

    let config = ServerConfig {
        endpoint: Endpoint::Stdio {
            command: "no-such-program".into(),
            args: Vec::new(),
            env: std::collections::BTreeMap::new(),
        },
        ..server("", None, Protocol::Auto)
    };
    let missing = Session::connect(&config, limits, &wire).await.unwrap_err();
    assert!(matches!(&missing, Failure::NotStarted(why) if why.contains("no-such-program")));
    assert!(
        missing.advice().unwrap().contains("installed"),
        "{missing:?}"
    );
}
