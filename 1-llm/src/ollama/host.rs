//! Where Ollama is: the rules of `OLLAMA_HOST`, as Ollama's own program reads it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

const DEFAULT_PORT: u16 = 11434;

/// An engine's address, and where it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The base address; its path ends in `/`, so that joining keeps it.
    pub url: Url,
    /// What set it, for messages: `OLLAMA_HOST`, `base_url`, or `the default`.
    pub source: &'static str,
    /// What was wrong with it and was repaired, as Ollama does.
    pub warning: Option<String>,
}

impl Host {
    /// Takes the configured address, else the one in the variable of that name, else Ollama's
    /// default.
    ///
    /// # Errors
    /// When the address isn't one; the message names which of the two it was.
    pub fn find(
        configured: Option<&str>,
        variable: &'static str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let (raw, source) = match (configured, env(variable)) {
            (Some(url), _) => (url.to_owned(), "base_url"),
            (None, Some(host)) if !host.trim().is_empty() => (host, variable),
            (None, _) => (String::new(), "the default"),
        };
        let host = Self::parse(&raw).map_err(|problem| format!("{source} {problem}"))?;
        Ok(Self { source, ..host })
    }

    /// Reads one address by Ollama's rules: no scheme is http on 11434, `http://` is port 80,
    /// `https://` is 443, a bad port is the default one (with a warning), and an address that
    /// means "every interface" is the loopback one.
    ///
    /// # Errors
    /// When the scheme isn't http or https, when the address holds a user name or password
    /// (keys belong in the environment), or when it can't be an address at all.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let text = raw.trim().trim_matches(['"', '\'']).trim();
        let (scheme, rest, default_port) = match text.split_once("://") {
            None if text == "ollama.com" => ("https", text, 443),
            None => ("http", text, DEFAULT_PORT),
            Some((s, rest)) if s.eq_ignore_ascii_case("http") => ("http", rest, 80),
            Some((s, rest)) if s.eq_ignore_ascii_case("https") => ("https", rest, 443),
            Some(_) => {
                return Err(
                    "has a scheme other than http:// and https://; it looks like http://127.0.0.1:11434"
                        .to_owned(),
                );
            }
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(
                "holds a user name or a password; put the key into OLLAMA_API_KEY (or OPENAI_API_KEY) instead"
                    .to_owned(),
            );
        }
        let (host, port) = split_port(authority);
        let mut warning = None;
        let port = match port.map(str::parse::<u16>) {
            None => default_port,
            Some(Ok(port)) => port,
            Some(Err(_)) => {
                warning = Some(format!(
                    "the port in the address isn't one; using {default_port}"
                ));
                default_port
            }
        };
        let path = path.trim_end_matches('/');
        let slash = if path.is_empty() { "" } else { "/" };
        let text = format!("{scheme}://{}:{port}/{path}{slash}", reachable(host));
        let url = Url::parse(&text).map_err(|error| {
            format!("isn't an address ({error}); it looks like http://127.0.0.1:11434")
        })?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("has a ? or # in it; it looks like http://127.0.0.1:11434".to_owned());
        }
        Ok(Self {
            url,
            source: "the default",
            warning,
        })
    }

    /// Whether the address is this machine's own.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The address without its last slash, as people write it.
    pub fn shown(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The address for somebody who may not know the operator's network: only this machine's own
    /// address is spelt out.
    pub fn shown_publicly(&self) -> String {
        let place = if self.is_loopback() {
            self.shown()
        } else {
            "its address"
        };
        format!("{place} (from {})", self.source)
    }
}

/// Splits `host:port`, `[v6]:port`, `:port`, and leaves a bare IPv6 address whole.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some(inner) = authority.strip_prefix('[') {
        return match inner.split_once(']') {
            Some((host, after)) => (host, after.strip_prefix(':')),
            None => (authority, None),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// The name to connect to: a server listens on "every interface", but nobody can connect to it.
fn reachable(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => format!("[{}]", Ipv6Addr::LOCALHOST),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) if host.is_empty() => Ipv4Addr::LOCALHOST.to_string(),
        Err(_) => host.to_owned(),
    }
}

