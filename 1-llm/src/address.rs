//! Where an engine listens, and who said so. Ollama's addresses follow the rules of its own
//! `OLLAMA_HOST`; all others are plain URLs.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use url::Url;

const OLLAMA_PORT: u16 = 11434;

/// The base address of an engine's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The URL; its path ends in `/`, so that joining another path keeps it.
    pub url: Url,
    /// Who set it, so that a message can say where to change it.
    pub source: Source,
    /// What was wrong with it and was repaired, as Ollama does.
    pub warning: Option<String>,
}

/// Who set an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The setting `base_url`.
    BaseUrl,
    /// An environment variable of this name.
    Variable(&'static str),
    /// Nobody did, so it is the engine's usual one.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BaseUrl => "base_url",
            Self::Variable(name) => name,
            Self::Default => "the default",
        })
    }
}

/// How an address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// As `OLLAMA_HOST`: the scheme and the port may be missing (then it is http on 11434), and
    /// a port that isn't one is repaired with a warning.
    Ollama,
    /// As a URL with its scheme; the port is the scheme's when it is missing.
    Url,
}

impl Syntax {
    /// What a correct address looks like, for messages.
    fn example(self) -> &'static str {
        match self {
            Self::Ollama => "http://127.0.0.1:11434",
            Self::Url => "http://127.0.0.1:8000/v1",
        }
    }
}

impl Address {
    /// The configured address, else the one in the variable of that name; `None` when neither is
    /// set.
    ///
    /// # Errors
    /// When the address isn't one; the message names which of the two it was.
    pub fn find(
        configured: Option<&str>,
        variable: &'static str,
        syntax: Syntax,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let (raw, source) = match (configured, env(variable)) {
            (Some(url), _) => (url.to_owned(), Source::BaseUrl),
            (None, Some(raw)) if !raw.trim().is_empty() => (raw, Source::Variable(variable)),
            (None, _) => return Ok(None),
        };
        let address = Self::parse(&raw, syntax).map_err(|problem| format!("{source} {problem}"))?;
        Ok(Some(Self { source, ..address }))
    }

    /// Where Ollama listens when nobody says otherwise.
    pub(crate) fn ollama_default() -> Result<Self, String> {
        Self::parse("", Syntax::Ollama)
    }

