//! The headers that MCP names, each parsed once: a name that is looked up as text is parsed anew.

use http::{HeaderMap, HeaderName};

/// Which version a request speaks (2026-07-28, transports, "Protocol Version Header").
pub(super) static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The session of an older client.
pub(super) static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The message's method, for proxies (2026-07-28, transports, "Standard Request Headers").
pub(super) static METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// What the method acts on, for proxies.
pub(super) static NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Where a client puts its key, if not into `Authorization`.
pub(super) static KEYS: [HeaderName; 2] = [
    HeaderName::from_static("x-mcp-client-key"),
    HeaderName::from_static("x-api-key"),
];
/// From whom a proxy got the request.
pub(super) static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A header's value, if there is one and no other, and it is text.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether a header is there more than once.
pub(super) fn is_repeated(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}
