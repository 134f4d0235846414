//! A request and its answer, open for rewriting.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request, response};
use serde_json::Value;

/// A request.
pub(super) struct Message {
    pub(super) parts: request::Parts,
    body: Body,
    /// The body, where it was read and is JSON.
    pub(super) json: Option<Value>,
}

/// What is still known of a request when its answer comes.
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) json: Option<Value>,
}

impl Message {
    /// Takes a request apart. The body is read only where that is needed, within the bounds that the
    /// product has: what is read here is no longer bounded behind it.
    pub(super) async fn read(
        request: Request,
        reads_body: bool,
        max: usize,
        wait: Duration,
    ) -> Result<Self, Box<Response>> {
        let (parts, body) = request.into_parts();
        if !reads_body {
            return Ok(Self {
                parts,
                body,
                json: None,
            });
        }
        let refuse = |status: StatusCode| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            Box::new(response)
        };
        let bytes = match tokio::time::timeout(wait, to_bytes(body, max)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE)),
            Err(_elapsed) => return Err(refuse(StatusCode::REQUEST_TIMEOUT)),
        };
        let json = serde_json::from_slice(&bytes).ok();
        Ok(Self {
            parts,
            body: Body::from(bytes),
            json,
        })
    }

    pub(super) fn outline(&self) -> Asked {
        Asked {
            path: self.parts.uri.path().to_owned(),
            headers: self.parts.headers.clone(),
            json: self.json.clone(),
        }
    }

    pub(super) fn into_request(self) -> Request {
        Request::from_parts(self.parts, self.body)
    }

    pub(super) fn method(&self) -> &str {
        method(self.json.as_ref())
    }

    /// The name or URI that the message is about.
    pub(super) fn target(&self) -> Option<&str> {
        let params = &self.json.as_ref()?["params"];
        params["name"].as_str().or_else(|| params["uri"].as_str())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        set(&mut self.parts.headers, name, value);
    }

    /// Gives the request another credential.
    pub(super) fn sign_in_with(&mut self, key: &str) {
        for name in ["x-mcp-client-key", "x-api-key"] {
            self.parts.headers.remove(name);
        }
        self.set("authorization", &format!("Bearer {key}"));
    }

    /// Says something else.
    pub(super) fn say(&mut self, json: Value) {
        let text = json.to_string();
        self.set("content-length", &text.len().to_string());
        self.parts.headers.remove(header::TRANSFER_ENCODING);
        self.body = Body::from(text);
        self.json = Some(json);
    }
}

impl Asked {
    pub(super) fn method(&self) -> &str {
        method(self.json.as_ref())
    }
}

fn method(json: Option<&Value>) -> &str {
    json.and_then(|json| json["method"].as_str())
        .unwrap_or_default()
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// An answer. One that streams is left as it is.
pub(super) struct Reply {
    pub(super) parts: response::Parts,
    body: Option<Body>,
    /// The body, where it is a whole one.
    pub(super) text: String,
}

/// The product's answers are far below this.
const MAX_REPLY: usize = 16 << 20;

impl Reply {
    pub(super) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let streams = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if streams {
            return Self {
                parts,
                body: Some(body),
                text: String::new(),
            };
        }
        let bytes: Bytes = to_bytes(body, MAX_REPLY).await.unwrap_or_default();
        Self {
            parts,
            body: None,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.text).ok()
    }

    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        set(&mut self.parts.headers, name, value);
    }

    pub(super) fn into_response(mut self) -> Response {
        let body = match self.body.take() {
            Some(stream) => stream,
            None => {
                self.parts.headers.remove(header::CONTENT_LENGTH);
                Body::from(self.text)
            }
        };
        Response::from_parts(self.parts, body)
    }
}
