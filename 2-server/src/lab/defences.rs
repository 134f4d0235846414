//! The defences that can be off, and which attacks succeed without each: `mcp-client attack` must
//! be red on exactly these rows, and a test compares.

use std::time::Duration;

use super::{
    Lab,
    message::{Asked, Message, Reply},
    weaken as off,
};
use crate::config::Config;

type OnRequest = fn(&Lab, &mut Message);
type OnReply = fn(&Lab, &Asked, &mut Reply);

/// A defence, and what becomes of the server without it.
pub struct Defence {
    /// Its name, for `--defences-off`.
    pub name: &'static str,
    /// What the server no longer does.
    pub gone: &'static str,
    /// The attacks that succeed then.
    pub rows: &'static [&'static str],
    pub(super) setting: fn(&mut Config),
    pub(super) request: Option<OnRequest>,
    pub(super) reply: Option<OnReply>,
    pub(super) reads_body: bool,
    pub(super) body_bounds: Option<(usize, Duration)>,
}

impl std::fmt::Debug for Defence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Defence({})", self.name)
    }
}

/// All defences on: what every weakened server is compared with.
pub static GUARDED: Defence = Defence::off("none", "nothing: every defence is on", &[]);

/// A day: as good as no limit, for a lab.
const ENDLESS: Duration = Duration::from_secs(86_400);

static ALL: &[Defence] = &[
    Defence::off(
        "host-origin",
        "looks at Host and Origin",
        &[
            "foreign-host",
            "lookalike-host",
            "rebound-page",
            "foreign-origin",
            "lookalike-origin",
            "null-origin",
            "two-hosts",
        ],
    )
    .by_request(off::host_origin),
    Defence::off("cors", "keeps CORS closed", &["open-preflight"]).by_reply(off::cors),
    Defence::off(
        "content-type",
        "asks for application/json",
        &["missing-origin"],
    )
    .by_request(off::content_type),
    Defence::off(
        "authentication",
        "asks who calls",
        &[
            "no-key",
            "wrong-key",
            "empty-key",
            "shortened-key",
            "two-keys",
            "unsigned-token",
            "session-theft",
            "session-eavesdropping",
            "session-ending",
        ],
    )
    .by_request(off::authentication),
    Defence::off(
        "keys-in-headers",
        "refuses keys in addresses",
        &["key-in-url"],
    )
    .by_request(off::keys_in_headers),
    Defence::off(
        "one-credential",
        "refuses two credentials that differ",
        &["two-keys"],
    )
    .by_request(off::one_credential),
    Defence::off(
        "scope-checks",
        "checks scopes when something is done, and not only when it is listed",
        &[
            "hidden-tool",
            "tool-oracle",
            "hidden-resource",
            "claimed-identity",
            "forwarded-identity",
        ],
    )
    .by_body(off::scope_checks),
    Defence::off(
        "one-refusal",
        "refuses what is forbidden and what doesn't exist alike",
        &["tool-oracle"],
    )
    .by_exchange(off::nothing, off::one_refusal),
    Defence::off("exact-names", "takes names as they are", &["name-tricks"])
        .by_body(off::exact_names),
    Defence::off(
        "list-filter",
        "shows each caller only what is for them",
        &["open-list"],
    )
    .by_body(off::list_filter),
    Defence::off(
        "known-methods",
        "refuses methods that it doesn't know",
        &["unknown-method"],
    )
    .by_exchange(off::nothing, off::known_methods),
    Defence::off(
        "identity-from-key",
        "takes identities from keys only",
        &["claimed-identity"],
    )
    .by_body(off::identity_from_key),
    Defence::off(
        "proxy-headers",
        "ignores a proxy's headers from strangers",
        &["forwarded-identity"],
    )
    .by_request(off::proxy_headers),
    Defence::off(
        "session-owner",
        "binds a session to who opened it",
        &["session-theft", "session-eavesdropping", "session-ending"],
    )
    .by_request(off::session_owner)
    .by_reply(off::session_opened),
    Defence::off(
        "session-names",
        "names sessions at random",
        &["session-guessing"],
    )
    .by_request(off::session_renamed)
    .by_reply(off::session_names),
    Defence::off(
        "session-cap",
        "caps the sessions of one caller",
        &["session-flood"],
    )
    .by_setting(off::session_cap),
    Defence::off(
        "header-match",
        "compares headers with the body",
        &[
            "method-mismatch",
            "name-mismatch",
            "missing-headers",
            "version-mismatch",
        ],
    )
    .by_body(off::header_match),
    Defence::off(
        "strict-json",
        "refuses doubled keys and keys in another case",
        &["duplicate-keys", "folded-keys"],
    )
    .by_body(off::strict_json),
    Defence::off(
        "body-limit",
        "bounds a request's body",
        &["oversized-body", "endless-body"],
    )
    .by_setting(off::body_limit),
    Defence::off(
        "body-time-out",
        "bounds the time that a body takes",
        &["slow-body"],
    )
    .bounded_by(4 << 20, ENDLESS),
    Defence::off(
        "short-errors",
        "cuts what it repeats in an error",
        &["amplified-error"],
    )
    .by_exchange(off::nothing, off::short_errors),
    Defence::off(
        "fixed-hosts",
        "calls only hosts that the operator chose",
        &["url-injection"],
    )
    .by_body(off::fixed_hosts),
    Defence::off(
        "record-escapes",
        "escapes what it writes into the record",
        &["log-forgery", "log-escapes"],
    )
    .by_setting(off::no_record)
    .by_body(off::record_escapes),
    Defence::off(
        "record-redaction",
        "keeps keys out of the record",
        &["leaked-key"],
    )
    .by_request(off::record_redaction),
    Defence::off(
        "plain-descriptions",
        "describes its tools and nothing else",
        &["poisoned-descriptions"],
    )
    .by_exchange(off::nothing, off::plain_descriptions),
    Defence::off(
        "steady-definitions",
        "keeps a tool what it was",
        &["rug-pull"],
    )
    .by_exchange(off::nothing, off::steady_definitions),
    Defence::off(
        "steady-order",
        "lists in a fixed order",
        &["unsteady-order"],
    )
    .by_exchange(off::nothing, off::steady_order),
    Defence::off(
        "private-lists",
        "marks filtered lists as private",
        &["shared-cache"],
    )
    .by_reply(off::private_lists),
    Defence::off(
        "public-errors",
        "keeps its inside out of errors",
        &["talkative-errors"],
    )
    .by_reply(off::public_errors),
    Defence::off("old-doors", "guards every path", &["side-doors"]).by_reply(off::old_doors),
    Defence::off("rate-limit", "limits a caller's requests", &["call-flood"])
        .by_setting(off::rate_limit),
    Defence::off(
        "failure-limit",
        "limits failed sign-ins",
        &["brute-force", "spread-brute-force"],
    )
    .by_setting(off::failure_limit),
    Defence::off(
        "listed-proxies",
        "believes X-Forwarded-For only of listed proxies",
        &["spread-brute-force"],
    )
    .by_setting(off::listed_proxies),
];

