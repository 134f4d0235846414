//! Is the request meant for this server? Checks `Host` and `Origin` before anything else, on every
//! path: a web page that the user visits must not reach a server on their machine, neither by DNS
//! rebinding (a foreign `Host`) nor directly (a foreign `Origin`).
//! Specification 2026-07-28, transports, "Security Warning".

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::Authority};

use super::headers::is_repeated;
use crate::interceptor::{Denial, DenialKind};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id, x-api-key, x-mcp-client-key",
);
const EXPOSED: HeaderValue =
    HeaderValue::from_static("mcp-session-id, retry-after, www-authenticate");
/// Seconds that a browser may remember the answer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The hosts and origins that are good.
#[derive(Debug, Clone, Default)]
pub(crate) struct Site {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Site {
    /// Loopback names are always good hosts; no origin is, unless it is listed.
    pub(crate) fn new(hosts: &[String], origins: &[String]) -> Self {
        let plain = |text: &String| text.trim_end_matches('/').to_ascii_lowercase();
        Self {
            hosts: hosts.iter().map(plain).collect(),
            origins: origins.iter().map(plain).collect(),
        }
    }

    /// The hosts, for rmcp's own check, which stays on.
    pub(crate) fn allowed_hosts(&self) -> impl Iterator<Item = String> + '_ {
        ["localhost", "127.0.0.1", "::1"]
            .into_iter()
            .map(str::to_owned)
            .chain(self.hosts.iter().cloned())
    }

    /// The origins, for rmcp's own check, which wants their port said.
    pub(crate) fn allowed_origins(&self) -> impl Iterator<Item = String> + '_ {
        self.origins.iter().map(|origin| {
            let has_port = origin.parse::<Uri>().is_ok_and(|uri| uri.port().is_some());
            let port = if origin.starts_with("https") { 443 } else { 80 };
            if has_port {
                origin.clone()
            } else {
                format!("{origin}:{port}")
            }
        })
    }

    /// Checks a request.
    ///
    /// # Errors
    /// 403 for a host or an origin that isn't good.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Denial> {
        let forbidden = |reason: &str| Err(Denial::new(DenialKind::Forbidden, reason));
        if is_repeated(headers, &header::HOST) || is_repeated(headers, &header::ORIGIN) {
            return forbidden("two Host or two Origin headers");
        }
        let host = match headers.get(header::HOST) {
            Some(value) => value.to_str().ok().and_then(|text| text.parse().ok()),
            None => uri.authority().cloned(),
        };
        // A request line that names a host (`GET http://host/path`) counts for more than the header
        // (RFC 9112 §3.2.2), so both must be good.
        let named = uri.authority().is_none_or(|it| self.is_good_host(it));
        if !named || !host.is_some_and(|host: Authority| self.is_good_host(&host)) {
            return forbidden(
                "this Host isn't served here: use http://127.0.0.1, or name it in server.allowed_hosts",
            );
        }
        match headers.get(header::ORIGIN) {
            None => Ok(()),
            Some(origin)
                if origin
                    .to_str()
                    .is_ok_and(|origin| self.origins.contains(&origin.to_ascii_lowercase())) =>
            {
                Ok(())
            }
            Some(_) => forbidden(
                "web pages of this Origin may not call this server: name it in server.allowed_origins if they should",
            ),
        }
    }

    /// Whether no web page can have sent this, for what tells little and needs no key: a page that
    /// rebinds its own name to this machine sends that name. An address can't be rebound, and
    /// whoever sends no `Host` is no browser.
    pub(crate) fn is_not_a_browser(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let hosts = headers.get_all(header::HOST).iter();
        let hosts = hosts.map(|host| host.to_str().ok()?.parse().ok());
        hosts
            .chain(uri.authority().cloned().map(Some))
            .all(|host: Option<Authority>| {
                host.is_some_and(|host| self.is_good_host(&host) || is_address(&host))
            })
    }

    /// The port doesn't count, unless the operator's list names one: a tunnel or a container serves
    /// this server under another. A page can't gain by it. What it rebinds is its own name, never
    /// `localhost`, and what it sends to another port carries its Origin.
    fn is_good_host(&self, authority: &Authority) -> bool {
        // `user@host` in a Host header is a trick, not a host.
        if authority.as_str().contains('@') {
            return false;
        }
        let (host, whole) = (authority.host(), authority.as_str());
        let is_host = |good: &str| good.eq_ignore_ascii_case(host);
        ["localhost", "127.0.0.1", "[::1]"].into_iter().any(is_host)
            || self
                .hosts
                .iter()
                .any(|good| is_host(good) || good.eq_ignore_ascii_case(whole))
    }
}

