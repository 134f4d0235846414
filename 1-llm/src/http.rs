//! One HTTP client for every engine: bounded, without redirects, and with the key in one place.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    address::Address,
    chat::Trace,
    error::{ErrorKind, ProviderError},
    settings::{Timeout, Timeouts},
    text::excerpt,
};

/// The longest answer that is read whole, such as a list of models.
const MAX_WHOLE_ANSWER: usize = 16 << 20;
/// How much of an error's body is read: it only has to make a message.
const MAX_ERROR_BODY: usize = 64 << 10;
/// An engine that names a later time than this isn't busy, it is away.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// A client bound to one engine's address.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    pub(crate) address: Address,
    pub(crate) timeouts: Timeouts,
    // Marked sensitive, so that Debug prints "Sensitive" in its place. It goes to `address` and
    // nowhere else: this client joins paths to that one address and follows no redirect.
    authorization: Option<HeaderValue>,
    engine: Engine,
    // Those of W3C Trace Context, where a request belongs to a trace.
    trace: HeaderMap,
}

/// What messages call an engine, and which variables of the environment belong to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    /// What to do when nothing answers.
    pub(crate) start: &'static str,
    pub(crate) address_variable: &'static str,
    pub(crate) key_variable: &'static str,
}

impl Engine {
    /// The engine's key, which comes from the environment and from nowhere else.
    pub(crate) fn key(&self, env: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        env(self.key_variable).filter(|key| !key.trim().is_empty())
    }
}

impl Http {
    /// # Errors
    /// When the key can't be a header, or when HTTPS is asked for on a machine without root
    /// certificates.
    pub(crate) fn new(
        address: Address,
        timeouts: Timeouts,
        key: Option<&str>,
        engine: Engine,
    ) -> Result<Self, ProviderError> {
        // reqwest is built without a TLS provider of its own and panics when it finds none.
        // An error here only says that somebody else has already chosen one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(timeouts.connect)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("mcp-llm/", env!("CARGO_PKG_VERSION")));
        if address.is_loopback() {
            // HTTP_PROXY would otherwise send what is meant for this machine to another one.
            builder = builder.no_proxy();
        }
        if address.url.scheme() == "http" {
            // No certificate is ever checked on this address, so none are loaded: a machine
            // without root certificates (a bare container) must still reach its own Ollama.
            builder = builder.tls_certs_only(std::iter::empty());
        }
        let client = builder.build().map_err(|error| {
            ProviderError::new(
                ErrorKind::Invalid,
                format!(
                    "Can't set up HTTPS to {}: are root certificates installed (ca-certificates)?",
                    engine.name
                ),
                format!("building the HTTP client: {error:?}"),
            )
        })?;
        let authorization = key.map(|key| bearer(key, engine)).transpose()?;
        if authorization.is_some() && address.url.scheme() == "http" && !address.is_loopback() {
            tracing::warn!(
                address = address.as_str(),
                "{} is sent over plain http to another machine; use https",
                engine.key_variable
            );
        }
        Ok(Self {
            client,
            address,
            timeouts,
            authorization,
            engine,
            trace: HeaderMap::new(),
        })
    }