    /// Reads one address. In both syntaxes an address that means "every interface" becomes the
    /// loopback one: a server can listen there, but nobody can connect to it.
    ///
    /// # Errors
    /// When the scheme isn't http or https, when the address holds a user name or password
    /// (keys belong in the environment), or when it can't be an address at all.
    pub fn parse(raw: &str, syntax: Syntax) -> Result<Self, String> {
        let example = syntax.example();
        let text = raw.trim().trim_matches(['"', '\'']).trim();
        let (scheme, rest, default_port) = match text.split_once("://") {
            Some((s, rest)) if s.eq_ignore_ascii_case("http") => ("http", rest, 80),
            Some((s, rest)) if s.eq_ignore_ascii_case("https") => ("https", rest, 443),
            None if syntax == Syntax::Ollama && text == "ollama.com" => ("https", text, 443),
            None if syntax == Syntax::Ollama => ("http", text, OLLAMA_PORT),
            None => {
                return Err(format!(
                    "must begin with http:// or https://, such as {example}"
                ));
            }
            Some(_) => {
                return Err(format!(
                    "has a scheme other than http:// and https://; it looks like {example}"
                ));
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
        if host.is_empty() && syntax == Syntax::Url {
            return Err(format!("names no host; it looks like {example}"));
        }
        let mut warning = None;
        let port = match port.map(str::parse::<u16>) {
            None => default_port,
            Some(Ok(port)) => port,
            Some(Err(_)) if syntax == Syntax::Url => {
                return Err(format!(
                    "has a port that isn't a number from 0 to 65535; it looks like {example}"
                ));
            }
            Some(Err(_)) => {
                warning = Some(format!(
                    "the port in the address isn't one; using {default_port}"
                ));
                default_port
            }
        };
        let path = path.trim_end_matches('/');
        let slash = if path.is_empty() { "" } else { "/" };
        let text = format!("{scheme}://{}:{port}/{path}{slash}", connectable(host));
        let url = Url::parse(&text)
            .map_err(|error| format!("isn't an address ({error}); it looks like {example}"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("has a ? or # in it; it looks like {example}"));
        }
        Ok(Self {
            url,
            source: Source::Default,
            warning,
        })
    }

    /// Whether the address stays on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The address without its last slash, as people write it. For logs and for the operator.
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The address for somebody who may not know the operator's network: only this machine's own
    /// address is spelt out.
    pub fn public_description(&self) -> String {
        let place = if self.is_loopback() {
            self.as_str()
        } else {
            "its address"
        };
        format!("{place} (from {})", self.source)
    }
}

/// Whether a URL stays on this machine: a loopback IP address, or exactly `localhost`.
///
/// Names below it (`x.localhost`) don't count: some resolvers send those to the network.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        Some(url::Host::Domain(name)) => name.trim_end_matches('.') == "localhost",
        None => false,
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

/// The host to connect to, where the written one may mean "every interface" or nothing.
fn connectable(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => format!("[{}]", Ipv6Addr::LOCALHOST),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) if host.is_empty() => Ipv4Addr::LOCALHOST.to_string(),
        Err(_) => host.to_owned(),
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
            let address = Address::parse(written, Syntax::Ollama).unwrap();
            assert_eq!(
                (address.url.as_str(), address.warning),
                (expected, None),
                "{written:?}"
            );
        }
    }

    #[test]
    fn a_bad_port_in_ollamas_syntax_is_the_default_one_and_says_so() {
        for (written, expected, port) in [
            ("localhost:99999", "http://localhost:11434/", "11434"),
            ("localhost:-1", "http://localhost:11434/", "11434"),
            ("localhost:port", "http://localhost:11434/", "11434"),
            ("https://localhost:port", "https://localhost/", "443"),
        ] {
            let address = Address::parse(written, Syntax::Ollama).unwrap();
            assert_eq!(address.url.as_str(), expected, "{written:?}");
            let warning = address.warning.unwrap();
            assert!(warning.ends_with(&format!("using {port}")), "{warning}");
        }
    }

    #[test]
    fn an_address_of_another_engine_is_a_url_and_nothing_of_ollamas_is_assumed() {
        for (written, expected) in [
            ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/"),
            ("http://gpu/v1/", "http://gpu/v1/"),
            ("https://ollama.com", "https://ollama.com/"),
            ("http://0.0.0.0:8000/v1", "http://127.0.0.1:8000/v1/"),
            (" \"http://[::]:8000\" ", "http://[::1]:8000/"),
        ] {
            let address = Address::parse(written, Syntax::Url).unwrap();
            assert_eq!(
                (address.url.as_str(), address.warning),
                (expected, None),
                "{written:?}"
            );
        }
        for (written, problem) in [
            ("", "must begin with http://"),
            ("gpu:8000", "must begin with http://"),
            ("ollama.com", "must begin with http://"),
            ("http://:8000", "names no host"),
            ("http://gpu:99999/v1", "has a port that isn't"),
            ("http://gpu:port/v1", "has a port that isn't"),
        ] {
            let refused = Address::parse(written, Syntax::Url).unwrap_err();
            assert!(refused.starts_with(problem), "{written:?}: {refused}");
            assert!(refused.contains("http://127.0.0.1:8000/v1"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_the_message_shows_one() {
        for (syntax, example) in [
            (Syntax::Ollama, "http://127.0.0.1:11434"),
            (Syntax::Url, "http://127.0.0.1:8000/v1"),
        ] {
            for written in [
                "ftp://localhost",
                "http://a b",
                "http://[::1",
                "http://h/?q=1",
                "#",
            ] {
                let refused = Address::parse(written, syntax).unwrap_err();
                assert!(refused.contains(example), "{written:?}: {refused}");
            }
        }
    }

    #[test]
    fn a_password_is_refused_without_repeating_it() {
        for syntax in [Syntax::Ollama, Syntax::Url] {
            let refused = Address::parse("http://user:hunter2@host", syntax).unwrap_err();
            assert!(
                refused.contains("OLLAMA_API_KEY") && !refused.contains("hunter2"),
                "{refused}"
            );
        }
    }

    #[test]
    fn the_configuration_wins_over_the_environment_and_an_empty_variable_is_none() {
        let find = |configured: Option<&str>, value: &'static str| {
            Address::find(configured, "OLLAMA_HOST", Syntax::Ollama, &|_| {
                Some(value.to_owned())
            })
        };
        let source = |configured, value| {
            find(configured, value)
                .unwrap()
                .map(|address| address.source)
        };
        assert_eq!(source(Some("2.2.2.2"), "1.1.1.1"), Some(Source::BaseUrl));
        assert_eq!(
            source(None, "1.1.1.1"),
            Some(Source::Variable("OLLAMA_HOST"))
        );
        assert_eq!(source(None, "  "), None);
        let from_variable = find(None, "ftp://x").unwrap_err();
        assert!(
            from_variable.starts_with("OLLAMA_HOST has"),
            "{from_variable}"
        );
        let from_settings = find(Some("ftp://x"), "").unwrap_err();
        assert!(from_settings.starts_with("base_url has"), "{from_settings}");
    }

    #[test]
    fn this_machine_is_a_loopback_address_or_localhost_itself() {
        let is_loopback = |url: &str| is_loopback(&Url::parse(url).unwrap());
        for here in [
            "http://127.0.0.1",
            "http://127.9.9.9:1",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
            "http://LOCALHOST",
            "http://localhost.:80",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "http://10.0.0.1",
            "http://[fe80::1]",
            "http://evil.localhost",
            "http://localhost.example.com",
            "http://notlocalhost",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn only_this_machines_own_address_is_shown_to_everybody() {
        let shown = |raw: &str| {
            Address::parse(raw, Syntax::Ollama)
                .unwrap()
                .public_description()
        };
        assert_eq!(shown(":1234"), "http://127.0.0.1:1234 (from the default)");
        assert_eq!(
            shown("http://10.1.2.3:11434"),
            "its address (from the default)"
        );
    }
}
