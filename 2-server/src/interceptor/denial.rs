//! One refusal, two renderings: a JSON-RPC error that every client understands, and the HTTP
//! status and headers that stateless clients read first.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::StatusCode;
use rmcp::{ErrorData, model::ErrorCode};
use serde_json::{Map, Value};

use super::access::scope::Scope;

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
    /// What the audit log says and the caller isn't told.
    pub note: Option<Box<AuditNote>>,
}

/// What the operator must know about a refusal and the caller must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditNote {
    /// Why, in a word or two, such as `revoked` or `wrong network`.
    pub why: Cow<'static, str>,
    /// Whose credential it was, where that is known: its label and its name.
    pub credential: Option<(Arc<str>, Box<str>)>,
}

/// The kinds of refusal. Their codes are HTTP's: outside the range that JSON-RPC and MCP reserve
/// (−32768…−32000), as the 2026-07-28 specification asks of an application's own codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialKind {
    /// 400: it broke off, or can't be read.
    Malformed,
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
            Self::Malformed => 400,
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
            Self::Malformed => StatusCode::BAD_REQUEST,
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
            note: None,
        }
    }

    /// The same refusal, with what the audit log says of it and the caller isn't told.
    #[must_use]
    pub fn because(mut self, why: impl Into<Cow<'static, str>>) -> Self {
        self.note = Some(Box::new(AuditNote {
            why: why.into(),
            credential: None,
        }));
        self
    }

    /// The same refusal, with whose credential it was.
    #[must_use]
    pub fn of_credential(mut self, label: Arc<str>, name: &str) -> Self {
        if let Some(note) = &mut self.note {
            note.credential = Some((label, name.into()));
        }
        self
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

    /// When to try again, in the whole seconds of `Retry-After`. Rounded up: a client that waits as
    /// long as it was told must not be refused again.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let seconds = self.retry_after?.as_millis().div_ceil(1000).max(1);
        Some(u64::try_from(seconds).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_code_its_scopes_and_its_wait_in_the_error() {
        let scopes: Arc<[Scope]> = [Scope::parse("tools:a:b").unwrap()].into();
        let denial = Denial::forbidden("no", scopes).because("a secret of the operator's");
        assert_eq!(denial.status(), StatusCode::FORBIDDEN);
        let error = denial.to_error();
        assert_eq!(error.code.0, 403);
        let data = error.data.unwrap();
        assert_eq!(data["required_scopes"], serde_json::json!(["tools:a:b"]));
        assert!(!data.to_string().contains("secret"), "{data}");
        let denial = Denial::throttled("slow down", Duration::from_millis(1200));
        assert_eq!(denial.to_error().data.unwrap()["retry_after_ms"], 1200);
    }
}
