//! Clients that are slow on purpose: each holds a connection and does nothing with it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::row::Row;
use super::target::Target;
use super::verdict::{Finding, Verdict, broken, held, not_applicable, unclear};

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "idle-crowd",
        family: "slow",
        title: "A crowd that stands in the door",
        tried: "64 connections with half a request each are held open, and a good request comes.",
        elsewhere: "A server with a thread or a worker for each connection has none left.",
        advisory: "CVE-2007-6750 (slowloris), CWE-400",
        remedy: "no worker for a connection that says nothing, and many more places than one client can take",
        run: |target| Box::pin(idle_crowd(target)),
    },
    Row {
        id: "slow-headers",
        family: "slow",
        title: "Headers that never end",
        tried: "A request whose headers come one byte a second.",
        elsewhere: "The server waits for the end of the headers as long as the client likes, and a few hundred such clients hold every connection.",
        advisory: "CVE-2007-6750 (slowloris), CWE-400",
        remedy: "a time-out for the headers as a whole",
        run: |target| Box::pin(hold_open(target, |head| format!("{head}x-slow: "))),
    },
    Row {
        id: "slow-body",
        family: "slow",
        title: "A body that never ends",
        tried: "A request whose body comes one byte a second.",
        elsewhere: "The headers have a time-out and the body has none.",
        advisory: "CWE-400",
        remedy: "a time-out for the body as a whole",
        run: |target| {
            Box::pin(hold_open(target, |head| {
                format!("{head}content-length: 100000\r\n\r\n{{")
            }))
        },
    },
];

/// Bare HTTP, so not over TLS: the attack would only test the handshake.
fn address(target: &Target) -> Result<String, Verdict> {
    let url = &target.wire.url;
    if url.scheme() != "http" {
        return not_applicable("it speaks bare HTTP, and the server is behind TLS");
    }
    let host = url.host_str().unwrap_or_default();
    Ok(format!(
        "{host}:{}",
        url.port_or_known_default().unwrap_or(80)
    ))
}

/// The beginning of a good request, as far as it goes before its last header.
fn head(target: &Target, address: &str) -> String {
    let mut head = format!(
        "POST {} HTTP/1.1\r\nhost: {address}\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\n",
        target.wire.url.path()
    );
    if let Some(key) = &target.owner.key {
        head.push_str(&format!("authorization: Bearer {}\r\n", key.expose()));
    }
    head
}

const CROWD: usize = 64;

async fn idle_crowd(target: &Target) -> Finding {
    let address = address(target)?;
    let opening = head(target, &address);
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        if !target.wire.may_send() {
            break;
        }
        let Ok(Ok(mut stream)) =
            tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(&address)).await
        else {
            break;
        };
        if stream.write_all(opening.as_bytes()).await.is_ok() {
            crowd.push(stream);
        }
    }
    let good = target.prepare_list(&target.owner).await;
    let answer = good.request.wait(Duration::from_secs(5)).send().await;
    let many = crowd.len();
    // Also a refusal shows that somebody was there to refuse.
    if answer.result().is_some() || answer.status == 429 {
        held(format!(
            "with {many} of them, a good request was answered after {} ms",
            answer.took.as_millis()
        ))
    } else if answer.status == 0 {
        broken(format!(
            "with {many} of them, a good request got no answer: {answer}"
        ))
    } else {
        unclear(answer.brief())
    }
}

/// Opens slow connections, and sees whether the server ends them.
async fn hold_open(target: &Target, opening: fn(&str) -> String) -> Finding {
    let address = address(target)?;
    let opening = opening(&head(target, &address));
    // Three at once: one that is cut by chance proves nothing.
    let all = join_all((0..3).map(|_| trickle(&address, &opening, target.patience))).await;
    let patience = target.patience.as_secs();
    let mut longest = Duration::ZERO;
    for end in all {
        match end {
            End::ByTheServer(after) => longest = longest.max(after),
            End::Never => {
                return broken(format!("still open after {patience} s (--patience)"));
            }
            End::Unopened => {
                return unclear("no connection could be opened");
            }
        }
    }
    held(format!("ended by the server after {} s", longest.as_secs()))
}

/// How a slow connection ended.
enum End {
    ByTheServer(Duration),
    Never,
    Unopened,
}

/// Sends a byte a second until the server ends it, or patience does.
async fn trickle(address: &str, opening: &str, patience: Duration) -> End {
    let since = Instant::now();
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return End::Unopened;
    };
    if stream.write_all(opening.as_bytes()).await.is_err() {
        return End::Unopened;
    }
    let mut buffer = [0; 1024];
    while since.elapsed() < patience {
        // An answer ends it as well: 408 is the polite way.
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer)).await {
            Ok(_) => return End::ByTheServer(since.elapsed()),
            Err(_elapsed) => {
                if stream.write_all(b"a").await.is_err() {
                    return End::ByTheServer(since.elapsed());
                }
            }
        }
    }
    End::Never
}
