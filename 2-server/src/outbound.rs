//! How the server's own requests leave: no redirects, no system proxy on loopback, TLS by rustls.

use url::{Host, Url};

/// An HTTP client for these addresses.
///
/// # Errors
/// When TLS is needed and this machine has no certificate authorities.
pub(crate) fn client(addresses: &[&Url]) -> Result<reqwest::Client, String> {
    // Another part of the process may have chosen the provider already; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A redirect could lead into the operator's own network, so none is followed.
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    let client = if addresses.iter().all(|url| is_loopback(url)) {
        // Without certificates to look for, it works on a machine that has none.
        builder.tls_certs_only([]).build()
    } else {
        builder.build()
    };
    client.map_err(|error| {
        format!("can't make an HTTP client: {error} (on Debian: apt install ca-certificates)")
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
