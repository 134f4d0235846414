//! One message as it is filed: what it was, how it went, and its text without secrets.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From this client to the server.
    Out,
    /// From the server to this client.
    In,
}

/// What kind of message it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Has a method and an id.
    Request,
    /// A result.
    Response,
    /// An error instead of a result.
    Error,
    /// A method without an id.
    Notification,
    /// HTTP without a JSON-RPC message in it, such as 202 Accepted.
    Http,
}

/// The HTTP side of a message: status (on replies) and headers, secrets replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HttpPart {
    /// The status line's code, on the first message of a reply.
    pub status: Option<u16>,
    /// Header names and values, in order.
    pub headers: Vec<(String, String)>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Counts up from 1 and never repeats.
    pub seq: u64,
    /// Time since the log began.
    #[serde(serialize_with = "as_ms")]
    pub at: Duration,
    /// Milliseconds since 1970, for files that outlive the run.
    pub unix_ms: u64,
    /// The server's name in the configuration.
    pub server: Arc<str>,
    /// Which way it went.
    pub direction: Direction,
    /// What it was.
    pub kind: Kind,
    /// The method; a response carries its request's.
    pub method: Option<Arc<str>>,
    /// The tool, prompt or URI that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The JSON-RPC id as text.
    pub id: Option<String>,
    /// The other half of a request/response pair.
    pub pair: Option<u64>,
    /// From request to response.
    #[serde(serialize_with = "as_opt_ms")]
    pub took: Option<Duration>,
    /// Size of the message in bytes, also when the text was cut.
    pub bytes: usize,
    /// The message's text, at most 256 KiB of it.
    pub body: Arc<str>,
    /// The HTTP side, when there was one.
    pub http: Option<HttpPart>,
}

impl Entry {
    /// The HTTP status, on the first message of a reply.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.http.as_ref()?.status
    }

    /// The text, laid out when it is JSON.
    #[must_use]
    pub fn pretty(&self) -> Cow<'_, str> {
        let value: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        match value.and_then(|v| serde_json::to_string_pretty(&v).ok()) {
            Some(pretty) => pretty.into(),
            None => (&*self.body).into(),
        }
    }
}

fn as_ms<S: serde::Serializer>(at: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64((at.as_secs_f64() * 1e6).round() / 1e3)
}

fn as_opt_ms<S: serde::Serializer>(took: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
    match took {
        None => s.serialize_none(),
        Some(took) => as_ms(took, s),
    }
}

/// Copies headers for the log: credentials and session ids keep their name and lose their value.
#[must_use]
pub fn safe_headers(headers: &http::HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .take(64)
        .map(|(name, value)| {
            let secret = value.is_sensitive()
                || matches!(
                    name.as_str(),
                    "authorization"
                        | "proxy-authorization"
                        | "cookie"
                        | "set-cookie"
                        | "x-api-key"
                        | "x-mcp-client-key"
                        | "mcp-session-id"
                );
            let shown = if secret {
                "…redacted…".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            (name.as_str().to_owned(), shown)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_headers_keep_their_name_and_lose_their_value() {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", "Bearer abc".parse().unwrap());
        headers.insert("content-type", "application/json".parse().unwrap());
        let safe = safe_headers(&headers);
        assert!(safe.contains(&("authorization".into(), "…redacted…".into())));
        assert!(safe.contains(&("content-type".into(), "application/json".into())));
    }
}
