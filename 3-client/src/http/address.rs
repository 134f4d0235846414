//! Which addresses are opened, and with what kind of client.

use std::time::Duration;

use super::reason;
use crate::untrusted::label;

/// Why a client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Not a URL that this client opens.
    #[error(
        "{0:?} isn't a server address: write http://host:port/mcp or https://host/mcp, without a key in it"
    )]
    Address(String),
    /// The key holds characters that a header can't.
    #[error(
        "the key holds characters that can't be sent in a header; is it the whole line and nothing else?"
    )]
    Key,
    /// TLS or the connector.
    #[error("can't set up HTTPS on this machine: {0}")]
    Tls(String),
}

/// Checks an address: http or https, a host, and no credential in it, because URLs end up in logs.
///
/// # Errors
/// [`BuildError::Address`] with the address, without any credential.
pub fn check_url(address: &str) -> Result<url::Url, BuildError> {
    let refuse = |shown: &str| BuildError::Address(label(shown, 120));
    let url = url::Url::parse(address).map_err(|_| refuse(address))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refuse(address));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(&format!(
            "{}://…@{}",
            url.scheme(),
            url.host_str().unwrap_or_default()
        )));
    }
    Ok(url)
}

/// Whether what is sent there can be read on the way: not encrypted, and to another machine.
pub(crate) fn crosses_in_the_clear(url: &url::Url) -> bool {
    url.scheme() == "http" && !is_loopback(url)
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Builds the HTTP client for one address.
///
/// # Errors
/// [`BuildError::Tls`] when the system's certificates can't be used for an https address.
pub fn client_for(url: &url::Url) -> Result<reqwest::Client, BuildError> {
    // Once per process; a second call finds it installed, and that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("mcp-client/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(2))
        // Followed, a redirect could carry the key to another origin. Not followed, it is shown.
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(Duration::from_secs(15));
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if url.scheme() == "http" {
        // No TLS is needed, so a machine without any CA certificates must not fail to start.
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder = builder.tls_backend_preconfigured(tls);
    }
    builder.build().map_err(|e| BuildError::Tls(reason(&e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_key_in_it_is_refused_without_repeating_the_key() {
        let error = check_url("http://me:s3cret@host/mcp")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("s3cret"), "{error}");
        assert!(check_url("file:///etc/passwd").is_err());
        assert!(check_url("http://127.0.0.1:8080/mcp").is_ok());
    }

    #[test]
    fn only_loopback_hosts_bypass_the_proxy() {
        for (url, local) in [
            ("http://127.0.0.1/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://localhost.evil.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), local, "{url}");
        }
    }
}
