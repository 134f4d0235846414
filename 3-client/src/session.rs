//! One connection to one server: everything that touches the network goes through here.
//!
//! A call can be watched (its progress arrives in the order of the wire) and cancelled (the server is
//! told: by closing the response, or by `notifications/cancelled` in the older protocols).

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig,
    ClientRequest, CompleteRequest, CompleteRequestParams, GetExtensions, GetPromptRequest,
    GetPromptRequestParams, Implementation, ProtocolVersion, ReadResourceRequest,
    ReadResourceRequestParams, Reference, ResourceContents, ServerResult,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, NotificationContext, Peer, PeerRequestOptions,
    RunningService, ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig, StreamableHttpError,
};
use rmcp::{ClientHandler, transport::DynamicTransportError};
use serde_json::{Map, Value};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::{Endpoint, Limits, Protocol, ServerConfig};
use crate::failure::Failure;
use crate::http::{BuildError, HttpClient, HttpError, MAX_MESSAGE};
use crate::tap::{Progress, ProgressSink, Tap};
use crate::untrusted::label;
use crate::wire::WireLog;

mod convert;
mod lists;
mod sse;
mod stdio;

/// Progress held between the wire and whoever reads it.
const PROGRESS_QUEUE: usize = 256;

/// What a tool gave back.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ToolResult {
    /// Its text, parts joined; other parts are described in brackets.
    pub text: String,
    /// Its structured content.
    pub structured: Option<Value>,
    /// The tool itself reports a failure.
    pub is_error: bool,
}

/// What a prompt gave back.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptText {
    /// What it is, in the server's words.
    pub description: String,
    /// Roles and texts.
    pub messages: Vec<(String, String)>,
}

struct Handler {
    changed: Arc<Notify>,
    version: ProtocolVersion,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let about = Implementation::new("mcp-client", env!("CARGO_PKG_VERSION"))
            .with_title("Learn MCP, in Rust: client");
        ClientConfig::new(ClientCapabilities::default(), about)
            .with_protocol_version(self.version.clone())
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }

    async fn on_resource_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }

    async fn on_prompt_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}

/// A live connection.
pub struct Session {
    peer: Peer<RoleClient>,
    service: tokio::sync::Mutex<Option<RunningService<RoleClient, Handler>>>,
    limits: Limits,
    changed: Arc<Notify>,
    _child: Option<stdio::Stderr>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Connects and agrees on a protocol version.
    ///
    /// # Errors
    /// A [`Failure`] that says whether nobody answered, the key was refused, or the server is no MCP server.
    pub async fn connect(
        server: &ServerConfig,
        limits: Limits,
        wire: &WireLog,
    ) -> Result<Self, Failure> {
        let name: Arc<str> = server.name.as_str().into();
        let (lifecycle, version) = lifecycle(&server.protocol);
        let changed = Arc::new(Notify::new());
        let handler = Handler {
            changed: changed.clone(),
            version,
        };
        let (service, child) = match &server.endpoint {
            Endpoint::Http(url) => {
                let http = HttpClient::new(name, url, server.key.as_ref(), wire.clone())
                    .map_err(|e| build_failure(&e))?;
                let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                    .max_sse_event_size(MAX_MESSAGE)
                    // A session that the server forgot is opened again by `link.rs`, in the open: lists
                    // are read again and the person is told, instead of a call repeated behind their back.
                    .reinit_on_expired_session(false);
                let mut retry = ExponentialBackoff::default();
                retry.max_times = Some(3);
                retry.base_duration = Duration::from_millis(250);
                config.retry_config = Arc::new(retry);
                let transport = Tap::new(
                    StreamableHttpClientTransport::with_client(http, config),
                    None,
                );
                (
                    bounded(
                        limits,
                        serve_client_with_lifecycle(handler, transport, lifecycle),
                    )
                    .await?,
                    None,
                )
            }
            Endpoint::Sse(url) => {
                let http = HttpClient::new(name, url, server.key.as_ref(), wire.clone())
                    .map_err(|e| build_failure(&e))?;
                let opened =
                    tokio::time::timeout(limits.request(), sse::LegacySse::open(http, url)).await;
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
                let transport = Tap::new(transport, Some((name, wire.clone())));
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
            changed,
            _child: child,
        })
    }

