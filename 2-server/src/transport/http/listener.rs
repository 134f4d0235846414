//! Connections in, within their bounds, and an orderly end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use super::{super::proxies::Remote, seldom::Seldom, tls::Tls};

/// Request headers past this are refused with 431.
const MAX_HEADERS: usize = 64 << 10;
/// A connection that says nothing for so long is closed, and so is one whose headers trickle in.
const SILENCE: Duration = Duration::from_secs(60);
/// A client that takes nothing of its answer for so long is cut off, or it would keep its place, and
/// what it doesn't read, for as long as it likes.
const STALL: Duration = Duration::from_secs(30);
/// How long to wait when the machine has no file descriptor left, before trying again.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// How long calls that are cut off at the end have to leave their record.
const LAST_RECORDS: Duration = Duration::from_secs(2);

/// What a listener is bounded by.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Connections that may be open at once; more wait in the system's queue.
    pub connections: usize,
    /// How long running calls may go on after the server was asked to stop.
    pub grace: Duration,
}

/// Serves a router until `shutdown` fires, then lets running calls go on for their grace. What still
/// runs then is cut off, and has a moment to leave its record.
pub async fn serve(
    tls: Option<Arc<Tls>>,
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    shutdown: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(bounds.connections));
    let (connections, cut_off) = (TaskTracker::new(), CancellationToken::new());
    let (http, troubles) = (bounded(), Arc::new(Troubles::default()));
    loop {
        // Waiting for a place leaves newcomers in the kernel's queue, where they cost nothing.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = shutdown.cancelled() => break,
        };
        let (stream, remote) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // A client that is gone already, or no descriptor left: both pass.
                    if is_gone(&error) {
                        tracing::debug!(%error, "a connection couldn't be accepted");
                        continue;
                    }
                    if let Some(times) = troubles.unaccepted.happened() {
                        tracing::warn!(%error, times, "NO CONNECTION CAN BE ACCEPTED: newcomers wait until it passes");
                    }
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => break,
        };
        // Without it a small answer waits 40 ms for the client's acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY couldn't be set");
        }
        let (watcher, http, router, tls) = (
            graceful.watcher(),
            http.clone(),
            router.clone(),
            tls.clone(),
        );
        let troubles = Arc::clone(&troubles);
        let answering = async move {
            let _place = place;
            let answered = match tls {
                None => converse(http, stream, router, remote, watcher).await,
                // Here and not in the loop above: a client that is slow to greet holds up nobody.
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => converse(http, stream, router, remote, watcher).await,
                    Err(error) => {
                        tracing::debug!(%error, "a client couldn't be greeted over TLS");
                        return;
                    }
                },
            };
            if let Err(error) = answered {
                troubles.lost(&error, remote);
            }
        };
        let cut_off = cut_off.clone();
        connections.spawn(async move {
            tokio::select! {
                () = answering => {}
                () = cut_off.cancelled() => {}
            }
        });
    }
    drop(listener);
    drop(router);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(bounds.grace) => tracing::warn!("some calls were still running when the time to stop was over"),
    }
    // Who waits for an answer is cut off, and so its call is cancelled and recorded as such.
    cut_off.cancel();
    connections.close();
    let _ = tokio::time::timeout(LAST_RECORDS, connections.wait()).await;
}

/// What goes wrong before there is a request, and so leaves no record.
#[derive(Debug, Default)]
struct Troubles {
    unaccepted: Seldom,
    unreadable: Seldom,
}

impl Troubles {
    /// A connection ended badly.
    fn lost(&self, error: &hyper::Error, remote: SocketAddr) {
        // hyper has refused it by itself: 400, or 431 where the headers are too large.
        if !error.is_parse() {
            tracing::debug!(%error, "a connection was lost");
        } else if let Some(times) = self.unreadable.happened() {
            tracing::warn!(%error, peer = %remote.ip(), times, "a request was no HTTP/1.1 or had too large headers, and was refused");
        }
    }
}

/// Whether a client left before it was let in.
fn is_gone(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// HTTP/1 with its bounds.
fn bounded() -> hyper::server::conn::http1::Builder {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .max_buf_size(MAX_HEADERS);
    http
}

/// Answers one connection until it ends.
async fn converse(
    http: hyper::server::conn::http1::Builder,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    router: Router,
    remote: SocketAddr,
    watcher: Watcher,
) -> hyper::Result<()> {
    let service = service_fn(answer_with(router, remote));
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALL));
    let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), service);
    watcher.watch(connection).await
}

