//! From where the server can be reached, and by what name. A name that can never match refuses
//! everybody, and a network that is too wide lets everybody say who they are.

use http::uri::Authority;
use ipnet::IpNet;
use url::{Origin, Url};

use super::{Config, Mode, check::Refusals};

impl Config {
    pub(super) fn check_reach(&self, found: &mut Refusals) {
        let server = &self.server;
        let (mode, host) = (server.mode, server.host);
        if !host.is_loopback() && mode != Mode::Prod {
            found.add(
                "server.host",
                format!(
                    "{host} can be reached from outside, and mode is {mode}: use 127.0.0.1, or mode = \"prod\" with keys"
                ),
            );
        } else if !host.is_loopback() {
            if server.trusted_proxies.is_empty() && server.tls_cert.is_none() {
                found.add(
                    "server.host",
                    format!(
                        "{host} can be reached from outside without encryption: set server.tls_cert and server.tls_key, or name the TLS proxy in front of it in server.trusted_proxies"
                    ),
                );
            }
            found.when(
                server.allowed_hosts.is_empty(),
                "server.allowed_hosts",
                "name the host names that clients use, or every request is refused",
            );
        }
        // A proxy brings callers from elsewhere, so loopback says nothing of who they are.
        if mode != Mode::Prod && !server.trusted_proxies.is_empty() && self.anonymous() {
            found.add(
                "server.trusted_proxies",
                format!(
                    "a proxy brings callers from other machines, and mode is {mode}, in which they need no key: use mode = \"prod\" with keys, or auth.anonymous = false with auth.keys_file"
                ),
            );
        }
        found.when(
            is_half_of_all(&server.trusted_proxies),
            "server.trusted_proxies",
            "together this is half of all addresses or more, and whoever is trusted can say any address for its own: name the proxies alone",
        );
        for host in &server.allowed_hosts {
            if let Err(why) = host_name(host) {
                found.add("server.allowed_hosts", format!("\"{host}\" {why}"));
            }
        }
        for origin in &server.allowed_origins {
            if let Err(why) = page_origin(origin) {
                found.add("server.allowed_origins", format!("\"{origin}\" {why}"));
            }
        }
        self.check_metrics(found);
    }

    fn check_metrics(&self, found: &mut Refusals) {
        let (host, mode) = (self.metrics.host, self.server.mode);
        if !host.is_loopback() && mode != Mode::Prod {
            found.add(
                "metrics.host",
                format!("{host} can be reached from outside, and mode is {mode}: use 127.0.0.1"),
            );
        }
        let port = self.server.port;
        let ours = self.server.host;
        let overlap = host == ours || host.is_unspecified() || ours.is_unspecified();
        if port != 0 && self.metrics.port == Some(port) && overlap {
            found.add(
                "metrics.port",
                format!(
                    "{port} is server.port too, and numbers have a port of their own: write {}",
                    port.checked_add(1).unwrap_or(9464)
                ),
            );
        }
    }
}

/// Whether these networks together leave out less than half of a family's addresses. Networks that
/// overlap or touch count as one.
fn is_half_of_all(networks: &[IpNet]) -> bool {
    let networks = IpNet::aggregate(&networks.to_vec());
    let share = |v4: bool| -> f64 {
        let family = networks
            .iter()
            .filter(|network| matches!(network, IpNet::V4(_)) == v4);
        family
            .map(|network| 0.5_f64.powi(network.prefix_len().into()))
            .sum()
    };
    share(true) >= 0.5 || share(false) >= 0.5
}

const NO_PATTERN: &str = "would be anybody, and nothing is matched by a pattern: name each one";

/// What a `Host` header can say: a name or an address, perhaps with a port.
fn host_name(text: &str) -> Result<(), String> {
    if text.contains('*') || text == "null" {
        return Err(NO_PATTERN.to_owned());
    }
    let plain = text.trim_end_matches('/');
    if let Some((_, rest)) = plain.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        return Err(format!(
            "can never match, because a Host header has no scheme: write \"{host}\""
        ));
    }
    if let Some((host, _)) = plain.split_once('/') {
        return Err(format!(
            "can never match, because a Host header has no path: write \"{host}\""
        ));
    }
    if plain.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(format!(
            "can never match: an IPv6 address stands in brackets, \"[{plain}]\""
        ));
    }
    let good = plain
        .parse::<Authority>()
        .is_ok_and(|it| !it.host().is_empty() && !it.as_str().contains('@'));
    if good && plain.is_ascii() {
        return Ok(());
    }
    match url::Host::parse(plain) {
        Ok(host) if !plain.is_ascii() => Err(format!(
            "can never match, because a Host header is plain ASCII: write \"{host}\""
        )),
        _ => Err("isn't a host name: write mcp.example.com, or mcp.example.com:8443".to_owned()),
    }
}