    /// Resolves when the server says that one of its lists changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether the connection is gone. A stateless HTTP server has none to lose.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.peer.is_transport_closed()
    }

    /// Says goodbye, within two seconds.
    pub async fn close(&self) {
        if let Some(mut service) = self.service.lock().await.take() {
            let _ = service.close_with_timeout(Duration::from_secs(2)).await;
        }
    }

    /// Sends one request, passes its progress on in order, and cancels it when asked to.
    ///
    /// `patience` is how long the server may be silent; each progress message starts it anew.
    async fn request(
        &self,
        mut request: ClientRequest,
        progress: Option<&mpsc::Sender<Progress>>,
        patience: Duration,
        cancel: &CancellationToken,
    ) -> Result<ServerResult, Failure> {
        let (sink, mut pieces) = mpsc::channel(PROGRESS_QUEUE);
        if progress.is_some() {
            request.extensions_mut().insert(ProgressSink(sink.clone()));
        }
        let mut handle = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Failure::Cancelled),
            handle = self.peer.send_cancellable_request(request, PeerRequestOptions::no_options()) => handle.map_err(|e| convert::service_failure(&e))?,
        };
        let silence = tokio::time::sleep(patience);
        tokio::pin!(silence);
        let result = loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    let _ = handle.cancel(Some("the person stopped it".into())).await;
                    return Err(Failure::Cancelled);
                }
                Some(piece) = pieces.recv() => {
                    silence.as_mut().reset(tokio::time::Instant::now() + patience);
                    if let Some(progress) = progress {
                        let _ = progress.send(piece).await;
                    }
                }
                answer = &mut handle.rx => break answer,
                () = &mut silence => {
                    let _ = handle.cancel(Some("no sign of life".into())).await;
                    return Err(Failure::TimedOut(patience));
                }
            }
        };
        // What was on the wire before the answer is in the queue by now, and belongs before the answer.
        while let (Ok(piece), Some(progress)) = (pieces.try_recv(), progress) {
            let _ = progress.send(piece).await;
        }
        result
            .unwrap_or(Err(ServiceError::TransportClosed))
            .map_err(|e| convert::service_failure(&e))
    }

    /// A request without progress, within the time for lists.
    async fn ask(&self, request: ClientRequest) -> Result<ServerResult, Failure> {
        self.request(
            request,
            None,
            self.limits.request(),
            &CancellationToken::new(),
        )
        .await
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// A [`Failure`]; a tool that ran and failed is no error but a result with `is_error`.
    pub async fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        progress: Option<&mpsc::Sender<Progress>>,
        cancel: &CancellationToken,
    ) -> Result<ToolResult, Failure> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        match self.request(request, progress, self.limits.silence(), cancel).await? {
            ServerResult::CallToolResult(result) => Ok(convert::tool_result(result)),
            // A result of nothing but fields of the server's own.
            ServerResult::CustomResult(value) => Ok(convert::tool_result(CallToolResult::structured(value.0))),
            ServerResult::InputRequiredResult(_) => Err(Failure::Protocol("the tool asks for more input in the middle of the call, which this client can't give".into())),
            ServerResult::CreateTaskResult(_) => Err(Failure::Protocol("the tool answers with a task to poll, which this client can't follow".into())),
            _ => Err(Failure::Protocol("not the result of a tool call".into())),
        }
    }

    /// Reads a resource as text; binary parts are described.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn read(&self, uri: &str, cancel: &CancellationToken) -> Result<String, Failure> {
        let request = ClientRequest::ReadResourceRequest(ReadResourceRequest::new(
            ReadResourceRequestParams::new(uri),
        ));
        let ServerResult::ReadResourceResult(result) = self
            .request(request, None, self.limits.silence(), cancel)
            .await?
        else {
            return Err(Failure::Protocol("not a resource".into()));
        };
        let parts = result.contents.into_iter().map(|part| match part {
            ResourceContents::TextResourceContents { text, .. } => text,
            ResourceContents::BlobResourceContents {
                mime_type, blob, ..
            } => {
                format!(
                    "[{} bytes of {}]",
                    blob.len() / 4 * 3,
                    mime_type.as_deref().unwrap_or("binary data")
                )
            }
            _ => "[a part of a kind that this client doesn't know]".to_owned(),
        });
        Ok(parts.collect::<Vec<_>>().join("\n"))
    }

    /// Fills in a prompt.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn prompt(
        &self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<PromptText, Failure> {
        let request = ClientRequest::GetPromptRequest(GetPromptRequest::new(
            GetPromptRequestParams::new(name).with_arguments(arguments),
        ));
        match self.ask(request).await? {
            ServerResult::GetPromptResult(result) => Ok(convert::prompt_text(result)),
            _ => Err(Failure::Protocol("not a prompt".into())),
        }
    }

    /// Asks the server to complete a prompt's argument.
    ///
    /// # Errors
    /// A [`Failure`]; many servers don't offer completion.
    pub async fn complete(
        &self,
        prompt: &str,
        argument: &str,
        typed: &str,
    ) -> Result<Vec<String>, Failure> {
        let argument =
            serde_json::from_value(serde_json::json!({"name": argument, "value": typed}))
                .map_err(|e| Failure::Here(e.to_string()))?;
        let request = ClientRequest::CompleteRequest(CompleteRequest::new(
            CompleteRequestParams::new(Reference::for_prompt(prompt), argument),
        ));
        match self.ask(request).await? {
            ServerResult::CompleteResult(result) => {
                Ok(result.completion.values.into_iter().take(100).collect())
            }
            _ => Err(Failure::Protocol("not a completion".into())),
        }
    }
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

/// Finds this client's own error inside rmcp's.
fn transport_failure(error: &DynamicTransportError) -> Failure {
    match error.error.downcast_ref::<StreamableHttpError<HttpError>>() {
        Some(error) => http_failure(error),
        // A child process whose pipe is gone.
        None => Failure::Lost,
    }
}

fn http_failure(error: &StreamableHttpError<HttpError>) -> Failure {
    match error {
        StreamableHttpError::Client(HttpError::Refused(failure)) => failure.clone(),
        StreamableHttpError::Client(error @ HttpError::Request(source)) if source.is_connect() => {
            Failure::Away(error.to_string())
        }
        StreamableHttpError::Client(HttpError::Request(_))
        | StreamableHttpError::Sse(_)
        | StreamableHttpError::UnexpectedEndOfStream
        | StreamableHttpError::TransportChannelClosed => Failure::Lost,
        StreamableHttpError::SessionExpired => Failure::SessionExpired,
        other => Failure::Protocol(label(&other.to_string(), 200)),
    }
}
