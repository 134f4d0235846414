//! HTTP+SSE of 2024-11-05: one event stream for everything that comes in, a POST for each message
//! that goes out. Older servers still speak only this.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_client::{StreamableHttpClient as _, StreamableHttpError};
use tokio::sync::mpsc;

use super::failure::http_failure;
use crate::failure::Failure;
use crate::http::{HttpClient, HttpError};
use crate::untrusted::label;

/// Messages between the stream and whoever reads them.
const QUEUE: usize = 64;

/// The transport.
pub(super) struct LegacySse {
    http: HttpClient,
    endpoint: Arc<str>,
    inbox: mpsc::Receiver<ServerJsonRpcMessage>,
    reader: tokio::task::JoinHandle<()>,
}

impl LegacySse {
    /// Opens the stream and waits for the address to post to.
    pub(super) async fn open(http: HttpClient, url: &str) -> Result<Self, Failure> {
        let mut events = http
            .get_stream(url.into(), None, None, None, HashMap::new())
            .await
            .map_err(|e| http_failure(&e))?;
        let endpoint = loop {
            let event = events
                .next()
                .await
                .ok_or(Failure::Lost)?
                .map_err(|_| Failure::Lost)?;
            if event.event.as_deref() == Some("endpoint") {
                break same_origin(url, event.data.as_deref().unwrap_or_default())?;
            }
        };
        let (sender, inbox) = mpsc::channel(QUEUE);
        let reader = tokio::spawn(async move {
            while let Some(Ok(event)) = events.next().await {
                let Some(data) = event
                    .data
                    .filter(|_| event.event.as_deref().is_none_or(|e| e == "message"))
                else {
                    continue;
                };
                // What isn't a message of the protocol is on the wire log and nowhere else.
                let Ok(message) = serde_json::from_str(&data) else {
                    continue;
                };
                if sender.send(message).await.is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            http,
            endpoint: endpoint.as_str().into(),
            inbox,
            reader,
        })
    }
}

/// The server names the address itself, so it must be its own: the key goes there.
fn same_origin(url: &str, given: &str) -> Result<url::Url, Failure> {
    let base = url::Url::parse(url).map_err(|e| Failure::Here(e.to_string()))?;
    let endpoint = base
        .join(given)
        .map_err(|_| Failure::Protocol(format!("{} is no address to post to", label(given, 80))))?;
    if endpoint.origin() != base.origin() {
        return Err(Failure::Protocol(format!(
            "it wants messages posted to another host, {}; refused, because the key would go there",
            label(given, 80)
        )));
    }
    Ok(endpoint)
}

impl Drop for LegacySse {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Transport<RoleClient> for LegacySse {
    type Error = StreamableHttpError<HttpError>;

    fn send(
        &mut self,
        item: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let (http, endpoint) = (self.http.clone(), self.endpoint.clone());
        async move {
            http.post_message(endpoint, item, None, None, HashMap::new())
                .await
                .map(drop)
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        self.inbox.recv().await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.reader.abort();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_send_the_key_to_another_host() {
        assert_eq!(
            same_origin("http://a:1/sse", "/messages?s=1")
                .unwrap()
                .as_str(),
            "http://a:1/messages?s=1"
        );
        assert!(same_origin("http://a:1/sse", "http://evil/messages").is_err());
        assert!(same_origin("http://a:1/sse", "//evil/messages").is_err());
        assert!(same_origin("http://a:1/sse", "http://a:2/messages").is_err());
    }
}
