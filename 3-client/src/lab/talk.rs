//! Says a message over HTTP and shows both directions.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use super::story::Story;
use crate::raw::{self, Answer, Request, Wire};
use crate::secret::Secret;

/// A line to a server.
pub(super) struct Talk {
    pub(super) wire: Wire,
    key: Option<Secret>,
    next: u64,
    /// The session, once there is one, and its version.
    session: Option<(String, String)>,
}

impl Talk {
    pub(super) fn new(wire: Wire, key: Option<Secret>) -> Self {
        Self {
            wire,
            key,
            next: 1,
            session: None,
        }
    }

    pub(super) fn id(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// A request of 2026-07-28.
    pub(super) fn stateless(&mut self, method: &str, params: &Value) -> Value {
        raw::stateless(self.id(), method, params)
    }

    /// A request of the versions before.
    pub(super) fn plain(&mut self, method: &str, params: &Value) -> Value {
        raw::plain(self.id(), method, params)
    }

    /// Sends a message in the present lifecycle, and shows it and its answer.
    pub(super) async fn say(&mut self, story: &mut Story, message: &Value) -> Answer {
        let headers = self.headers(message);
        story.sent("POST", self.wire.url.path(), &headers, Some(message));
        let answer = self.request(&headers, message).send().await;
        story.got(&answer);
        answer
    }

    /// Opens a session and goes on in it.
    pub(super) async fn open(
        &mut self,
        story: &mut Story,
        version: &str,
    ) -> Result<Answer, String> {
        self.session = None;
        let message = raw::initialize(self.id(), version);
        let answer = self.say(story, &message).await;
        let agreed = answer
            .result()
            .and_then(|result| result["protocolVersion"].as_str())
            .ok_or_else(|| format!("the server opens no session: {}", answer.brief()))?;
        self.session = Some((
            answer.header("mcp-session-id").to_owned(),
            agreed.to_owned(),
        ));
        Ok(answer)
    }

    /// Ends the session.
    pub(super) async fn close(&mut self, story: &mut Story) -> Option<Answer> {
        let (id, version) = self.session.take()?;
        let headers = vec![("mcp-session-id", id), ("mcp-protocol-version", version)];
        story.sent("DELETE", self.wire.url.path(), &headers, None);
        let mut request = self.wire.request(Method::DELETE).key(self.key.as_ref());
        for (name, value) in &headers {
            request = request.set(name, value);
        }
        let answer = request.send().await;
        story.got(&answer);
        Some(answer)
    }

    /// The headers beside a message: what its version asks for.
    pub(super) fn headers(&self, message: &Value) -> Vec<(&'static str, String)> {
        match &self.session {
            Some((id, version)) => {
                let mut headers = vec![("mcp-protocol-version", version.clone())];
                if !id.is_empty() {
                    headers.push(("mcp-session-id", id.clone()));
                }
                headers
            }
            None if message["method"] == "initialize" => Vec::new(),
            None => raw::headers(message),
        }
    }

    /// The same without a word, for what is measured or shown otherwise.
    pub(super) fn request(&self, headers: &[(&'static str, String)], message: &Value) -> Request {
        let mut request = self.wire.post(message.to_string()).key(self.key.as_ref());
        for (name, value) in headers {
            request = request.set(name, value);
        }
        request
    }

    /// Whether the server has this tool.
    pub(super) async fn has_tool(&mut self, name: &str) -> bool {
        let message = self.stateless("tools/list", &json!({}));
        let answer = self.request(&raw::headers(&message), &message).send().await;
        let tools = answer
            .result()
            .and_then(|result| result["tools"].as_array());
        tools.is_some_and(|tools| tools.iter().any(|tool| tool["name"] == name))
    }

    /// Sends a message and hands over each message of the answer as it arrives, with the time that
    /// passed, until `take` says that it has enough; leaving closes the stream.
    pub(super) async fn listen(
        &mut self,
        message: &Value,
        mut take: impl FnMut(Duration, &Value) -> bool,
    ) -> Result<(), String> {
        let headers = self.headers(message);
        let since = Instant::now();
        let response = self.request(&headers, message).open().await?;
        let mut chunks = response.bytes_stream();
        let mut text = String::new();
        let deadline = tokio::time::sleep(Duration::from_secs(60));
        tokio::pin!(deadline);
        loop {
            let chunk = tokio::select! {
                chunk = chunks.next() => chunk,
                () = &mut deadline => return Err("no end within 60 s".into()),
            };
            let Some(chunk) = chunk else {
                // A whole answer that isn't a stream.
                for message in raw::messages(&text) {
                    take(since.elapsed(), &message);
                }
                return Ok(());
            };
            let chunk = chunk.map_err(|error| error.to_string())?;
            text.push_str(&String::from_utf8_lossy(&chunk));
            if text.len() > 4 << 20 {
                return Err("an event of more than 4 MiB".into());
            }
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                for message in raw::messages(&event) {
                    if !take(since.elapsed(), &message) || raw::is_response(&message) {
                        return Ok(());
                    }
                }
            }
        }
    }
}
