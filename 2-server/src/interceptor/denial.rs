//! One refusal, two renderings: a JSON-RPC error that every client understands, and the HTTP
//! status and headers that stateless clients read first.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use rmcp::{ErrorData, model::ErrorCode};
use serde_json::{Map, Value};

use super::scope::Scope;

/// Why a call did not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What kind of refusal it is; gives the code.
    pub kind: DenialKind,
    /// A sentence for the caller: what happened and what to do next. Never a secret.
    pub reason: String,
    /// The scopes that the call takes, all of them, for [`DenialKind::Forbidden`].
    pub required_scopes: Arc<[Scope]>,
    /// When trying again makes sense, for [`DenialKind::Throttled`] and [`DenialKind::Unavailable`].
    pub retry_after: Option<Duration>,
}

/// The kinds of refusal. Their codes are HTTP's: outside the range that JSON-RPC and MCP reserve
/// (−32768…−32000), as the 2026-07-28 specification asks of an application's own codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialKind {
    /// 401: no credential where one is needed, or one that isn't good.
    Unauthorized,
    /// 403: the caller is known and may not.
    Forbidden,
    /// 408: the call took longer than the server allows.
    TimedOut,
    /// 413: too large to be read.
    TooLarge,
    /// 429: too many calls.
    Throttled,
    /// 503: the server can't do its duty (for instance, keep its records) and refuses to go on.
    Unavailable,
}

impl DenialKind {
    /// The code, which is the HTTP status's number.
    pub fn code(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::TimedOut => 408,
            Self::TooLarge => 413,
            Self::Throttled => 429,
            Self::Unavailable => 503,
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Denial {
    /// A refusal with its sentence.
    pub fn new(kind: DenialKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            required_scopes: Arc::new([]),
            retry_after: None,
        }
    }

    /// 401.
    pub fn unauthorized(reason: impl Into<String>) -> Self {
        Self::new(DenialKind::Unauthorized, reason)
    }

    /// 403, with every scope that the call takes.
    pub fn forbidden(reason: impl Into<String>, required_scopes: Arc<[Scope]>) -> Self {
        Self {
            required_scopes,
            ..Self::new(DenialKind::Forbidden, reason)
        }
    }

    /// 429, with the time to wait.
    pub fn throttled(reason: impl Into<String>, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(DenialKind::Throttled, reason)
        }
    }

    /// The refusal as a JSON-RPC error, for clients of every protocol version.
    pub fn to_error(&self) -> ErrorData {
        let mut data = Map::new();
        data.insert("reason".into(), self.reason.clone().into());
        if !self.required_scopes.is_empty() {
            let scopes: Vec<Value> = self
                .required_scopes
                .iter()
                .map(|scope| scope.as_str().into())
                .collect();
            data.insert("required_scopes".into(), scopes.into());
        }
        if let Some(wait) = self.retry_after {
            data.insert(
                "retry_after_ms".into(),
                u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).into(),
            );
        }
        ErrorData::new(
            ErrorCode(i32::from(self.kind.code())),
            self.reason.clone(),
            Some(data.into()),
        )
    }

    /// The refusal as an HTTP status.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Adds the headers that go with the status: the challenge of RFC 6750 §3 with the whole list
    /// of scopes, or `Retry-After` in whole seconds.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(challenge) = self.challenge()
            && let Ok(value) = HeaderValue::from_str(&challenge)
        {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(wait) = self.retry_after {
            // Rounded up: a client that waits for the time told must not be refused again.
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)),
            );
        }
    }

    fn challenge(&self) -> Option<String> {
        match self.kind {
            DenialKind::Unauthorized => Some(r#"Bearer realm="mcp""#.to_owned()),
            // Scopes are plain by construction, so they need no quoting inside the quotes.
            DenialKind::Forbidden if !self.required_scopes.is_empty() => {
                let scopes: Vec<&str> = self.required_scopes.iter().map(Scope::as_str).collect();
                Some(format!(
                    r#"Bearer realm="mcp", error="insufficient_scope", scope="{}""#,
                    scopes.join(" ")
                ))
            }
            _ => None,
        }
    }
}

/// Where the guard leaves its refusal for the HTTP edge to find: the edge puts an empty slot into
/// the request's extensions and reads it when the answer comes back.
#[derive(Debug, Clone, Default)]
pub struct DenialSlot(Arc<OnceLock<Denial>>);

impl DenialSlot {
    /// Leaves a refusal; the first one stays.
    pub fn put(&self, denial: Denial) {
        // A second refusal of one request can only repeat the first.
        let _ = self.0.set(denial);
    }

    /// The refusal, if there was one.
    pub fn get(&self) -> Option<&Denial> {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_every_scope_in_one_challenge() {
        let scopes: Arc<[Scope]> = ["tools:a:b", "tools:c:d"]
            .map(|text| Scope::parse(text).unwrap())
            .into();
        let denial = Denial::forbidden("no", scopes);
        let mut headers = HeaderMap::new();
        denial.add_headers(&mut headers);
        assert_eq!(
            headers[header::WWW_AUTHENTICATE],
            r#"Bearer realm="mcp", error="insufficient_scope", scope="tools:a:b tools:c:d""#
        );
        assert_eq!(denial.status(), StatusCode::FORBIDDEN);
        let error = denial.to_error();
        assert_eq!(error.code.0, 403);
        assert_eq!(
            error.data.unwrap()["required_scopes"],
            serde_json::json!(["tools:a:b", "tools:c:d"])
        );
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds_in_the_header_only() {
        let denial = Denial::throttled("slow down", Duration::from_millis(1200));
        let mut headers = HeaderMap::new();
        denial.add_headers(&mut headers);
        assert_eq!(headers[header::RETRY_AFTER], "2");
        assert_eq!(denial.to_error().data.unwrap()["retry_after_ms"], 1200);
    }
}
