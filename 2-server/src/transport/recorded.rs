//! A transport with one caller for its whole life, such as stdio: each message that comes in begins
//! an [`Exchange`], and each answer that goes out is noted in it.

use std::collections::HashMap;

use rmcp::{
    RoleServer, ServerHandler,
    model::{
        ClientJsonRpcMessage, ClientNotification, GetExtensions as _, JsonRpcMessage, RequestId,
        ServerJsonRpcMessage,
    },
    transport::Transport,
};

use crate::interceptor::{Exchange, Guard, Outcome, Peer, Principal};

/// How many unanswered requests are followed to their answer. Those beyond it are recorded too,
/// only without the reason.
const MAX_FOLLOWED: usize = 1024;

/// Any rmcp transport, whose messages each leave a record.
pub struct RecordedTransport<T, H: ServerHandler> {
    inner: T,
    guard: Guard<H>,
    name: &'static str,
    caller: Principal,
    peer: Peer,
    followed: HashMap<RequestId, Exchange>,
    has_begun: bool,
}

impl<T, H: ServerHandler> RecordedTransport<T, H> {
    /// Wraps a transport of this caller, which [`Guard::sign_in`] gave; `name` is the transport's,
    /// for the record.
    pub fn new(
        inner: T,
        guard: Guard<H>,
        name: &'static str,
        caller: Principal,
        peer: Peer,
    ) -> Self {
        Self {
            inner,
            guard,
            name,
            caller,
            peer,
            followed: HashMap::new(),
            has_begun: false,
        }
    }

    fn on_inbound(&mut self, message: &mut ClientJsonRpcMessage) {
        let Some(method) = method(message) else {
            return; // an answer to what the server asked
        };
        // What is cancelled gets no answer, so it is followed no longer.
        if let JsonRpcMessage::Notification(note) = message
            && let ClientNotification::CancelledNotification(cancelled) = &note.notification
            && let Some(id) = &cancelled.params.request_id
        {
            self.followed.remove(id);
        }
        let exchange = self.guard.begin(self.name, self.peer);
        exchange.signed_in(self.caller.clone());
        exchange.asks(method);
        message.insert_extension(exchange.clone());
        if let JsonRpcMessage::Request(request) = message
            && self.followed.len() < MAX_FOLLOWED
        {
            self.followed.insert(request.id.clone(), exchange);
        }
    }

    /// Whether a message is one to begin with. Any other would end the conversation, so it is left
    /// out: nothing has been asked that it could answer, and a notification gets no answer.
    fn begins(&mut self, message: &ClientJsonRpcMessage) -> bool {
        if self.has_begun || matches!(message, JsonRpcMessage::Request(_)) {
            self.has_begun = true;
            return true;
        }
        tracing::warn!(
            transport = self.name,
            "the first message is no request, and was left out: begin with initialize, or server/discover"
        );
        if let JsonRpcMessage::Notification(note) = message
            && let Some(exchange) = Exchange::of(note.notification.extensions())
        {
            exchange.answered(Outcome::Rejected, "a conversation begins with a request");
        }
        false
    }

    /// Notes an answer, and gives its exchange, which lasts until the answer is out.
    fn on_outbound(&mut self, message: &ServerJsonRpcMessage) -> Option<Exchange> {
        let (id, outcome, reason) = match message {
            JsonRpcMessage::Response(response) => (Some(&response.id), Outcome::Success, ""),
            JsonRpcMessage::Error(error) => {
                (error.id.as_ref(), Outcome::Rejected, &*error.error.message)
            }
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => return None,
        };
        let exchange = self.followed.remove(id?)?;
        exchange.answered(outcome, reason);
        Some(exchange)
    }
}

fn method(message: &ClientJsonRpcMessage) -> Option<String> {
    match message {
        JsonRpcMessage::Request(request) => Some(request.request.method().to_owned()),
        JsonRpcMessage::Notification(note) => Some(match &note.notification {
            ClientNotification::CancelledNotification(_) => "notifications/cancelled".to_owned(),
            ClientNotification::ProgressNotification(_) => "notifications/progress".to_owned(),
            ClientNotification::InitializedNotification(_) => {
                "notifications/initialized".to_owned()
            }
            ClientNotification::RootsListChangedNotification(_) => {
                "notifications/roots/list_changed".to_owned()
            }
            ClientNotification::CustomNotification(custom) => custom.method.clone(),
            _ => "notifications/(unknown)".to_owned(),
        }),
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => None,
    }
}

impl<T: Transport<RoleServer>, H: ServerHandler> Transport<RoleServer> for RecordedTransport<T, H> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        let held = self.on_outbound(&message);
        let sending = self.inner.send(message);
        async move {
            let _held = held;
            sending.await
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            let mut message = self.inner.receive().await?;
            self.on_inbound(&mut message);
            if self.begins(&message) {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> Result<(), T::Error> {
        self.inner.close().await
    }
}