    /// The same client for one request that may belong to a trace.
    pub(crate) fn with_trace(&self, trace: Option<&Trace>) -> Self {
        let mut traced = self.clone();
        let Some(trace) = trace else {
            return traced;
        };
        let named = [
            ("traceparent", Some(&trace.parent)),
            ("tracestate", trace.state.as_ref()),
        ];
        for (name, value) in named {
            // What can't be a header isn't worth a failed request.
            if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(value)) {
                traced.trace.insert(name, value);
            }
        }
        traced
    }

    /// Sends a request and gives the response once its headers are there and say 2xx. `timeout`
    /// bounds everything until then.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        timeout: Timeout,
    ) -> Result<Response, Failure> {
        let url = self.address.url.join(path).map_err(|error| {
            ProviderError::new(
                ErrorKind::Invalid,
                "The address of that request can't be built.",
                error,
            )
        })?;
        let mut request = self.client.request(method, url);
        if !self.trace.is_empty() {
            request = request.headers(self.trace.clone());
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response =
            match tokio::time::timeout(self.timeouts.duration(timeout), request.send()).await {
                Err(_) => return Err(self.timed_out(timeout).into()),
                Ok(Err(error)) => return Err(self.not_sent(&error).into()),
                Ok(Ok(response)) => response,
            };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            return Err(self.redirected(&response).into());
        }
        let retry_after = retry_after(&response);
        let deadline = Instant::now() + self.timeouts.idle;
        let body = self.read_beginning(response, deadline).await;
        Err(Failure::Refused {
            status,
            retry_after,
            body,
        })
    }

    /// Sends a request whose answer comes whole, as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        timeout: Timeout,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + self.timeouts.duration(timeout);
        let response = self.send(method, path, body, timeout).await?;
        let body = self
            .read_whole(response, MAX_WHOLE_ANSWER, deadline, timeout)
            .await?;
        serde_json::from_slice(&body).map_err(|error| self.not_understood(&body, &error).into())
    }

    /// The beginning of an error's body, as far as it can be had: what can't be read of it isn't
    /// worth another error.
    async fn read_beginning(&self, mut response: Response, deadline: Instant) -> Bytes {
        let mut body = Vec::new();
        while body.len() < MAX_ERROR_BODY
            && let Ok(Some(chunk)) = self
                .next_chunk(&mut response, deadline, Timeout::Idle)
                .await
        {
            body.extend_from_slice(&chunk);
        }
        body.truncate(MAX_ERROR_BODY);
        body.into()
    }

    /// Reads a body to its end, up to a size and a time.
    pub(crate) async fn read_whole(
        &self,
        mut response: Response,
        longest: usize,
        deadline: Instant,
        timeout: Timeout,
    ) -> Result<Bytes, ProviderError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.next_chunk(&mut response, deadline, timeout).await? {
            if body.len() + chunk.len() > longest {
                return Err(ProviderError::new(
                    ErrorKind::Engine,
                    format!(
                        "{} sent more than {} MB at once.",
                        self.engine.name,
                        longest >> 20
                    ),
                    format!(
                        "a body beyond {longest} bytes, starting {}",
                        excerpt(&body, 80)
                    ),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }

    /// The next piece of a body, by a deadline that `timeout` has set; `None` at its end.
    pub(crate) async fn next_chunk(
        &self,
        response: &mut Response,
        deadline: Instant,
        timeout: Timeout,
    ) -> Result<Option<Bytes>, ProviderError> {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Err(_) => Err(self.timed_out(timeout)),
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(ProviderError::new(
                ErrorKind::Truncated,
                format!(
                    "The connection to {} broke in the middle of the answer.",
                    self.engine.name
                ),
                format!("reading the body: {error:?}"),
            )),
        }
    }

    /// The error for bytes that this engine wouldn't send.
    pub(crate) fn not_understood(&self, raw: &[u8], why: &dyn std::fmt::Display) -> ProviderError {
        ProviderError::new(
            ErrorKind::Engine,
            format!(
                "The program at {} doesn't talk like {}. Is something else listening there?",
                self.address.public_description(),
                self.engine.name
            ),
            format!("{why}; it began: {}", excerpt(raw, 200)),
        )
    }

    fn timed_out(&self, timeout: Timeout) -> ProviderError {
        let name = self.engine.name;
        let waited = self.timeouts.duration(timeout);
        let (what, setting) = match timeout {
            Timeout::Connect => (
                "took the connection and gave no answer",
                "connect_timeout_ms",
            ),
            Timeout::FirstByte => ("sent no first line", "first_byte_timeout_ms"),
            Timeout::Idle => ("sent nothing more", "idle_timeout_ms"),
        };
        let why = match timeout {
            Timeout::FirstByte => "It may be loading a large model, or be overloaded",
            Timeout::Connect | Timeout::Idle => "It may be overloaded",
        };
        ProviderError::new(
            ErrorKind::TimedOut,
            format!("{name} {what} for {waited:?}. {why}; raise {setting} if that is normal here."),
            format!("{} {what} for {waited:?}", self.address.as_str()),
        )
    }

    fn not_sent(&self, error: &reqwest::Error) -> ProviderError {
        let Engine { name, start, .. } = self.engine;
        let place = self.address.public_description();
        let internal = format!("{}: {error:?}", self.address.as_str());
        if error.is_connect() || error.is_timeout() {
            return ProviderError::new(
                ErrorKind::Unreachable,
                format!("{name} isn't answering at {place}. {start}"),
                internal,
            );
        }
        ProviderError::new(
            ErrorKind::Engine,
            format!("{name} at {place} closed the connection before it answered. Try again."),
            internal,
        )
    }

    fn redirected(&self, response: &Response) -> ProviderError {
        let to = response
            .headers()
            .get(LOCATION)
            .map_or(&b""[..], HeaderValue::as_bytes);
        ProviderError::new(
            ErrorKind::Engine,
            format!(
                "The program at {} redirects elsewhere, and redirects aren't followed. \
                 Set base_url to the engine's own address.",
                self.address.public_description()
            ),
            format!("redirect {} to {}", response.status(), excerpt(to, 200)),
        )
    }
}

/// Why a request brought no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The engine answered with an error status, which its own module explains.
    Refused {
        status: StatusCode,
        retry_after: Option<Duration>,
        body: Bytes,
    },
    /// Everything else, explained already.
    Error(ProviderError),
}

impl Failure {
    /// When to try again, where the engine says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Error(_) => None,
        }
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::Error(error)
    }
}

/// The message in an error's body: `{"error":"…"}`, `{"error":{"message":"…"}}`,
/// `{"message":"…"}`, or the text that a proxy put in its place; one line, cut short.
pub(crate) fn error_message(body: &[u8]) -> String {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = parsed.get("error").unwrap_or(&parsed);
    let text = error
        .get("message")
        .or(error.get("detail"))
        .unwrap_or(error);
    match text {
        Value::String(text) => excerpt(text.as_bytes(), 500),
        Value::Null => excerpt(body, 500),
        other => excerpt(other.to_string().as_bytes(), 500),
    }
}

/// JSON for a request's body.
pub(crate) fn json_body(value: &impl Serialize) -> Result<Bytes, ProviderError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| {
        ProviderError::new(
            ErrorKind::Invalid,
            "That request can't be written as JSON.",
            error,
        )
    })
}

fn bearer(key: &str, engine: Engine) -> Result<HeaderValue, ProviderError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.trim())).map_err(|_| {
        ProviderError::new(
            ErrorKind::Invalid,
            format!(
                "{} holds characters that can't be in a key.",
                engine.key_variable
            ),
            "the key can't be a header value",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Retry-After` in seconds; the date form is rare enough among engines to be left out.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response
        .headers()
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}
