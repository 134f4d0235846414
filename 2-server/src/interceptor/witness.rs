//! A transport under observation: each message that comes in gets its caller and its [`Ticket`],
//! and each answer that goes out tells the ticket how it went.
//!
//! It goes around any rmcp transport that has one caller for its whole life, such as stdio.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
    },
    transport::Transport,
};

use super::{
    audit::{Journal, Outcome},
    authenticate::Principal,
    call::Arrival,
    ticket::Ticket,
};

/// How many unanswered requests are followed to their answer. Those beyond it are recorded too,
/// only without the reason.
const MAX_FOLLOWED: usize = 1024;

/// A transport whose messages each leave a record.
pub struct Witness<T> {
    inner: T,
    arrival: Arrival,
    journal: Arc<Journal>,
    followed: HashMap<RequestId, Ticket>,
}

impl<T> Witness<T> {
    /// Observes a transport of this caller; `name` is the transport's, for the record.
    pub fn new(
        inner: T,
        name: &'static str,
        caller: Principal,
        address: Option<IpAddr>,
        journal: Arc<Journal>,
    ) -> Self {
        let mut arrival = Arrival::new(name, Some(caller));
        arrival.address = address;
        Self {
            inner,
            arrival,
            journal,
            followed: HashMap::new(),
        }
    }

    fn meet(&mut self, message: &mut ClientJsonRpcMessage) {
        let Some(method) = method(message) else {
            return; // an answer to what the server asked
        };
        let ticket = Ticket::new(
            Arc::clone(&self.journal),
            self.arrival.principal.as_ref(),
            self.arrival.address,
            self.arrival.transport,
            move || method.clone(),
        );
        let mut arrival = self.arrival.clone();
        arrival.ticket = Some(ticket.clone());
        message.insert_extension(arrival);
        if let JsonRpcMessage::Request(request) = message {
            if self.followed.len() >= MAX_FOLLOWED {
                // Cancelled calls never get an answer; the pipeline has recorded them.
                self.followed.retain(|_, ticket| !ticket.is_taken());
            }
            if self.followed.len() < MAX_FOLLOWED {
                self.followed.insert(request.id.clone(), ticket);
            }
        }
    }

    fn hear(&mut self, message: &ServerJsonRpcMessage) {
        let (id, outcome, reason) = match message {
            JsonRpcMessage::Response(response) => (Some(&response.id), Outcome::Success, ""),
            JsonRpcMessage::Error(error) => {
                (error.id.as_ref(), Outcome::Rejected, &*error.error.message)
            }
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => return,
        };
        if let Some(ticket) = id.and_then(|id| self.followed.remove(id)) {
            ticket.answered(outcome, reason);
        }
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

impl<T: Transport<RoleServer>> Transport<RoleServer> for Witness<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        self.hear(&message);
        self.inner.send(message)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let mut message = self.inner.receive().await?;
        self.meet(&mut message);
        Some(message)
    }

    async fn close(&mut self) -> Result<(), T::Error> {
        self.inner.close().await
    }
}
