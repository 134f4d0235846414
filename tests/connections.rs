//! What a request leaves of its connection: the next one is answered too, or is told not to come.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Process, Server};

const PATIENCE: Duration = Duration::from_secs(20);

/// A request to `/mcp`, with these headers and this body as they are.
fn post(headers: &str, body: &str) -> String {
    format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n{body}")
}

const ADA: &str = "authorization: Bearer ada\r\n";
const TYPES: &str =
    "accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n";

struct Raw(TcpStream);

impl Raw {
    async fn connect(server: &Server) -> Self {
        Self(TcpStream::connect(server.address).await.unwrap())
    }

    async fn say(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// The next answer: its status, its headers in small letters, and its body; `None` when the
    /// connection is closed instead.
    async fn answer(&mut self) -> Option<(u16, String, String)> {
        let read = async {
            let mut bytes = Vec::new();
            loop {
                if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
                    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                    let length = head
                        .lines()
                        .find_map(|it| it.strip_prefix("content-length: "));
                    let length: usize = length.map_or(0, |it| it.parse().unwrap());
                    if bytes.len() >= end + 4 + length {
                        let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
                        return Some((head[9..12].parse().unwrap(), head, body));
                    }
                }
                let mut byte = [0; 4096];
                match self.0.read(&mut byte).await {
                    Ok(read @ 1..) => bytes.extend_from_slice(&byte[..read]),
                    _ => return None,
                }
            }
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("an answer in time")
    }
}

#[tokio::test]
async fn who_is_refused_before_the_body_is_read_may_ask_again_or_is_told_to_hang_up() {
    let server = Server::prod_with(|config| config.server.max_body_bytes = 100_000).await;
    let next = post(&format!("{ADA}{TYPES}content-length: 2\r\n"), "{}");
    let bodies = [1, 1_000, 90_000, 3_000_000].map(|length| "x".repeat(length));
    for key in ["", "authorization: Bearer nobody\r\n", ADA] {
        for body in &bodies {
            let mut raw = Raw::connect(&server).await;
            let length = format!("{key}{TYPES}content-length: {}\r\n", body.len());
            raw.say(&post(&length, body)).await;
            let (status, head, _) = raw.answer().await.expect("an answer");
            let wanted = match key {
                ADA if body.len() > 100_000 => 413,
                ADA => 400,
                _ => 401,
            };
            assert_eq!(status, wanted, "{} bytes of {key:?}: {head}", body.len());
            if head.contains("connection: close") {
                assert!(raw.answer().await.is_none(), "{head}");
                continue;
            }
            raw.say(&next).await;
            let (status, head, body) = raw.answer().await.expect("an answer to the next");
            assert_eq!(status, 400, "{head}{body}");
            assert!(body.contains("no JSON-RPC 2.0 message"), "{body}");
        }
    }
}

#[tokio::test]
async fn who_waits_to_be_asked_for_the_body_is_refused_without_it() {
    let server = Server::prod().await;
    let mut raw = Raw::connect(&server).await;
    let headers = format!("{TYPES}expect: 100-continue\r\ncontent-length: 1000\r\n");
    raw.say(&post(&headers, "")).await;
    let since = std::time::Instant::now();
    let (status, head, _) = raw.answer().await.expect("an answer");
    assert_eq!(status, 401, "{head}");
    assert!(head.contains("connection: close"), "{head}");
    assert!(
        since.elapsed() < Duration::from_millis(900),
        "nothing is waited for"
    );
}

#[tokio::test]
async fn a_body_that_is_sent_in_a_way_that_isnt_understood_is_refused() {
    let server = Server::prod().await;
    let chunked = |coding: &str, body: &str| {
        post(
            &format!("{ADA}{TYPES}transfer-encoding: {coding}\r\n"),
            body,
        )
    };
    for (request, wanted, says) in [
        (
            chunked("gzip, chunked", "2\r\n{}\r\n0\r\n\r\n"),
            400,
            "chunked",
        ),
        (
            chunked("chunked", "zz\r\n{}\r\n0\r\n\r\n"),
            400,
            "broke off",
        ),
        (
            chunked("chunked", "ffffffffffffffffff\r\n"),
            400,
            "broke off",
        ),
    ] {
        let mut raw = Raw::connect(&server).await;
        raw.say(&request).await;
        let (status, head, body) = raw.answer().await.expect("an answer");
        assert_eq!(status, wanted, "{request:?}: {head}");
        assert!(body.contains(says), "{request:?}: {body}");
    }
    let mut raw = Raw::connect(&server).await;
    raw.say(&chunked("Chunked", "2\r\n{}\r\n0\r\n\r\n")).await;
    let (_, _, body) = raw.answer().await.expect("an answer");
    assert!(body.contains("no JSON-RPC 2.0 message"), "{body}");
}

#[tokio::test]
async fn a_page_takes_no_stream_by_a_plain_get() {
    let server = Server::prod_with(|config| config.server.sse = Some(true)).await;
    for (site, is_served) in [
        (Some("cross-site"), false),
        (Some("same-site"), false),
        (Some("none"), true),
        (Some("same-origin"), true),
        (None, true),
    ] {
        let client = server.client("ada");
        let get = client.http.get(format!("http://{}/sse", server.address));
        let get = get.bearer_auth("ada");
        let get = match site {
            Some(site) => get.header("sec-fetch-site", site),
            None => get,
        };
        let response = get.send().await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(
            status,
            if is_served { 200 } else { 403 },
            "{site:?}: {response:?}"
        );
    }
    let refused = server.record();
    let refused = refused
        .iter()
        .filter(|it| it["outcome"] == json!("FORBIDDEN"));
    assert_eq!(refused.count(), 2);
}

#[test]
fn what_is_no_http_is_refused_and_said_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    let url = process.url_after("listening on ");
    let address = url.strip_prefix("http://").unwrap();
    for (bytes, status) in [
        ("\u{1}\u{2} secret\r\n\r\n".to_owned(), "400"),
        (
            format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200_000)),
            "431",
        ),
    ] {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(bytes.as_bytes());
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer[9..], status.as_bytes());
    }
    process.wait_for("was refused");
}
