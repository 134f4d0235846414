//! Asks a running server whether its keys file is good, so that a command promises no more than is
//! so: a file that the server can't read leaves every key as it was.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::config::Config;

/// A server looks at its keys file five times a second, and an edit counts at the second look.
const SEEN_BY_THEN: Duration = Duration::from_secs(1);
/// After that, a server that still can't use it is believed.
const PATIENCE: Duration = Duration::from_secs(3);
const ASK_EVERY: Duration = Duration::from_millis(250);
const ONE_ANSWER: Duration = Duration::from_secs(2);
/// An answer of ours has a hundred bytes.
const LONGEST_ANSWER: usize = 64 << 10;

/// What is known of the server that this configuration describes.
pub(super) enum Running {
    /// It finds its keys file good, with the change in it.
    Follows(String),
    /// It runs, and can't use the file.
    CantUse(String),
    /// None was found, for this reason.
    Unknown(String),
}

/// Asks it, after the keys file was changed.
pub(super) async fn ask(config: &Config, keys: &Path) -> Running {
    let changed = Instant::now();
    if let Err(why) = uses(config, keys) {
        return Running::Unknown(why);
    }
    let mut nobody = String::new();
    for server in addresses(config) {
        match follow(config, &server, changed).await {
            Ok(true) => return Running::Follows(server),
            Ok(false) => return Running::CantUse(server),
            Err(why) => nobody = format!("no server answers at {server} ({why})"),
        }
    }
    Running::Unknown(nobody)
}

/// Whether it finds its keys file good, once it must have seen the change.
async fn follow(config: &Config, server: &str, changed: Instant) -> Result<bool, String> {
    let client = client(config)?;
    let url = format!("{server}/readyz");
    loop {
        let good = keys_are_good(&client, &url).await?;
        let wait = if good { SEEN_BY_THEN } else { PATIENCE };
        if changed.elapsed() >= wait {
            return Ok(good);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Whether the server of this configuration uses this file, and can be found.
fn uses(config: &Config, keys: &Path) -> Result<(), String> {
    let same = |file: &Path| fs::canonicalize(file).ok() == fs::canonicalize(keys).ok();
    if !config.auth.keys_file.as_deref().is_some_and(same) {
        return Err("no server was asked, because this configuration's doesn't use that file (auth.keys_file)".to_owned());
    }
    if config.server.port == 0 {
        return Err(
            "no server was asked, because its port is chosen at the start (server.port = 0)"
                .to_owned(),
        );
    }
    Ok(())
}

/// Where it may answer: over TLS, by the names that its certificate may have.
fn addresses(config: &Config) -> Vec<String> {
    let socket = socket(config);
    if config.server.tls_cert.is_none() {
        return vec![format!("http://{socket}")];
    }
    let port = config.server.port;
    let names = names(config).map(|name| format!("https://{name}:{port}"));
    names.chain([format!("https://{socket}")]).collect()
}

/// The address that reaches it from this machine.
fn socket(config: &Config) -> SocketAddr {
    let host = match config.server.host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    (host, config.server.port).into()
}

/// The names that may stand in its certificate, as far as the configuration tells.
fn names(config: &Config) -> impl Iterator<Item = &str> {
    let listed = config.server.allowed_hosts.iter();
    let names = listed.map(|host| host.split(':').next().unwrap_or_default());
    let names = names.filter(|host| host.parse::<IpAddr>().is_err() && !host.starts_with('['));
    names.chain(["localhost"])
}

fn client(config: &Config) -> Result<reqwest::Client, String> {
    // Another part of the process may have chosen the provider already; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(ONE_ANSWER);
    for name in names(config) {
        builder = builder.resolve(name, socket(config));
    }
    builder = match &config.server.tls_cert {
        // Its own certificate may be signed by nobody that this machine knows.
        Some(path) => {
            let pem = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem);
            builder.tls_certs_merge(certificates.map_err(|error| error.to_string())?)
        }
        None => builder.tls_certs_only([]),
    };
    builder.build().map_err(|error| error.to_string())
}

async fn keys_are_good(client: &reqwest::Client, url: &str) -> Result<bool, String> {
    let broken = |error: reqwest::Error| {
        let error = anyhow::Error::from(error.without_url());
        error.root_cause().to_string()
    };
    let mut response = client.get(url).send().await.map_err(broken)?;
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(broken)? {
        body.extend_from_slice(&piece);
        if body.len() > LONGEST_ANSWER {
            break;
        }
    }
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    answer["checks"]["keys"]
        .as_bool()
        .ok_or_else(|| "what answers there is another program".to_owned())
}
