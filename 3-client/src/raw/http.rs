//! One HTTP request, any way one likes, and what came back; with a bound on everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::http::{BuildError, check_url, client_for};
use crate::secret::Secret;

/// The most of an answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// How many requests may still be sent. Shared by everything that one run does.
#[derive(Debug)]
pub struct Budget(AtomicUsize);

impl Budget {
    /// A budget of so many requests.
    #[must_use]
    pub fn new(requests: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(requests)))
    }

    /// Takes one; `false` when none is left.
    pub fn take(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }
}

/// The way to one server.
#[derive(Debug, Clone)]
pub struct Wire {
    client: reqwest::Client,
    /// Where it is.
    pub url: url::Url,
    budget: Arc<Budget>,
}

impl Wire {
    /// The way to this address.
    ///
    /// # Errors
    /// When it isn't an address, or HTTPS can't be set up.
    pub fn new(address: &str, budget: Arc<Budget>) -> Result<Self, BuildError> {
        let url = check_url(address)?;
        Ok(Self {
            client: client_for(&url)?,
            url,
            budget,
        })
    }

    /// Whether the server is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }

    /// Whether one more request may be sent.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.budget.take()
    }

    /// A POST of this body, with the headers that every MCP client sends.
    #[must_use]
    pub fn post(&self, body: impl Into<reqwest::Body>) -> Request {
        self.request(Method::POST)
            .set("accept", "application/json, text/event-stream")
            .set("content-type", "application/json")
            .body(body)
    }

    /// A request with nothing in it.
    #[must_use]
    pub fn request(&self, method: Method) -> Request {
        Request {
            wire: self.clone(),
            method,
            url: self.url.clone(),
            headers: HeaderMap::new(),
            body: None,
            wait: Duration::from_secs(10),
        }
    }
}

/// A request that isn't sent yet.
#[derive(Debug)]
pub struct Request {
    wire: Wire,
    method: Method,
    url: url::Url,
    headers: HeaderMap,
    body: Option<reqwest::Body>,
    wait: Duration,
}

impl Request {
    /// Sets a header, in place of any other of its name. What no header can hold is left out.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        let name = HeaderName::from_static(name);
        match HeaderValue::from_str(value) {
            Ok(value) => self.headers.insert(name, value),
            Err(_) => self.headers.remove(name),
        };
        self
    }

    /// Adds a header beside others of its name.
    #[must_use]
    pub fn add(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(HeaderName::from_static(name), value);
        }
        self
    }

    /// Takes a header out.
    #[must_use]
    pub fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Signs in.
    #[must_use]
    pub fn key(self, key: Option<&Secret>) -> Self {
        match key {
            Some(key) => self.set("authorization", &format!("Bearer {}", key.expose())),
            None => self.without("authorization"),
        }
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Goes to another path of the same server.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.url.set_path(path);
        self
    }

    /// Adds a query to the address.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        self.url.set_query(Some(query));
        self
    }

    /// How long the whole exchange may take.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sends it and hands over the answer while it still arrives.
    ///
    /// # Errors
    /// When no answer begins.
    pub async fn open(self) -> Result<reqwest::Response, String> {
        if !self.wire.may_send() {
            return Err("the budget of requests is used up".into());
        }
        let mut request = self
            .wire
            .client
            .request(self.method, self.url)
            .headers(self.headers);
        if let Some(body) = self.body {
            request = request.body(body);
        }
        match tokio::time::timeout(self.wait, request.send()).await {
            Ok(answer) => answer.map_err(|error| why(&error)),
            Err(_elapsed) => Err(format!("no answer within {} s", self.wait.as_secs())),
        }
    }

    /// Sends it, and reads the answer up to its response, its end, or the bound.
    pub async fn send(self) -> Answer {
        let since = Instant::now();
        let mut answer = Answer::default();
        if !self.wire.may_send() {
            answer.trouble = Some("the budget of requests is used up".into());
            return answer;
        }
        let mut request = self
            .wire
            .client
            .request(self.method, self.url)
            .headers(self.headers);
        if let Some(body) = self.body {
            request = request.body(body);
        }
        // What has arrived before the time is over counts, so the clock runs outside of `answer`.
        let exchange = tokio::time::timeout(self.wait, read(request, &mut answer)).await;
        match exchange {
            Ok(Ok(())) => {}
            Ok(Err(error)) => answer.trouble = Some(why(&error)),
            Err(_elapsed) => {
                answer.trouble = Some(format!("no whole answer within {} s", self.wait.as_secs()));
            }
        }
        answer.messages = super::messages(&answer.text);
        answer.took = since.elapsed();
        answer
    }
}

async fn read(request: reqwest::RequestBuilder, answer: &mut Answer) -> Result<(), reqwest::Error> {
    let response = request.send().await?;
    answer.status = response.status().as_u16();
    answer.headers = response.headers().clone();
    let streams = answer
        .header("content-type")
        .starts_with("text/event-stream");
    let mut chunks = response.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                answer.text = String::from_utf8_lossy(&bytes).into_owned();
                return Err(error);
            }
        };
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= MAX_ANSWER {
            bytes.truncate(MAX_ANSWER);
            break;
        }
        // A stream may stay open after its response; nothing more is expected then.
        if streams && chunk.ends_with(b"\n") {
            answer.text = String::from_utf8_lossy(&bytes).into_owned();
            if super::messages(&answer.text).iter().any(super::is_response) {
                return Ok(());
            }
        }
    }
    answer.text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(())
}

/// The innermost cause; reqwest's own text hides it and names the address.
fn why(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// What came back.
#[derive(Debug, Default)]
pub struct Answer {
    /// The HTTP status; 0 when there was no answer.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// Every message of the answer, in order.
    pub messages: Vec<Value>,
    /// The body.
    pub text: String,
    /// What went wrong on the way.
    pub trouble: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Answer {
    /// A header, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The response, if one came.
    #[must_use]
    pub fn response(&self) -> Option<&Value> {
        self.messages
            .iter()
            .find(|message| super::is_response(message))
    }

    /// The result, if the request succeeded.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        self.response()?.get("result")
    }

    /// The error, if the request was refused with one.
    #[must_use]
    pub fn error(&self) -> Option<&Value> {
        self.messages
            .iter()
            .find_map(|message| message.get("error"))
    }

    /// The error's code.
    #[must_use]
    pub fn code(&self) -> Option<i64> {
        self.error()?["code"].as_i64()
    }

    /// The answer in one short line: the status, and what was said.
    #[must_use]
    pub fn brief(&self) -> String {
        if self.status == 0 {
            return self
                .trouble
                .clone()
                .unwrap_or_else(|| "no answer".to_owned());
        }
        let said = if let Some(error) = self.error() {
            let code = error["code"].as_i64().unwrap_or_default();
            let message = error["message"].as_str().unwrap_or_default();
            format!("error {code}: {message}")
        } else if let Some(result) = self.result() {
            format!("result {result}")
        } else if self.text.trim().is_empty() {
            "no body".to_owned()
        } else {
            self.text.trim().to_owned()
        };
        crate::untrusted::label(&format!("HTTP {}, {said}", self.status), 160)
    }
}