/// Every defence that can be off.
#[must_use]
pub fn all() -> &'static [Defence] {
    ALL
}

/// The defence of this name; `none` gives [`GUARDED`].
#[must_use]
pub fn find(name: &str) -> Option<&'static Defence> {
    if name == GUARDED.name {
        return Some(&GUARDED);
    }
    ALL.iter().find(|defence| defence.name == name)
}

impl Defence {
    const fn off(name: &'static str, gone: &'static str, rows: &'static [&'static str]) -> Self {
        Self {
            name,
            gone,
            rows,
            setting: |_config| {},
            request: None,
            reply: None,
            reads_body: false,
            body_bounds: None,
        }
    }

    const fn by_setting(self, setting: fn(&mut Config)) -> Self {
        Self { setting, ..self }
    }

    const fn by_request(self, request: OnRequest) -> Self {
        Self {
            request: Some(request),
            ..self
        }
    }

    /// As `by_request`, for what must read the message too.
    const fn by_body(self, request: OnRequest) -> Self {
        Self {
            request: Some(request),
            reads_body: true,
            ..self
        }
    }

    const fn by_reply(self, reply: OnReply) -> Self {
        Self {
            reply: Some(reply),
            ..self
        }
    }

    /// For a reply that depends on what was asked.
    const fn by_exchange(self, request: OnRequest, reply: OnReply) -> Self {
        self.by_body(request).by_reply(reply)
    }

    const fn bounded_by(self, bytes: usize, wait: Duration) -> Self {
        Self {
            body_bounds: Some((bytes, wait)),
            reads_body: true,
            ..self
        }
    }

    pub(super) fn is_at_the_door(&self) -> bool {
        self.request.is_some() || self.reply.is_some() || self.reads_body
    }
}
