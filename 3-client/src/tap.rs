//! A transport around a transport: keeps progress in order, and files what passes.
//!
//! rmcp hands each notification to a task of its own, so two deltas of one answer may overtake each
//! other, and the final result may overtake both. Text can't be put together like that. This wrapper
//! sees messages one by one, in the order of the wire, and passes progress on before rmcp sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::RoleClient;
use rmcp::model::{
    ClientJsonRpcMessage, GetExtensions, GetMeta, JsonRpcMessage, NotificationMetaObject,
    NumberOrString, ServerJsonRpcMessage, ServerNotification,
};
use rmcp::transport::Transport;
use tokio::sync::mpsc;

use crate::wire::{Direction, WireLog};

/// The key in a progress notification's `_meta` that says what its message is.
pub const KIND_KEY: &str = "learn-mcp/kind";

/// What a progress message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressKind {
    /// Waiting for a free slot; the text is the place in the queue.
    Queued,
    /// The model is being loaded.
    Loading,
    /// A piece of the model's thinking.
    Thinking,
    /// A piece of the answer. Progress without a kind counts as this.
    Content,
    /// The server itself calls a tool inside of the call; the text is the tool's name.
    Tool,
    /// Something that this client doesn't know: a sign of life, and never part of the answer.
    Other,
}

/// One progress notification of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What the text is.
    pub kind: ProgressKind,
    /// The piece of text.
    pub text: String,
}

/// Put into a request's extensions: where its progress goes.
#[derive(Clone)]
pub(crate) struct ProgressSink(pub(crate) mpsc::Sender<Progress>);

type Sinks = Arc<Mutex<HashMap<NumberOrString, mpsc::Sender<Progress>>>>;

fn lock(sinks: &Sinks) -> MutexGuard<'_, HashMap<NumberOrString, mpsc::Sender<Progress>>> {
    sinks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The wrapper. With `files`, it also records every message: for transports that have no HTTP side.
pub(crate) struct Tap<T> {
    inner: T,
    sinks: Sinks,
    files: Option<(Arc<str>, WireLog)>,
}

impl<T> Tap<T> {
    pub(crate) fn new(inner: T, files: Option<(Arc<str>, WireLog)>) -> Self {
        Self {
            inner,
            sinks: Sinks::default(),
            files,
        }
    }

    fn file<M: serde::Serialize>(&self, direction: Direction, message: &M) {
        if let Some((server, wire)) = &self.files
            && let Ok(text) = serde_json::to_string(message)
        {
            wire.record(server, direction, &text, None);
        }
    }

    /// The token is only known here, after rmcp chose it; registering it before the request leaves
    /// means that no delta can come too early.
    fn register(&self, message: &ClientJsonRpcMessage) {
        if let JsonRpcMessage::Request(request) = message
            && let Some(sink) = request.request.extensions().get::<ProgressSink>()
            && let Some(token) = request.request.get_meta().get_progress_token()
        {
            let mut sinks = lock(&self.sinks);
            // A finished call has dropped its receiver: the map holds calls in flight and no more.
            sinks.retain(|_, sink| !sink.is_closed());
            sinks.insert(token.0, sink.0.clone());
        }
    }

    /// Waits only on the sinks, so that the transport itself needn't be shareable.
    async fn pass_on(sinks: &Sinks, message: &ServerJsonRpcMessage) {
        let JsonRpcMessage::Notification(notification) = message else {
            return;
        };
        let ServerNotification::ProgressNotification(progress) = &notification.notification else {
            return;
        };
        let sink = lock(sinks).get(&progress.params.progress_token.0).cloned();
        let Some(sink) = sink else { return };
        let meta = progress
            .params
            .meta
            .as_ref()
            .or_else(|| progress.extensions.get::<NotificationMetaObject>());
        let kind = match meta.and_then(|m| m.get(KIND_KEY)).and_then(|k| k.as_str()) {
            Some("queued") => ProgressKind::Queued,
            Some("loading") => ProgressKind::Loading,
            Some("thinking") => ProgressKind::Thinking,
            Some("tool") => ProgressKind::Tool,
            Some("content") | None => ProgressKind::Content,
            Some(_) => ProgressKind::Other,
        };
        let text = progress.params.message.clone().unwrap_or_default();
        // Waiting here slows the server down instead of growing a queue. A receiver that is gone
        // means that nobody wants the text any more.
        let _ = sink.send(Progress { kind, text }).await;
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Tap<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.register(&item);
        self.file(Direction::Out, &item);
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        let message = self.inner.receive().await?;
        self.file(Direction::In, &message);
        Self::pass_on(&self.sinks, &message).await;
        Some(message)
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}
