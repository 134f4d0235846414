//! Is the request meant for this server? Checks `Host` and `Origin` before anything else, on every
//! path: a web page that the user visits must not reach a server on their machine, neither by DNS
//! rebinding (a foreign `Host`) nor directly (a foreign `Origin`).
//! Specification 2026-07-28, transports, "Security Warning".

use http::{HeaderMap, Uri, header, uri::Authority};

use crate::interceptor::{Denial, DenialKind};

/// The hosts and origins that are good.
#[derive(Debug, Clone, Default)]
pub(super) struct Site {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Site {
    /// Loopback names are always good hosts; no origin is, unless it is listed.
    pub(super) fn new(hosts: &[String], origins: &[String]) -> Self {
        let plain = |text: &String| text.trim_end_matches('/').to_ascii_lowercase();
        Self {
            hosts: hosts.iter().map(plain).collect(),
            origins: origins.iter().map(plain).collect(),
        }
    }

    /// The hosts, for rmcp's own check, which stays on.
    pub(super) fn allowed_hosts(&self) -> impl Iterator<Item = String> + '_ {
        ["localhost", "127.0.0.1", "::1"]
            .into_iter()
            .map(str::to_owned)
            .chain(self.hosts.iter().cloned())
    }

    /// The origins, for rmcp's own check, which wants their port said.
    pub(super) fn allowed_origins(&self) -> impl Iterator<Item = String> + '_ {
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
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Denial> {
        let forbidden = |reason: &str| Err(Denial::new(DenialKind::Forbidden, reason));
        if headers.get_all(header::HOST).iter().nth(1).is_some()
            || headers.get_all(header::ORIGIN).iter().nth(1).is_some()
        {
            return forbidden("two Host or two Origin headers");
        }
        let host = match headers.get(header::HOST) {
            Some(value) => value.to_str().ok().and_then(|text| text.parse().ok()),
            None => uri.authority().cloned(),
        };
        if !host.is_some_and(|host: Authority| self.is_good_host(&host)) {
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
