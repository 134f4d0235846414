//! Why something didn't work, in words that say what to do next.
//!
//! A refusal by policy, a throttle, a server that is away and a broken answer are different things to
//! a person, so they are different variants here and look different on screen.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::untrusted::label;

/// The longest piece of a server's message that is kept; a refusal is no place for a book.
const MAX_MESSAGE: usize = 600;

/// A server's "no": a JSON-RPC error whose code is one of the HTTP-like refusal codes.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// 401, 403, 408, 413, 429 or 503.
    pub code: i64,
    /// The server's own words.
    pub message: String,
    /// The server's short machine-readable reason, when it gave one.
    pub reason: Option<String>,
    /// The scopes that would have been enough.
    pub required_scopes: Vec<String>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
}

/// Anything that can go wrong between this client and a server.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The server understood and said no.
    #[error("{}", .0.headline())]
    Refused(Refusal),
    /// Any other JSON-RPC error.
    #[error("the server answered with error {code}: {message}")]
    Rpc {
        /// The JSON-RPC error code.
        code: i64,
        /// The server's message.
        message: String,
    },
    /// Nobody answers at the address.
    #[error("can't reach the server: {0}")]
    Away(String),
    /// The program that is the server didn't start, or ended.
    #[error("{0}")]
    NotStarted(String),
    /// It answers, and nothing shows that it is the one that it should be.
    #[error("the server can't prove who it is: {0}")]
    Untrusted(String),
    /// Something answers at the address, and no MCP server does.
    #[error("no MCP server answers at {address} ({status})")]
    NoServer {
        /// The address.
        address: String,
        /// What the HTTP status says.
        status: String,
        /// Where one may be.
        perhaps: Option<String>,
    },
    /// The model, or the program that runs it, reports a failure.
    #[error("the model didn't answer: {0}")]
    Model(String),
    /// The connection broke after the request was sent: whether it ran is unknown.
    #[error("the connection was lost before the answer was complete")]
    Lost,
    /// The server forgot this client's session.
    #[error("the server no longer knows this session")]
    SessionExpired,
    /// Nothing came for too long.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Somebody here changed their mind.
    #[error("cancelled")]
    Cancelled,
    /// The other side doesn't speak the protocol as agreed.
    #[error("the server's answer can't be used: {0}")]
    Protocol(String),
    /// Held back here: what the server says of itself or of a tool isn't what was looked at.
    #[error("{0}")]
    Held(String),
    /// Longer than this client takes, in time or in size. Says which limit.
    #[error("{0}")]
    TooMuch(String),
    /// Wrong on this side: an unknown name, arguments that aren't JSON.
    #[error("{0}")]
    Here(String),
}

/// The handful of kinds that a screen tells apart, also in a chat's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The key is missing or wrong.
    SignedOut,
    /// The key is fine, the right is missing.
    Forbidden,
    /// Too many calls: wait.
    Throttled,
    /// The server is there but busy, slow or over its limits.
    Overloaded,
    /// The server isn't there.
    Away,
    /// The person stopped it.
    Cancelled,
    /// It waits until a person has looked at it.
    Held,
    /// Everything else.
    Broken,
}

impl Refusal {
    /// Reads a refusal from a JSON-RPC error, when its code is one.
    #[must_use]
    pub fn from_rpc(code: i64, message: &str, data: Option<&Value>) -> Option<Self> {
        if !matches!(code, 401 | 403 | 408 | 413 | 429 | 503) {
            return None;
        }
        let text = |key: &str| {
            data.and_then(|d| d.get(key))
                .and_then(Value::as_str)
                .map(|s| label(s, 120))
        };
        let required_scopes = data
            .and_then(|d| d.get("required_scopes"))
            .and_then(Value::as_array)
            .map(|scopes| {
                scopes
                    .iter()
                    .filter_map(Value::as_str)
                    .take(32)
                    .map(|s| label(s, 120))
                    .collect()
            })
            .unwrap_or_default();
        let retry_after = data
            .and_then(|d| d.get("retry_after_ms"))
            .and_then(Value::as_u64)
            .map(Duration::from_millis);
        Some(Self {
            code,
            message: label(message, MAX_MESSAGE),
            reason: text("reason"),
            required_scopes,
            retry_after,
        })
    }

    /// One line that says what happened.
    #[must_use]
    pub fn headline(&self) -> String {
        let what = match self.code {
            401 => "not signed in",
            403 => "not allowed",
            408 => "the server ran out of time",
            413 => "the request is too large",
            429 => "too many calls",
            _ => "the server is busy",
        };
        format!("{what} ({}): {}", self.code, self.message)
    }
}

impl Failure {
    /// Sorts a JSON-RPC error into refusal or plain error.
    #[must_use]
    pub fn from_rpc(code: i64, message: &str, data: Option<&Value>) -> Self {
        Refusal::from_rpc(code, message, data).map_or_else(
            || Self::Rpc {
                code,
                message: label(message, MAX_MESSAGE),
            },
            Self::Refused,
        )
    }