/// Whether an address stays on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => {
            name.eq_ignore_ascii_case("localhost") || name.ends_with(".localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table is Ollama's own, from its tests of `OLLAMA_HOST`, with the rows on listening
    /// addresses turned into what a client connects to.
    #[test]
    fn an_address_is_read_as_ollama_reads_it() {
        for (written, expected) in [
            ("", "http://127.0.0.1:11434/"),
            ("1.2.3.4", "http://1.2.3.4:11434/"),
            (":1234", "http://127.0.0.1:1234/"),
            ("1.2.3.4:1234", "http://1.2.3.4:1234/"),
            ("http://1.2.3.4:1234", "http://1.2.3.4:1234/"),
            ("http://1.2.3.4", "http://1.2.3.4/"),
            ("https://1.2.3.4", "https://1.2.3.4/"),
            ("https://1.2.3.4:1234", "https://1.2.3.4:1234/"),
            ("[::1]", "http://[::1]:11434/"),
            ("::1", "http://[::1]:11434/"),
            ("[::1]:1337", "http://[::1]:1337/"),
            ("[::]", "http://[::1]:11434/"),
            ("0.0.0.0", "http://127.0.0.1:11434/"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080/"),
            ("  1.2.3.4 ", "http://1.2.3.4:11434/"),
            ("\"1.2.3.4\"", "http://1.2.3.4:11434/"),
            (" ' 1.2.3.4 ' ", "http://1.2.3.4:11434/"),
            ("example.com", "http://example.com:11434/"),
            ("example.com/ollama", "http://example.com:11434/ollama/"),
            ("example.com:1234/a/b/", "http://example.com:1234/a/b/"),
            ("https://example.com/ollama", "https://example.com/ollama/"),
            ("ollama.com", "https://ollama.com/"),
            ("HTTP://localhost:1", "http://localhost:1/"),
        ] {
            let host = Host::parse(written).unwrap();
            assert_eq!(
                (host.url.as_str(), host.warning),
                (expected, None),
                "{written:?}"
            );
        }
    }

    #[test]
    fn a_bad_port_is_the_default_one_and_says_so() {
        for (written, expected) in [
            ("localhost:99999", "http://localhost:11434/"),
            ("localhost:-1", "http://localhost:11434/"),
            ("localhost:port", "http://localhost:11434/"),
            ("https://localhost:port", "https://localhost/"),
        ] {
            let host = Host::parse(written).unwrap();
            assert_eq!(host.url.as_str(), expected, "{written:?}");
            assert!(host.warning.is_some(), "{written:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for written in [
            "ftp://localhost",
            "http://a b",
            "http://[::1",
            "http://h/?q=1",
            "#",
        ] {
            assert!(Host::parse(written).is_err(), "{written:?}");
        }
    }

    #[test]
    fn a_password_is_refused_without_repeating_it() {
        let refused = Host::parse("http://user:hunter2@host").unwrap_err();
        assert!(
            refused.contains("OLLAMA_API_KEY") && !refused.contains("hunter2"),
            "{refused}"
        );
    }

    #[test]
    fn the_configuration_wins_over_the_environment_and_an_empty_variable_is_none() {
        let find = |configured: Option<&str>, value: &'static str| {
            Host::find(configured, "OLLAMA_HOST", &|_| Some(value.to_owned()))
        };
        assert_eq!(find(Some("2.2.2.2"), "1.1.1.1").unwrap().source, "base_url");
        assert_eq!(find(None, "1.1.1.1").unwrap().source, "OLLAMA_HOST");
        assert_eq!(find(None, "  ").unwrap().source, "the default");
        assert!(
            find(None, "ftp://x")
                .unwrap_err()
                .starts_with("OLLAMA_HOST ")
        );
    }

    #[test]
    fn only_this_machines_own_address_is_shown_to_everybody() {
        let shown = |host: &str| Host::parse(host).unwrap().shown_publicly();
        assert_eq!(shown(":1234"), "http://127.0.0.1:1234 (from the default)");
        assert_eq!(
            shown("http://10.1.2.3:11434"),
            "its address (from the default)"
        );
    }
}
