//! One connection to one server: everything that touches the network goes through here.
//!
//! A call can be watched (its progress arrives in the order of the wire) and cancelled (the server is
//! told: by closing the response, or by `notifications/cancelled` in the older protocols).

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, CompleteRequest,
    CompleteRequestParams, GetExtensions, GetPromptRequest, GetPromptRequestParams,
    ReadResourceRequest, ReadResourceRequestParams, Reference, ResourceContents, ServerResult,
};
use rmcp::service::{Peer, PeerRequestOptions, RunningService, ServiceError};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::failure::Failure;
use crate::http::{Cut, MAX_MESSAGE, too_large};
use crate::tap::{Progress, ProgressSink};

mod connect;
mod convert;
mod failure;
mod handler;
mod lists;
pub mod question;
mod sse;
mod stdio;
mod watch;

pub use watch::Updates;

/// Progress held between the wire and whoever reads it.
const PROGRESS_QUEUE: usize = 256;
/// How often a server may answer one call with a question.
const MAX_QUESTIONS: usize = 10;
/// Questions that were declined unasked and that the person hasn't heard of yet.
const DECLINED_QUEUE: usize = 16;

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

/// What a half-typed argument belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completing {
    /// A prompt, by name.
    Prompt(String),
    /// A resource template, by its URI.
    Template(String),
}

/// A live connection.
pub struct Session {
    peer: Peer<RoleClient>,
    service: tokio::sync::Mutex<Option<RunningService<RoleClient, handler::Handler>>>,
    limits: Limits,
    news: watch::News,
    name: Arc<str>,
    asker: Option<question::Asker>,
    cut: Cut,
    declined: tokio::sync::Mutex<mpsc::Receiver<String>>,
    _child: Option<stdio::Stderr>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Whether the connection is gone. A stateless HTTP server has none to lose.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.peer.is_transport_closed()
    }

    /// Resolves when a question of the server's was declined because nobody could be asked: what it
    /// asked, and what to do, on one line. In the newest protocol such a call fails instead, and says so.
    pub async fn declined(&self) -> String {
        match self.declined.lock().await.recv().await {
            Some(told) => told,
            // The connection is over, and no more will be asked.
            None => std::future::pending().await,
        }
    }

    /// Says goodbye, within two seconds.
    pub async fn close(&self) {
        if let Some(mut service) = self.service.lock().await.take() {
            let _ = service.close_with_timeout(Duration::from_secs(2)).await;
        }
    }

    /// Sends one request, passes its progress on in order, and cancels it when asked to.
    ///
    /// `patience` is how long the server may be silent; each progress message starts it again. However
    /// many come, there is an end, in time and in size.
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
        let id = handle.id.clone();
        let silence = tokio::time::sleep(patience);
        let end = tokio::time::sleep(self.limits.answer());
        tokio::pin!(silence, end);
        let mut size = 0;
        let result = loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    let _ = handle.cancel(Some("the person stopped it".into())).await;
                    return Err(Failure::Cancelled);
                }
                Some(piece) = pieces.recv() => {
                    silence.as_mut().reset(tokio::time::Instant::now() + patience);
                    size += piece.text.len();
                    if size > MAX_MESSAGE {
                        let _ = handle.cancel(Some("the answer is too long".into())).await;
                        return Err(too_large());
                    }
                    if let Some(progress) = progress {
                        let _ = progress.send(piece).await;
                    }
                }
                answer = &mut handle.rx => break answer,
                () = &mut end => {
                    let _ = handle.cancel(Some("no end of it".into())).await;
                    return Err(Failure::TooMuch(format!(
                        "no end of it within {} s (limits.answer_secs), though the server kept giving signs of life",
                        self.limits.answer_secs
                    )));
                }
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
        let cut = self.cut.take(&id);
        result
            .unwrap_or(Err(ServiceError::TransportClosed))
            .map_err(|e| cut.unwrap_or_else(|| convert::service_failure(&e)))
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
        let mut params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        for _ in 0..MAX_QUESTIONS {
            let request = ClientRequest::CallToolRequest(CallToolRequest::new(params.clone()));
            match self
                .request(request, progress, self.limits.silence(), cancel)
                .await?
            {
                ServerResult::CallToolResult(result) => return Ok(convert::tool_result(result)),
                // A result of nothing but fields of the server's own.
                ServerResult::CustomResult(value) => {
                    return Ok(convert::tool_result(CallToolResult::structured(value.0)));
                }
                ServerResult::InputRequiredResult(wanted) => {
                    // Boxed: asking is rare, and its state would make every call larger.
                    let answers = Box::pin(self.answer(wanted, cancel)).await?;
                    (params.input_responses, params.request_state) = answers;
                }
                ServerResult::CreateTaskResult(_) => {
                    return Err(Failure::Protocol(
                        "the tool answers with a task to poll, which this client can't follow"
                            .into(),
                    ));
                }
                _ => return Err(Failure::Protocol("not the result of a tool call".into())),
            }
        }
        Err(Failure::Protocol(format!(
            "the tool asked {MAX_QUESTIONS} times in one call; no more is answered"
        )))
    }

    /// Reads a resource as text; binary parts are described.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn read(&self, uri: &str, cancel: &CancellationToken) -> Result<String, Failure> {
        let request = ClientRequest::ReadResourceRequest(ReadResourceRequest::new(
            ReadResourceRequestParams::new(uri),
        ));
        let result = match self
            .request(request, None, self.limits.silence(), cancel)
            .await?
        {
            ServerResult::ReadResourceResult(result) => result,
            ServerResult::InputRequiredResult(wanted) => {
                return Err(question::unanswered(&wanted));
            }
            _ => return Err(Failure::Protocol("not a resource".into())),
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
            ServerResult::InputRequiredResult(wanted) => Err(question::unanswered(&wanted)),
            _ => Err(Failure::Protocol("not a prompt".into())),
        }
    }

    /// Asks the server how a half-typed argument might go on.
    ///
    /// # Errors
    /// A [`Failure`]; many servers don't offer completion.
    pub async fn complete(
        &self,
        of: &Completing,
        argument: &str,
        typed: &str,
    ) -> Result<Vec<String>, Failure> {
        let argument =
            serde_json::from_value(serde_json::json!({"name": argument, "value": typed}))
                .map_err(|e| Failure::Here(e.to_string()))?;
        let of = match of {
            Completing::Prompt(name) => Reference::for_prompt(name),
            Completing::Template(uri) => Reference::for_resource(uri),
        };
        let params = CompleteRequestParams::new(of, argument);
        let request = ClientRequest::CompleteRequest(CompleteRequest::new(params));
        match self.ask(request).await? {
            ServerResult::CompleteResult(result) => {
                Ok(result.completion.values.into_iter().take(100).collect())
            }
            _ => Err(Failure::Protocol("not a completion".into())),
        }
    }
}