    /// Which of the kinds that a screen tells apart.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Refused(refusal) => match refusal.code {
                401 => Kind::SignedOut,
                403 => Kind::Forbidden,
                429 => Kind::Throttled,
                _ => Kind::Overloaded,
            },
            Self::Away(_) | Self::NotStarted(_) => Kind::Away,
            Self::TimedOut(_) => Kind::Overloaded,
            Self::Cancelled => Kind::Cancelled,
            Self::Held(_) => Kind::Held,
            Self::TooMuch(_) => Kind::Overloaded,
            Self::Rpc { .. }
            | Self::Untrusted(_)
            | Self::NoServer { .. }
            | Self::Model(_)
            | Self::Lost
            | Self::SessionExpired
            | Self::Protocol(_)
            | Self::Here(_) => Kind::Broken,
        }
    }

    /// How long the server asked to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// Whether making a new connection can help. A refusal never gets better by asking again at once.
    #[must_use]
    pub fn wants_reconnect(&self) -> bool {
        matches!(
            self,
            Self::Away(_) | Self::NotStarted(_) | Self::Lost | Self::SessionExpired
        )
    }

    /// What the person can do about it, when there is something.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => match refusal.code {
                401 => Some("Set MCP_CLIENT_KEY to a key that this server knows (or key_file in client.toml), then start again.".into()),
                403 if refusal.required_scopes.is_empty() => Some("Ask the server's operator for the right to do this.".into()),
                // A server that has named them has said all that there is to say.
                403 if refusal.required_scopes.iter().all(|scope| refusal.message.contains(scope.as_str())) => None,
                403 => Some(format!("It needs the scope {}. Ask the server's operator to grant it to your key.", refusal.required_scopes.join(" and "))),
                413 => Some("Send less: a shorter message or a smaller resource. /compact sums a long chat up.".into()),
                429 => refusal.retry_after.map(|wait| format!("Wait {} and send it again.", seconds(wait))),
                408 | 503 => Some("Send it again in a moment.".into()),
                _ => None,
            },
            Self::Away(_) => Some("Is the server running? Start it with `make run-server-sse`, or set MCP_SERVER_URL.".into()),
            Self::NotStarted(_) => Some("Check its command in the configuration, and that the program is installed; `mcp-client` finds it on PATH.".into()),
            Self::Untrusted(_) => Some("Check the address. If its certificate is from an authority of your own, this machine has to know that authority.".into()),
            Self::NoServer { perhaps: Some(there), .. } => Some(format!("An MCP server's address usually ends in /mcp. Perhaps it is {there}")),
            Self::NoServer { perhaps: None, .. } => Some("Check the address: --server, MCP_SERVER_URL, or url in the configuration.".into()),
            Self::Lost => Some("The call may have run. It isn't repeated for you: send it again if that is safe.".into()),
            Self::SessionExpired => Some("A new session is being opened. The call didn't run: send it again.".into()),
            Self::TimedOut(_) => Some("Send it again, or raise the limits under [limits] in client.toml.".into()),
            Self::Held(_) => Some("/changes shows what is new; from there it can be accepted.".into()),
            Self::Rpc { code: -32602, .. } => Some("Check the arguments against the tool's schema.".into()),
            Self::Rpc { .. } | Self::Cancelled | Self::Protocol(_) | Self::Model(_) | Self::TooMuch(_) | Self::Here(_) => None,
        }
    }
}

/// A duration as a person says it: `4 s`, `0.3 s`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} s", duration.as_secs_f64().ceil())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_forbidden_call_names_every_scope_that_is_missing() {
        let data = json!({"reason": "insufficient_scope", "required_scopes": ["tools:echo:call", "x:y:z"]});
        let failure = Failure::from_rpc(403, "no", Some(&data));
        assert_eq!(failure.kind(), Kind::Forbidden);
        assert!(
            failure
                .advice()
                .unwrap()
                .contains("tools:echo:call and x:y:z")
        );
    }

    #[test]
    fn scopes_that_the_refusal_names_itself_are_not_named_again() {
        let needs = json!({"reason": "insufficient_scope", "required_scopes": ["a:b:c", "x:y:z"]});
        let told = Failure::from_rpc(403, "this takes a:b:c and x:y:z", Some(&needs));
        assert_eq!(told.advice(), None);
        let half_told = Failure::from_rpc(403, "this takes a:b:c", Some(&needs));
        assert!(half_told.advice().unwrap().contains("a:b:c and x:y:z"));
    }

    #[test]
    fn a_throttle_says_how_long_to_wait() {
        let failure = Failure::from_rpc(429, "slow down", Some(&json!({"retry_after_ms": 1500})));
        assert_eq!(failure.kind(), Kind::Throttled);
        assert_eq!(failure.retry_after(), Some(Duration::from_millis(1500)));
        assert!(failure.advice().unwrap().contains("2 s"));
    }

    #[test]
    fn a_code_that_is_no_refusal_stays_a_plain_error() {
        assert_eq!(
            Failure::from_rpc(-32601, "what?", None),
            Failure::Rpc {
                code: -32601,
                message: "what?".into()
            }
        );
    }

    #[test]
    fn a_refusal_is_never_a_reason_to_reconnect() {
        assert!(!Failure::from_rpc(401, "no", None).wants_reconnect());
        assert!(Failure::Away("refused".into()).wants_reconnect());
    }

    #[test]
    fn a_servers_message_cannot_carry_escape_sequences() {
        let Failure::Refused(refusal) = Failure::from_rpc(403, "\u{1b}[2J", None) else {
            unreachable!()
        };
        assert!(!refusal.message.contains('\u{1b}'));
    }
}
