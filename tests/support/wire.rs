//! A client that sends exactly what a test says, so that a test can also say what no good client
//! would.

use std::sync::Mutex;

use futures_util::{Stream, StreamExt as _};
use reqwest::{StatusCode, header::HeaderMap};
use serde_json::{Value, json};

pub const NEWEST: &str = "2026-07-28";

/// Speaks to `/mcp`; every request is whole in itself, as 2026-07-28 has it, unless a session was
/// opened.
pub struct Wire {
    pub http: reqwest::Client,
    url: String,
    key: Option<String>,
    session: Mutex<Option<(String, String)>>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Every message of the answer; the last one is the response.
    pub messages: Vec<Value>,
    pub text: String,
}

impl Answer {
    /// The response's result.
    pub fn result(&self) -> &Value {
        let last = self
            .messages
            .last()
            .unwrap_or_else(|| panic!("no message: {self:?}"));
        last.get("result")
            .unwrap_or_else(|| panic!("no result: {last}"))
    }

    /// The response's error.
    pub fn error(&self) -> &Value {
        let last = self
            .messages
            .last()
            .unwrap_or_else(|| panic!("no message: {self:?}"));
        last.get("error")
            .unwrap_or_else(|| panic!("no error: {last}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap_or(""))
    }
}

impl Wire {
    pub fn new(url: &str, key: Option<&str>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .expect("a client");
        Self::sharing(http, url, key)
    }

    /// The same over connections that are there already.
    pub fn sharing(http: reqwest::Client, url: &str, key: Option<&str>) -> Self {
        Self {
            http,
            url: url.to_owned(),
            key: key.map(str::to_owned),
            session: Mutex::default(),
        }
    }

    /// Opens a session of an older version.
    pub async fn initialize(&self, version: &str) -> Answer {
        let answer = self
            .send(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "wire", "version": "0" } } }))
            .await;
        if let Some(id) = answer.headers.get("mcp-session-id") {
            let id = id.to_str().expect("an id").to_owned();
            *self.session.lock().unwrap() = Some((id, version.to_owned()));
            self.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
                .await;
        }
        answer
    }

    pub fn session(&self) -> Option<String> {
        self.session
            .lock()
            .unwrap()
            .as_ref()
            .map(|(id, _)| id.clone())
    }

    /// Goes on with somebody's session.
    pub fn join(&self, id: &str, version: &str) {
        *self.session.lock().unwrap() = Some((id.to_owned(), version.to_owned()));
    }

    /// Sends a request of this method.
    pub async fn request(&self, method: &str, params: Value) -> Answer {
        self.send(self.message(method, params)).await
    }

    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.request(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    /// A request as this client would send it.
    pub fn message(&self, method: &str, mut params: Value) -> Value {
        if self.session().is_none() {
            let meta = params
                .as_object_mut()
                .expect("params")
                .entry("_meta")
                .or_insert_with(|| json!({}));
            meta["io.modelcontextprotocol/protocolVersion"] = NEWEST.into();
            meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "wire", "version": "0" });
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
    }

    pub async fn send(&self, message: Value) -> Answer {
        let response = self.post(&message).send().await.expect("an answer");
        read(response).await
    }

    /// The messages as they come.
    pub async fn stream(&self, message: Value) -> impl Stream<Item = Value> + Unpin + use<> {
        Self::events(self.post(&message).send().await.expect("an answer"))
    }

    /// The messages of an answer that is a stream, as they come.
    pub fn events(response: reqwest::Response) -> impl Stream<Item = Value> + Unpin + use<> {
        let mut bytes = Box::pin(response.bytes_stream());
        let mut text = String::new();
        Box::pin(async_stream::stream! {
            while let Some(Ok(chunk)) = bytes.next().await {
                text.push_str(&String::from_utf8_lossy(&chunk));
                while let Some(end) = text.find("\n\n") {
                    let event: String = text.drain(..end + 2).collect();
                    for message in messages(&event) {
                        yield message;
                    }
                }
            }
        })
    }

    /// The request, for a test that changes something about it.
    pub fn post(&self, message: &Value) -> reqwest::RequestBuilder {
        let mut request = self
            .http
            .post(&self.url)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(message.to_string());
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some((id, version)) = self.session.lock().unwrap().as_ref() {
            return request
                .header("mcp-session-id", id)
                .header("mcp-protocol-version", version);
        }
        let method = message["method"].as_str().unwrap_or_default();
        if method != "initialize" && message.get("id").is_some() {
            request = request
                .header("mcp-protocol-version", NEWEST)
                .header("mcp-method", method);
            let params = &message["params"];
            let name = match method {
                "resources/read" => &params["uri"],
                "tools/call" | "prompts/get" => &params["name"],
                "tasks/get" | "tasks/update" | "tasks/cancel" => &params["taskId"],
                _ => &Value::Null,
            };
            if let Some(name) = name.as_str() {
                request = request.header("mcp-name", name);
            }
        }
        request
    }
}

/// The next message of a stream; a bounded wait.
pub async fn next(stream: &mut (impl Stream<Item = Value> + Unpin)) -> Option<Value> {
    tokio::time::timeout(std::time::Duration::from_secs(20), stream.next())
        .await
        .expect("a message in time")
}

pub async fn read(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.expect("a body");
    Answer {
        status,
        headers,
        messages: messages(&text),
        text,
    }
}

/// Every JSON message in a body: one, or one for each `data:` line.
fn messages(text: &str) -> Vec<Value> {
    if let Ok(message) = serde_json::from_str(text) {
        return vec![message];
    }
    text.lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?).ok())
        .collect()
}