/// What an `Origin` header can say: a scheme and a host, as browsers write them.
fn page_origin(text: &str) -> Result<(), String> {
    if text.contains('*') || text == "null" {
        return Err(NO_PATTERN.to_owned());
    }
    let plain = text.to_ascii_lowercase();
    let Some((scheme, rest)) = plain.split_once("://") else {
        let host = plain.split('/').next().unwrap_or_default();
        return Err(format!(
            "can never match, because an Origin begins with its scheme: write \"https://{host}\""
        ));
    };
    let rest = rest.trim_end_matches('/');
    let plain = format!("{scheme}://{rest}");
    let Ok(url) = Url::parse(&plain) else {
        return Err("isn't an origin: write https://app.example.com".to_owned());
    };
    let origin = url.origin();
    let written = match origin {
        Origin::Tuple(..) => origin.ascii_serialization(),
        // What an extension or an application calls itself by, such as app://name.
        Origin::Opaque(_) => format!("{scheme}://{}", rest.split('/').next().unwrap_or_default()),
    };
    if written == plain && !rest.contains('@') && plain.is_ascii() && !rest.is_empty() {
        return Ok(());
    }
    Err(format!(
        "can never match, because browsers write that \"{written}\": without path, name and usual port"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_no_header_can_say_is_refused_with_the_one_that_can() {
        for good in [
            "mcp.example.com",
            "MCP.example.com",
            "mcp.example.com:8443",
            "mcp.example.com/",
            "10.0.0.7",
            "[fd00::7]:8080",
            "my_box",
        ] {
            assert_eq!(host_name(good), Ok(()), "{good}");
        }
        for (wrong, said) in [
            ("https://mcp.example.com", "write \"mcp.example.com\""),
            ("mcp.example.com/mcp", "no path: write \"mcp.example.com\""),
            ("fd00::7", "\"[fd00::7]\""),
            ("bücher.example", "write \"xn--bcher-kva.example\""),
            ("*.example.com", "nothing is matched by a pattern"),
            ("ada@example.com", "isn't a host name"),
            ("two words", "isn't a host name"),
            ("", "isn't a host name"),
        ] {
            let why = host_name(wrong).unwrap_err();
            assert!(why.contains(said), "{wrong}: {why}");
        }
    }

    #[test]
    fn an_origin_that_no_browser_sends_is_refused_with_the_one_that_it_sends() {
        for good in [
            "https://app.example.com",
            "https://app.example.com/",
            "https://App.example.com:8443",
            "http://localhost:3000",
            "chrome-extension://abcdef",
            "tauri://localhost",
        ] {
            assert_eq!(page_origin(good), Ok(()), "{good}");
        }
        for (wrong, said) in [
            ("app.example.com", "write \"https://app.example.com\""),
            ("https://app.example.com:443", "\"https://app.example.com\""),
            ("http://app.example.com:80", "\"http://app.example.com\""),
            (
                "https://app.example.com/chat",
                "\"https://app.example.com\"",
            ),
            ("https://ada@app.example.com", "\"https://app.example.com\""),
            (
                "https://bücher.example",
                "\"https://xn--bcher-kva.example\"",
            ),
            ("app://name/path", "\"app://name\""),
            ("https://", "isn't an origin"),
            ("null", "would be anybody"),
            ("*", "would be anybody"),
        ] {
            let why = page_origin(wrong).unwrap_err();
            assert!(why.contains(said), "{wrong}: {why}");
        }
    }

    #[test]
    fn networks_count_together() {
        let is_half = |list: &[&str]| {
            let networks: Vec<IpNet> = list.iter().map(|net| net.parse().unwrap()).collect();
            is_half_of_all(&networks)
        };
        for everybody in [
            &["0.0.0.0/0"][..],
            &["::/0"],
            &["0.0.0.0/1", "128.0.0.0/1"],
            &["0.0.0.0/2", "64.0.0.0/2"],
            &["::/1", "8000::/1"],
        ] {
            assert!(is_half(everybody), "{everybody:?}");
        }
        for proxies in [
            &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"][..],
            &["0.0.0.0/2", "0.0.0.0/2", "10.0.0.0/8"],
            &["2400:cb00::/32", "127.0.0.1/32"],
            &[],
        ] {
            assert!(!is_half(proxies), "{proxies:?}");
        }
    }
}