/// Checks that no page of another origin opens a stream: an image or a link of a page asks without an
/// Origin, but its browser says whose it is (`none` is the user's own doing). A POST doesn't come by
/// here, because no page can send one of JSON without an Origin.
///
/// # Errors
/// 403 for another page's.
pub(super) fn check_page(method: &Method, headers: &HeaderMap) -> Result<(), Denial> {
    let sites = headers.get_all("sec-fetch-site").iter();
    let mut sites = sites.map(HeaderValue::as_bytes);
    if *method == Method::POST
        || headers.contains_key(header::ORIGIN)
        || sites.all(|site| site == b"none" || site == b"same-origin")
    {
        return Ok(());
    }
    Err(Denial::new(
        DenialKind::Forbidden,
        "a web page of another site may not ask for this",
    ))
}

fn is_address(authority: &Authority) -> bool {
    let host = authority.host().trim_matches(['[', ']']);
    !authority.as_str().contains('@') && host.parse::<IpAddr>().is_ok()
}

/// The middleware for what needs no key: see [`Site::is_not_a_browser`].
pub(crate) async fn reject_browsers(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    if site.is_not_a_browser(request.uri(), request.headers()) {
        next.run(request).await
    } else {
        let said = "ask by address, or by a name in server.allowed_hosts\n";
        (StatusCode::FORBIDDEN, said).into_response()
    }
}

/// CORS: may a web page of another origin call this server, and read what it answers? No, unless the
/// operator listed that origin: then its browser's question (the preflight) is answered, for exactly
/// that origin, never with a wildcard and never for cookies.
///
/// The middleware stands in front of the edge, which wants a key: a preflight never has one.
pub(crate) async fn cors(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    // The edge refuses what isn't good here, and records it.
    let good = site.check(request.uri(), request.headers()).is_ok();
    let Some(origin) = origin.filter(|_| good) else {
        return next.run(request).await;
    };
    let asks = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks {
        preflight()
    } else {
        next.run(request).await
    };
    allow(response.headers_mut(), origin);
    response
}

fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    // What is good for this origin must not be served from a cache to another.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(site: &Site, pairs: &[(&'static str, &str)]) -> bool {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        site.check(&Uri::from_static("/mcp"), &headers).is_ok()
    }

    #[test]
    fn only_loopback_and_listed_hosts_are_served() {
        let site = Site::new(&["mcp.example.com".to_owned()], &[]);
        for good in [
            "localhost",
            "127.0.0.1:8080",
            "[::1]:80",
            "LOCALHOST:1",
            "mcp.example.com",
            "MCP.example.com:443",
        ] {
            assert!(check(&site, &[("host", good)]), "{good}");
        }
        for bad in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil@127.0.0.1",
            "localhost.",
            "",
            "0.0.0.0",
            "127.0.0.2",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(!check(&site, &[("host", bad)]), "{bad}");
        }
    }

    #[test]
    fn a_host_in_the_request_line_counts_too() {
        let headers: HeaderMap = [(header::HOST, "localhost".parse().unwrap())]
            .into_iter()
            .collect();
        let check = |uri| {
            Site::default()
                .check(&Uri::from_static(uri), &headers)
                .is_ok()
        };
        assert!(check("http://127.0.0.1:8080/mcp"));
        assert!(!check("http://evil.example/mcp"));
        assert!(!check("http://user@127.0.0.1/mcp"));
    }

    #[test]
    fn what_needs_no_key_is_asked_by_address_or_a_listed_name() {
        let site = Site::new(&["mcp.example.com".to_owned()], &[]);
        let asked = |uri, hosts: &[&str]| {
            let hosts = hosts
                .iter()
                .map(|host| (header::HOST, host.parse().unwrap()));
            site.is_not_a_browser(&Uri::from_static(uri), &hosts.collect())
        };
        for good in ["localhost", "10.0.0.7:8080", "[fd00::7]", "mcp.example.com"] {
            assert!(asked("/healthz", &[good]), "{good}");
        }
        assert!(asked("/healthz", &[]), "no browser");
        for bad in [
            "evil.example",
            "127.0.0.1.evil.example",
            "evil@127.0.0.1",
            "",
        ] {
            assert!(!asked("/healthz", &[bad]), "{bad}");
        }
        assert!(!asked("/healthz", &["127.0.0.1", "evil.example"]));
        assert!(!asked("http://evil.example/healthz", &["127.0.0.1"]));
    }

    #[test]
    fn only_listed_origins_may_call() {
        let closed = Site::new(&[], &[]);
        assert!(
            check(&closed, &[("host", "localhost")]),
            "no browser, no Origin"
        );
        for origin in [
            "http://localhost",
            "http://localhost:8080",
            "null",
            "https://evil.example",
        ] {
            assert!(
                !check(&closed, &[("host", "localhost"), ("origin", origin)]),
                "{origin}"
            );
        }
        let open = Site::new(&[], &["https://app.example.com".to_owned()]);
        assert!(check(
            &open,
            &[("host", "localhost"), ("origin", "https://app.example.com")]
        ));
        assert!(!check(
            &open,
            &[
                ("host", "localhost"),
                ("origin", "https://app.example.com.evil.example")
            ]
        ));
        assert!(!check(
            &open,
            &[("host", "localhost"), ("origin", "http://app.example.com")]
        ));
    }
}
