//! A handler that changes every 50 ms while clients of both lifecycles list, call and listen.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mcp_server::{
    interceptor::{Catalogue, Scope},
    transport::HttpSettings,
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::*,
    service::{NotificationContext, Peer, RequestContext, SubscriptionContext},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{Server, Wire, next};

const EVERY: Duration = Duration::from_millis(50);

/// Offers one tool, one resource and one prompt, each named by a number that grows. Even numbers
/// may be used by everybody who may echo, odd ones by nobody else than `ada`.
#[derive(Clone)]
struct Live {
    catalogue: Catalogue,
    number: watch::Sender<u64>,
    sessions: Arc<Mutex<Vec<Peer<RoleServer>>>>,
    called: Arc<AtomicU64>,
}

impl Live {
    fn new(catalogue: Catalogue) -> Self {
        let live = Self {
            catalogue,
            number: watch::Sender::new(0),
            sessions: Arc::default(),
            called: Arc::default(),
        };
        live.become_number(0);
        live
    }

    fn become_number(&self, number: u64) {
        let scope = if number.is_multiple_of(2) {
            "tools:util:echo"
        } else {
            "tools:util:odd"
        };
        let scope = Scope::parse(scope).unwrap();
        let now = Catalogue::new().tool(&format!("tool-{number}"), scope);
        self.catalogue.replace(&now);
        self.number.send_replace(number);
    }

    /// Changes again and again, and says so.
    async fn change(self) {
        for number in 1.. {
            tokio::time::sleep(EVERY).await;
            self.become_number(number);
            let sessions = self.sessions.lock().unwrap().clone();
            for session in sessions {
                let _ = session.notify_tool_list_changed().await;
            }
        }
    }

    fn number(&self) -> u64 {
        *self.number.borrow()
    }
}

impl ServerHandler for Live {
    fn get_info(&self) -> ServerConfig {
        let can = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_prompts();
        ServerConfig::new(can.build())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({ "type": "object" }).as_object().unwrap().clone();
        let name = format!("tool-{}", self.number());
        let tool = Tool::new(name, "a tool", Arc::new(schema));
        Ok(ListToolsResult::with_all_items(vec![tool]))
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let uri = format!("live://{}", self.number());
        let resource = Resource::new(uri, "a resource");
        Ok(ListResourcesResult::with_all_items(vec![resource]))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.called.fetch_add(1, Ordering::SeqCst);
        let said = vec![ContentBlock::text(params.name.into_owned())];
        Ok(CallToolResult::success(said).into())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.sessions.lock().unwrap().push(context.peer);
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut number = self.number.subscribe();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                changed = number.changed() => if changed.is_err() { return Ok(()) },
            }
            let _ = context.sink().notify_tool_list_changed().await;
        }
    }
}

async fn live() -> (Live, Server) {
    let catalogue = Catalogue::new();
    let live = Live::new(catalogue.clone());
    let server = Server::guarding(
        live.clone(),
        // The one arm.
        |it| it.catalogue(catalogue),
        HttpSettings::default(),
    )
    .await;
    (live, server)
}

/// The tool that a caller sees.
async fn seen(client: &Wire) -> Option<String> {
    let listed = client.request("tools/list", json!({})).await;
    let name = &listed.result()["tools"][0]["name"];
    name.as_str().map(str::to_owned)
}

#[tokio::test]
async fn lists_and_scopes_follow_the_handler() {
    let (live, server) = live().await;
    let (ada, bob) = (server.client("ada"), server.client("bob"));
    for number in 0..6_u64 {
        live.become_number(number);
        let name = format!("tool-{number}");
        assert_eq!(seen(&ada).await.as_ref(), Some(&name));
        assert_eq!(ada.call(&name, json!({})).await.status, 200);
        let bobs = number.is_multiple_of(2);
        assert_eq!(seen(&bob).await.is_some(), bobs, "{number}");
        let status = if bobs { 200 } else { 403 };
        assert_eq!(bob.call(&name, json!({})).await.status, status, "{number}");
    }
}

#[tokio::test]
async fn clients_of_both_lifecycles_list_call_and_listen_while_it_changes() {
    let (live, server) = live().await;
    let (new, old) = (server.client("ada"), server.client("ada"));
    old.initialize("2025-06-18").await;
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let message = new.message("subscriptions/listen", wanted);
    let mut news = new.stream(message).await;
    let request = old
        .http
        .get(server.url())
        .bearer_auth("ada")
        .header("mcp-session-id", old.session().unwrap())
        .header("mcp-protocol-version", "2025-06-18")
        .header("accept", "text/event-stream");
    let mut older_news = Wire::events(request.send().await.unwrap());
    let changing = tokio::spawn(live.clone().change());
    let is_changed = |message: &Value| message["method"] == "notifications/tools/list_changed";
    let mut heard = [0, 0];
    while heard.iter().any(|times| *times < 3) {
        for (client, times, stream) in [
            (
                &new,
                0,
                &mut news as &mut (dyn futures_util::Stream<Item = Value> + Unpin),
            ),
            (&old, 1, &mut older_news),
        ] {
            let name = seen(client).await.expect("ada may use every tool");
            assert!(name.starts_with("tool-"), "{name}");
            let called = client.call(&name, json!({})).await;
            assert_eq!(called.result()["content"][0]["text"], name);
            let mut stream = stream;
            heard[times] += usize::from(is_changed(&next(&mut stream).await.unwrap()));
        }
    }
    changing.abort();
    assert!(live.called.load(Ordering::SeqCst) >= 6);
    let record = server.record();
    let calls = record.iter().filter(|line| line["method"] == "tools/call");
    assert!(calls.clone().count() >= 6);
    assert!(
        calls.into_iter().all(|line| line["outcome"] == "SUCCESS"),
        "whatever the handler offered at the time could be called"
    );
}
