//! Opening a connection: three transports, both lifecycles, and why it didn't work.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::ProtocolVersion;
use rmcp::service::{ClientInitializeError, ClientLifecycleMode, serve_client_with_lifecycle};
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
};
use serde_json::Value;

use super::handler::Handler;
use super::question::Asker;
use super::watch::News;
use super::{Session, convert, sse, stdio};
use crate::config::{Endpoint, Limits, Protocol, ServerConfig};
use crate::failure::Failure;
use crate::http::{BuildError, Cut, HttpClient, MAX_MESSAGE};
use crate::tap::Tap;
use crate::wire::WireLog;

impl Session {
    /// Connects and agrees on a protocol version. Nobody is there to answer a server's questions.
    ///
    /// # Errors
    /// A [`Failure`] that says whether nobody answered, the key was refused, or the server is no MCP server.
    pub async fn connect(
        server: &ServerConfig,
        limits: Limits,
        wire: &WireLog,
    ) -> Result<Self, Failure> {
        Self::connect_asking(server, limits, wire, None).await
    }

    /// The same; what the server asks the person in the middle of a call goes to `asker`.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub async fn connect_asking(
        server: &ServerConfig,
        limits: Limits,
        wire: &WireLog,
        asker: Option<Asker>,
    ) -> Result<Self, Failure> {
        // Also here, where the key leaves: a configuration may come from elsewhere than a file.
        server.check_key().map_err(Failure::Here)?;
        let name: Arc<str> = server.name.as_str().into();
        let (lifecycle, version) = lifecycle(&server.protocol);
        let news = News::default();
        let (declined, unasked) = tokio::sync::mpsc::channel(super::DECLINED_QUEUE);
        let handler = Handler {
            news: news.clone(),
            version,
            server: name.clone(),
            patience: limits.silence(),
            asker: asker.clone(),
            declined,
        };
        let cut = Cut::default();
        let http = |url: &str| {
            HttpClient::new(name.clone(), url, server.key.as_ref(), wire.clone())
                .map(|client| client.noting(cut.clone()))
                .map_err(|e| build_failure(&e))
        };
        let (service, child) = match &server.endpoint {
            Endpoint::Http(url) => {
                let transport = Tap::new(streamable(http(url)?, url), None);
                let connect = serve_client_with_lifecycle(handler, transport, lifecycle);
                (bounded(limits, connect).await?, None)
            }
            Endpoint::Sse(url) => {
                let opened =
                    tokio::time::timeout(limits.request(), sse::LegacySse::open(http(url)?, url))
                        .await;
                let transport = Tap::new(
                    opened.map_err(|_| Failure::TimedOut(limits.request()))??,
                    None,
                );
                // This transport was given up with 2024-11-05; asking for anything newer is noise.
                let handler = Handler {
                    version: ProtocolVersion::V_2024_11_05,
                    ..handler
                };
                let connect = serve_client_with_lifecycle(
                    handler,
                    transport,
                    ClientLifecycleMode::Initialize,
                );
                (bounded(limits, connect).await?, None)
            }
            Endpoint::Stdio { command, args, env } => {
                let (transport, mut stderr) = stdio::spawn(command, args, env)?;
                let transport = Tap::new(transport, Some((name.clone(), wire.clone())));
                let connect = serve_client_with_lifecycle(handler, transport, lifecycle);
                match bounded(limits, connect).await {
                    Ok(service) => (service, Some(stderr)),
                    Err(failure) => return Err(stderr.explain(failure).await),
                }
            }
        };
        Ok(Self {
            peer: service.peer().clone(),
            service: tokio::sync::Mutex::new(Some(service)),
            limits,
            news,
            name,
            asker,
            cut,
            declined: tokio::sync::Mutex::new(unasked),
            _child: child,
        })
    }
}

fn streamable(http: HttpClient, url: &str) -> StreamableHttpClientTransport<HttpClient> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(url)
        .max_sse_event_size(MAX_MESSAGE)
        // A session that the server forgot is opened again by `link.rs`, in the open: lists
        // are read again and the person is told, instead of a call repeated behind their back.
        .reinit_on_expired_session(false);
    let mut retry = ExponentialBackoff::default();
    retry.max_times = Some(3);
    retry.base_duration = Duration::from_millis(250);
    config.retry_config = Arc::new(retry);
    StreamableHttpClientTransport::with_client(http, config)
}

/// How to open the conversation, and the version that an `initialize` offers.
fn lifecycle(protocol: &Protocol) -> (ClientLifecycleMode, ProtocolVersion) {
    match protocol {
        Protocol::Auto => {
            let (preferred_versions, legacy) = (
                vec![ProtocolVersion::V_2026_07_28],
                ProtocolVersion::V_2025_11_25,
            );
            (
                ClientLifecycleMode::Auto {
                    preferred_versions,
                    legacy_version: Some(legacy.clone()),
                },
                legacy,
            )
        }
        Protocol::Version(text) => {
            let version: ProtocolVersion =
                serde_json::from_value(Value::String(text.clone())).unwrap_or_default();
            if version >= ProtocolVersion::NO_INITIALIZE {
                (
                    ClientLifecycleMode::Discover {
                        preferred_versions: vec![version.clone()],
                    },
                    version,
                )
            } else {
                (ClientLifecycleMode::Initialize, version)
            }
        }
    }
}

fn build_failure(error: &BuildError) -> Failure {
    Failure::Here(error.to_string())
}

async fn bounded<T>(
    limits: Limits,
    connect: impl Future<Output = Result<T, ClientInitializeError>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limits.request(), connect).await {
        Ok(connected) => connected.map_err(|e| convert::connect_failure(&e)),
        Err(_) => Err(Failure::TimedOut(limits.request())),
    }
}
