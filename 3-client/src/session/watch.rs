//! Hearing of changes. Since 2026-07-28 the client opens a stream with `subscriptions/listen`; before
//! that, a session's server speaks up by itself about lists, and about resources once they are
//! subscribed to.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    ProtocolVersion, ServerNotification, SubscribeRequestParams, SubscriptionFilter,
    UnsubscribeRequestParams,
};
use rmcp::service::{ServiceError, Subscription};
use tokio::sync::{Notify, broadcast};

use super::{Session, convert};
use crate::failure::Failure;

/// Updates held for somebody who is slow to read them; one more only means "read it again".
const QUEUE: usize = 16;
/// The waits before a stream that broke is opened again.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a server announced.
#[derive(Debug, Clone)]
pub(super) struct News {
    lists: Arc<Notify>,
    resources: broadcast::Sender<String>,
}

impl Default for News {
    fn default() -> Self {
        Self {
            lists: Arc::default(),
            resources: broadcast::Sender::new(QUEUE),
        }
    }
}

impl News {
    pub(super) fn lists_changed(&self) {
        self.lists.notify_one();
    }

    pub(super) fn updated(&self, uri: String) {
        // Nobody listens: nothing is missed.
        let _ = self.resources.send(uri);
    }
}

/// News of one resource, until it is dropped or ended.
pub struct Updates<'a> {
    session: &'a Session,
    uri: String,
    from: Source,
}

enum Source {
    Stream(Box<Subscription>),
    Announced(broadcast::Receiver<String>),
}

impl std::fmt::Debug for Updates<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Updates")
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}

impl Updates<'_> {
    /// Resolves to `true` when the resource has changed, and to `false` when no more will be heard.
    pub async fn next(&mut self) -> bool {
        match &mut self.from {
            Source::Stream(stream) => matches!(stream.next().await, Ok(Some(_))),
            Source::Announced(news) => loop {
                match news.recv().await {
                    Ok(uri) if uri == self.uri => return true,
                    Ok(_) => {}
                    // Some were missed; this one may be among them.
                    Err(broadcast::error::RecvError::Lagged(_)) => return true,
                    Err(broadcast::error::RecvError::Closed) => return false,
                }
            },
        }
    }

    /// Tells the server that nobody listens any more.
    #[expect(deprecated, reason = "older servers are told like this")]
    pub async fn end(mut self) {
        let telling = async {
            match &mut self.from {
                Source::Stream(stream) => drop(stream.cancel().await),
                Source::Announced(_) => {
                    let params = UnsubscribeRequestParams::new(self.uri.clone());
                    drop(self.session.peer.unsubscribe(params).await);
                }
            }
        };
        let _ = tokio::time::timeout(self.session.limits.request(), telling).await;
    }
}

impl Session {
    /// Resolves when the server says that one of its lists changed.
    pub async fn changed(&self) {
        self.news.lists.notified().await;
    }

    /// Whether changes are announced on a stream of their own.
    fn has_streams(&self) -> bool {
        self.peer
            .peer_info()
            .is_some_and(|info| info.protocol_version >= ProtocolVersion::NO_INITIALIZE)
    }

    /// Whether the server announces changes of its resources.
    #[must_use]
    pub fn announces_updates(&self) -> bool {
        self.peer.peer_info().is_some_and(|info| {
            let resources = info.capabilities.resources.as_ref();
            resources.is_some_and(|r| r.subscribe == Some(true))
        })
    }

    /// The lists of which the server says that it announces changes.
    fn announced_lists(&self) -> SubscriptionFilter {
        let mut filter = SubscriptionFilter::new();
        if let Some(info) = self.peer.peer_info() {
            let has = &info.capabilities;
            filter.tools_list_changed = has.tools.as_ref().and_then(|c| c.list_changed);
            filter.prompts_list_changed = has.prompts.as_ref().and_then(|c| c.list_changed);
            filter.resources_list_changed = has.resources.as_ref().and_then(|c| c.list_changed);
        }
        filter
    }

    /// Keeps the stream of list changes open for as long as this is polled; [`Session::changed`]
    /// resolves for what comes. Ends when the stream broke and the server is no longer there.
    pub async fn follow_lists(&self) {
        let filter = self.announced_lists();
        let announces = [
            filter.tools_list_changed,
            filter.prompts_list_changed,
            filter.resources_list_changed,
        ]
        .contains(&Some(true));
        if !announces || !self.has_streams() {
            // An older server speaks up by itself, and one that announces nothing is asked nothing.
            return std::future::pending().await;
        }
        let mut wait = FIRST_WAIT;
        let mut is_first = true;
        loop {
            match self.peer.listen(filter.clone()).await {
                Ok(mut stream) => {
                    if !std::mem::take(&mut is_first) {
                        // What changed while nobody listened was announced to nobody.
                        self.news.lists_changed();
                    }
                    while let Ok(Some(news)) = stream.next().await {
                        wait = FIRST_WAIT;
                        if !matches!(news, ServerNotification::ResourceUpdatedNotification(_)) {
                            self.news.lists_changed();
                        }
                    }
                    // Ended in order, as when this caller's rights changed, or broken off.
                }
                // The server knows no such thing after all, or doesn't allow it.
                Err(ServiceError::McpError(_)) => return std::future::pending().await,
                // Not the first time: a server that never opened a stream is no reason to reconnect.
                Err(error) if !is_first && convert::service_failure(&error).wants_reconnect() => {
                    return;
                }
                Err(_) => {}
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }

    /// Hears of changes of one resource.
    ///
    /// # Errors
    /// A [`Failure`] when the server doesn't announce them.
    #[expect(deprecated, reason = "older servers are subscribed to like this")]
    pub async fn updates(&self, uri: &str) -> Result<Updates<'_>, Failure> {
        let refuse = || Failure::Here(format!("the server doesn't announce changes of {uri}"));
        if !self.announces_updates() {
            return Err(refuse());
        }
        let time = self.limits.request();
        let opening = async {
            if self.has_streams() {
                let filter = SubscriptionFilter::builder()
                    .resource_subscription(uri)
                    .build();
                let stream = self.peer.listen(filter).await?;
                let watched = stream.acknowledged().resource_subscriptions.as_ref();
                // A server may accept the stream and leave out what it doesn't follow.
                Ok(watched
                    .is_some_and(|uris| uris.iter().any(|u| u == uri))
                    .then(|| Source::Stream(Box::new(stream))))
            } else {
                let news = self.news.resources.subscribe();
                self.peer
                    .subscribe(SubscribeRequestParams::new(uri))
                    .await?;
                Ok(Some(Source::Announced(news)))
            }
        };
        let from = tokio::time::timeout(time, opening)
            .await
            .map_err(|_| Failure::TimedOut(time))?
            .map_err(|e: ServiceError| convert::service_failure(&e))?
            .ok_or_else(refuse)?;
        Ok(Updates {
            session: self,
            uri: uri.to_owned(),
            from,
        })
    }
}
