//! For whoever runs the server: TLS, readiness, numbers, and pages of other origins.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use crate::support::{Process, Server, Wire, keys};

/// A certificate for this machine, in two files; gives it as PEM.
pub fn certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

/// A client that trusts this certificate and no other.
fn trusting(pem: &str) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()])
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

async fn get(url: &str) -> reqwest::Response {
    Wire::new(url, None).http.get(url).send().await.unwrap()
}

#[tokio::test]
async fn http_is_served_over_tls_and_a_renewed_certificate_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let first = certificate(folder.path());
    std::fs::write(folder.path().join("keys.toml"), keys(&[("ada", "\"*\"")])).unwrap();
    let process = Process::start(
        folder.path(),
        &[
            ("MCP_SERVER__MODE", "prod"),
            ("MCP_SERVER__HOST", "0.0.0.0"),
            ("MCP_SERVER__ALLOWED_HOSTS", "127.0.0.1"),
            ("MCP_SERVER__TLS_CERT", "cert.pem"),
            ("MCP_SERVER__TLS_KEY", "key.pem"),
            ("MCP_AUTH__KEYS_FILE", "keys.toml"),
        ],
    );
    let url = process
        .url_after("listening on ")
        .replace("0.0.0.0", "127.0.0.1");
    assert!(url.starts_with("https://"), "{url}");

    let mut ada = Wire::new(&format!("{url}/mcp"), Some("ada"));
    ada.http = trusting(&first);
    let echoed = ada.call("echo", json!({ "message": "over TLS" })).await;
    assert_eq!(echoed.result()["content"][0]["text"], "over TLS");
    let plain = url.replace("https", "http");
    let plain = Wire::new(&plain, None).http.get(format!("{plain}/healthz"));
    assert!(
        plain.send().await.is_err(),
        "nothing is said without encryption"
    );

    let second = certificate(folder.path());
    process.wait_for("the certificate changed and was read again");
    let health = format!("{url}/healthz");
    assert!(trusting(&first).get(&health).send().await.is_err());
    assert_eq!(
        trusting(&second)
            .get(&health)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[test]
fn a_certificate_and_a_key_that_dont_go_together_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let cert = std::fs::read(folder.path().join("cert.pem")).unwrap();
    certificate(folder.path());
    std::fs::write(folder.path().join("cert.pem"), cert).unwrap();
    let process = Process::start(
        folder.path(),
        &[
            ("MCP_SERVER__TLS_CERT", "cert.pem"),
            ("MCP_SERVER__TLS_KEY", "key.pem"),
        ],
    );
    process.wait_for("/cert.pem can't be served with the key /");
    let process = Process::start(folder.path(), &[("MCP_SERVER__TLS_CERT", "cert.pem")]);
    process.wait_for("TLS takes both");
    let process = Process::start(
        folder.path(),
        &[
            ("MCP_SERVER__TLS_CERT", "none.pem"),
            ("MCP_SERVER__TLS_KEY", "key.pem"),
        ],
    );
    process.wait_for("/none.pem: ");
}

#[tokio::test]
async fn a_server_is_ready_only_while_its_keys_file_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    std::fs::write(&file, keys(&[("ada", "\"*\"")])).unwrap();
    let process = Process::start(
        folder.path(),
        &[
            ("MCP_SERVER__MODE", "prod"),
            ("MCP_AUTH__KEYS_FILE", "keys.toml"),
        ],
    );
    let url = process.url_after("listening on ");
    let ready = async || {
        let answer = get(&format!("{url}/readyz")).await;
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let (status, report) = ready().await;
    assert_eq!(
        (status, &report["status"]),
        (200, &json!("ready")),
        "{report}"
    );
    std::fs::write(&file, "broken").unwrap();
    process.wait_for("THE KEYS FILE IS BROKEN");
    let (status, report) = ready().await;
    assert_eq!(status, 503);
    assert_eq!(
        report["checks"],
        json!({ "provider": true, "keys": false, "audit": true })
    );
    let alive = get(&format!("{url}/healthz")).await;
    assert_eq!(alive.status(), 200, "not ready is not dead");
}

#[tokio::test]
async fn a_server_whose_engine_is_gone_isnt_ready() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(
        folder.path(),
        &[
            ("MCP_LLM__PROVIDER", "ollama"),
            ("MCP_LLM__BASE_URL", "http://127.0.0.1:9"),
        ],
    );
    let url = process.url_after("listening on ");
    let answer = get(&format!("{url}/readyz")).await;
    assert_eq!(answer.status(), 503);
    let report: Value = answer.json().await.unwrap();
    assert_eq!(report["checks"]["provider"], false);
}

