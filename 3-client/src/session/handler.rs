//! What the server may say of its own accord: that something changed, or a question to the person.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationCapability, FormElicitationCapability, Implementation, ProtocolVersion,
    ResourceUpdatedNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ClientHandler, ErrorData, RoleClient};
use tokio::sync::mpsc;

use super::question::{self, Asker};
use super::watch::News;

pub(super) struct Handler {
    pub(super) news: News,
    pub(super) version: ProtocolVersion,
    pub(super) server: Arc<str>,
    /// How long a person may take to answer.
    pub(super) patience: Duration,
    pub(super) asker: Option<Asker>,
    /// Where the person hears of what was declined in their place.
    pub(super) declined: mpsc::Sender<String>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let about = Implementation::new("mcp-client", env!("CARGO_PKG_VERSION"))
            .with_title("Learn MCP, in Rust: client");
        let mut capabilities = ClientCapabilities::default();
        if self.asker.is_some() {
            // Forms only: an address to open in a browser is no business of a terminal's.
            capabilities.elicitation =
                Some(ElicitationCapability::new().with_form(FormElicitationCapability::new()));
        }
        ClientConfig::new(capabilities, about).with_protocol_version(self.version.clone())
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        if !question::can_be_asked(&self.asker, &request) {
            // Before the answer leaves: whoever waits for the call hears of it first. More than fit
            // into the queue are told to nobody, and are on the wire.
            let _ = self
                .declined
                .try_send(question::declined(&self.asker, &request));
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        }
        let asking = question::ask(&self.asker, &self.server, &request, self.patience);
        tokio::select! {
            result = asking => Ok(result),
            // The server no longer wants to know; dropping the question takes it off the screen.
            () = context.ct.cancelled() => Ok(question::dismissed()),
        }
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.news.lists_changed();
    }

    async fn on_resource_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.news.lists_changed();
    }

    async fn on_prompt_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.news.lists_changed();
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.news.updated(params.uri);
    }
}