fn answer_with(
    router: Router,
    remote: SocketAddr,
) -> impl Fn(http::Request<hyper::body::Incoming>) -> <Router as tower::Service<Request>>::Future {
    move |request| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Remote(remote));
        router.clone().call(request)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        time::Instant,
    };

    use axum::routing::get;

    use super::*;

    /// A connection whose answer is larger than what lies between the two sides.
    async fn asked_for_much() -> (
        tokio::io::DuplexStream,
        impl Future<Output = hyper::Result<()>>,
    ) {
        let (mut client, server) = duplex(1024);
        let router = Router::new().route("/", get(|| async { "x".repeat(1 << 20) }));
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        (client, conversation(server, router))
    }

    async fn conversation(server: tokio::io::DuplexStream, router: Router) -> hyper::Result<()> {
        let remote = SocketAddr::from(([127, 0, 0, 1], 9));
        let graceful = GracefulShutdown::new();
        converse(bounded(), server, router, remote, graceful.watcher()).await
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_half_a_header_or_falls_silent_is_let_go() {
        for said in [
            "",
            "POST /mcp HTTP/1.1\r\nhost: x\r\nx-slow: ",
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        ] {
            let (mut client, server) = duplex(1024);
            client.write_all(said.as_bytes()).await.unwrap();
            let since = Instant::now();
            let ended = conversation(server, Router::new());
            let ended = tokio::time::timeout(SILENCE * 4, ended).await;
            assert!(ended.is_ok(), "{said:?}: it is held for ever");
            assert!(since.elapsed() <= SILENCE * 2, "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn headers_without_end_are_refused() {
        let (mut client, server) = duplex(1 << 20);
        let long = "y".repeat(2 * MAX_HEADERS);
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let (mut answer, ended) = (Vec::new(), conversation(server, Router::new()));
        let (_, ended) = tokio::join!(client.read_to_end(&mut answer), ended);
        assert!(
            answer.starts_with(b"HTTP/1.1 431"),
            "{}",
            answer.escape_ascii()
        );
        assert!(ended.is_err());
    }

    /// Serves a call that takes this long, tells the server to stop while it runs, and gives its
    /// answer, and how long the server took to end.
    async fn stopped_during(call: Duration, grace: Duration) -> (String, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let told = shutdown.clone();
        let router = Router::new().route(
            "/",
            get(move || async move {
                told.cancel();
                tokio::time::sleep(call).await;
                "done"
            }),
        );
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let since = std::time::Instant::now();
        let served = async {
            let bounds = Bounds {
                connections: 8,
                grace,
            };
            serve(None, listener, router, bounds, shutdown).await;
            since.elapsed()
        };
        let mut answer = String::new();
        let heard = async {
            // What is left of a call dies with the process, and not here.
            let read = client.read_to_string(&mut answer);
            let _ = tokio::time::timeout(Duration::from_secs(1), read).await;
        };
        let (took, ()) = tokio::join!(served, heard);
        (answer, took)
    }

    #[tokio::test]
    async fn who_is_told_to_stop_ends_the_calls_that_run_but_waits_only_so_long() {
        let (short, long) = (Duration::from_millis(100), Duration::from_secs(30));
        let (answer, took) = stopped_during(short, long).await;
        assert!(answer.ends_with("done"), "{answer}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        let (answer, took) = stopped_during(long, short).await;
        assert!(answer.is_empty(), "{answer}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_cut_off() {
        let (_client, conversation) = asked_for_much().await;
        let since = Instant::now();
        let ended = tokio::time::timeout(STALL * 4, conversation).await;
        assert!(ended.expect("an end").is_err());
        assert!(since.elapsed() < STALL * 2, "{:?}", since.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_gets_its_whole_answer() {
        let (mut client, conversation) = asked_for_much().await;
        let reading = async {
            let (mut got, mut piece) = (0, [0; 64 << 10]);
            loop {
                tokio::time::sleep(STALL / 2).await;
                match client.read(&mut piece).await.unwrap() {
                    0 => return got,
                    read => got += read,
                }
            }
        };
        let (got, ended) = tokio::join!(reading, conversation);
        assert!(got > 1 << 20, "{got}");
        assert!(ended.is_ok(), "{ended:?}");
    }
}