#[tokio::test]
async fn numbers_are_counted_and_no_caller_can_make_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.toml"), keys(&[("ada", "\"*\"")])).unwrap();
    let process = Process::start(
        folder.path(),
        &[
            ("MCP_METRICS__PORT", "0"),
            ("MCP_SERVER__MODE", "prod"),
            ("MCP_AUTH__KEYS_FILE", "keys.toml"),
        ],
    );
    let metrics = process.url_after("metrics on ");
    let url = process.url_after("listening on ");
    let ada = Wire::new(&format!("{url}/mcp"), Some("ada"));
    ada.call("echo", json!({ "message": "hi" })).await;
    ada.call("ollama-chat", json!({ "prompt": "What is a tool?" }))
        .await;
    for number in 0..5 {
        ada.call(&format!("made-up-{number}"), json!({})).await;
        ada.request(&format!("made/up-{number}"), json!({})).await;
    }
    Wire::new(&format!("{url}/mcp"), Some("mallory"))
        .call("echo", json!({ "message": "hi" }))
        .await;
    ada.initialize("2025-06-18").await;

    let answer = get(&format!("{metrics}/metrics")).await;
    assert!(
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let text = answer.text().await.unwrap();
    for line in [
        r#"mcp_calls_total{method="tools/call",tool="echo",outcome="SUCCESS",transport="http"} 1"#,
        r#"mcp_calls_total{method="tools/call",tool="other",outcome="ERROR",transport="http"} 5"#,
        r#"mcp_calls_total{method="other",tool="",outcome="ERROR",transport="http"} 5"#,
        r#"mcp_call_duration_seconds_count{method="tools/call",tool="echo"} 1"#,
        r#"mcp_edge_refusals_total{outcome="UNAUTHORIZED",transport="http"} 1"#,
        r#"mcp_chats{state="running"} 0"#,
        "mcp_sessions 1",
        "mcp_audit_healthy 1",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} isn't in\n{text}"
        );
    }
    assert!(text.contains(r#"mcp_tokens_total{provider=""#), "{text}");
    assert!(!text.contains("made"), "{text}");

    let beside = get(&format!("{url}/metrics")).await;
    assert_ne!(beside.status(), 200, "not where callers are");
    let rebound = Wire::new(&metrics, None)
        .http
        .get(format!("{metrics}/metrics"))
        .header("host", "evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), 403);
}

const APP: &str = "https://app.example.com";

async fn preflight(server: &Server, origin: &str) -> reqwest::Response {
    server
        .anonymous()
        .http
        .request(reqwest::Method::OPTIONS, server.url())
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_page_of_a_listed_origin_may_call_and_no_other() {
    let server =
        Server::prod_with(|config| config.server.allowed_origins = vec![APP.to_owned()]).await;
    let answer = preflight(&server, APP).await;
    assert_eq!(answer.status(), 204, "without a key: browsers send none");
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), APP);
    assert!(header("access-control-allow-headers").contains("authorization"));
    assert!(
        !answer
            .headers()
            .contains_key("access-control-allow-credentials")
    );

    let ada = server.client("ada");
    let message = ada.message("tools/list", json!({}));
    let called = ada
        .post(&message)
        .header("origin", APP)
        .send()
        .await
        .unwrap();
    assert_eq!(called.status(), 200);
    assert_eq!(called.headers()["access-control-allow-origin"], APP);
    assert!(
        called.headers()["vary"]
            .to_str()
            .unwrap()
            .contains("origin")
    );
    // Also a refusal can be read by the page, or it couldn't say why.
    let refused = server
        .anonymous()
        .post(&message)
        .header("origin", APP)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["access-control-allow-origin"], APP);

    for other in [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "null",
    ] {
        let answer = preflight(&server, other).await;
        assert_eq!(answer.status(), 403, "{other}");
        assert!(
            !answer.headers().contains_key("access-control-allow-origin"),
            "{other}"
        );
    }
}

#[tokio::test]
async fn without_a_list_no_page_is_answered() {
    let server = Server::local().await;
    let answer = preflight(&server, APP).await;
    assert_eq!(answer.status(), 403);
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

/// Starts a server in a folder with `ada`'s key, after the shell has set its limits.
#[cfg(target_os = "linux")]
fn limited(first: &str, folder: &Path, says: Option<&str>) -> (Process, String) {
    std::fs::write(folder.join("keys.toml"), keys(&[("ada", "\"*\"")])).unwrap();
    let settings = [
        ("MCP_SERVER__MODE", "prod"),
        ("MCP_AUTH__KEYS_FILE", "keys.toml"),
    ];
    let process = Process::start_after(first, folder, &settings);
    if let Some(says) = says {
        process.wait_for(says);
    }
    let url = process.url_after("listening on ");
    (process, url)
}

#[cfg(target_os = "linux")]
#[test]
fn the_limit_of_open_files_is_raised_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (process, _url) = limited("ulimit -Sn 256 && ulimit -Hn 9000", folder.path(), None);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let line = limits
        .lines()
        .find(|it| it.starts_with("Max open files"))
        .unwrap();
    let soft = line.split_whitespace().nth(3).unwrap();
    assert_eq!(soft, "9000", "{line}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_that_take_every_place_keep_no_revoked_key_alive() {
    let folder = tempfile::tempdir().unwrap();
    let warning = "only 96 connections at once instead of 4096";
    let (_process, url) = limited("ulimit -n 192", folder.path(), Some(warning));
    let ada = Wire::new(&format!("{url}/mcp"), Some("ada"));
    // Kept open by its client.
    assert_eq!(ada.request("tools/list", json!({})).await.status, 200);
    let address = url.strip_prefix("http://").unwrap();
    let strangers: Vec<_> = (0..150)
        .map(|_| std::net::TcpStream::connect(address).unwrap())
        .collect();
    std::fs::write(folder.path().join("keys.toml"), keys(&[("bob", "\"*\"")])).unwrap();
    let since = std::time::Instant::now();
    while ada.request("tools/list", json!({})).await.status != 401 {
        assert!(since.elapsed() < Duration::from_secs(10), "she gets in");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(strangers);
}
