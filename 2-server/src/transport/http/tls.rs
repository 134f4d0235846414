//! TLS, by rustls: a certificate and its key from two PEM files, followed while the server runs,
//! so that a renewed certificate is served without a restart. Connections that are open keep theirs.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How often the files are looked at. Certificates are renewed days before they end.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A client that hasn't greeted by then isn't one.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why TLS can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read, or isn't PEM.
    #[error("can't read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// A file without a certificate.
    #[error("{0} holds no certificate: it must begin with -----BEGIN CERTIFICATE-----")]
    Empty(PathBuf),
    /// The two don't go together.
    #[error("the certificate {cert} can't be served with the key {key}: {source}")]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
}

/// A certificate that is served and followed.
pub struct Tls {
    files: Files,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

#[derive(Debug, Clone)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

/// The certificate of new connections.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads a certificate chain and its key.
    ///
    /// # Errors
    /// [`TlsError`] when they can't be served. A server must not start then.
    pub fn open(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = Files {
            cert: cert.into(),
            key: key.into(),
        };
        // Named here, not taken from the process, where other parts may have chosen another.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let current = Arc::new(Current(RwLock::new(Arc::new(files.load(&provider)?))));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|source| files.unusable(source))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            files,
            provider,
            current,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }

    /// Greets a client.
    ///
    /// # Errors
    /// When it doesn't speak TLS, or not in time.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        tokio::time::timeout(HANDSHAKE, self.acceptor.accept(stream)).await?
    }

    /// Reads the files again. After an error the last good certificate stays.
    ///
    /// # Errors
    /// [`TlsError`] when they can't be served.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = Arc::new(self.files.load(&self.provider)?);
        *self
            .current
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Follows the files until the future is dropped.
    pub async fn follow(&self) {
        let mut seen = self.files.stamp();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = self.files.stamp();
            if now == seen {
                continue;
            }
            match self.reload() {
                Ok(()) => {
                    seen = now;
                    tracing::info!(path = %self.files.cert.display(), "the certificate changed and was read again");
                }
                // Between the certificate and its key, the two don't match for a moment. If that
                // lasts, it is said at every look: the certificate in use will end some day.
                Err(error) => {
                    tracing::warn!(%error, "THE CERTIFICATE CAN'T BE USED: the last good one stays");
                }
            }
        }
    }
}

impl Files {
    fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let read = |path: &PathBuf, source| TlsError::Read {
            path: path.clone(),
            source,
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect)
            .map_err(|source| read(&self.cert, source))?;
        if chain.is_empty() {
            return Err(TlsError::Empty(self.cert.clone()));
        }
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|source| read(&self.key, source))?;
        CertifiedKey::from_der(chain, key, provider).map_err(|source| self.unusable(source))
    }

    fn unusable(&self, source: rustls::Error) -> TlsError {
        TlsError::Unusable {
            cert: self.cert.clone(),
            key: self.key.clone(),
            source,
        }
    }

    /// What changes when one of the files is edited or replaced.
    fn stamp(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.cert, &self.key].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path) -> String {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        made.cert.pem()
    }

    fn served(tls: &Tls) -> Vec<CertificateDer<'static>> {
        tls.current.0.read().unwrap().cert.clone()
    }

    #[test]
    fn what_cant_be_used_leaves_the_last_good_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        write(folder.path());
        let tls = Tls::open(&files[0], &files[1]).unwrap();
        let good = served(&tls);
        let another = tempfile::tempdir().unwrap();
        let another = write(another.path());
        for (file, content) in [
            (&files[0], "garbage"),
            (&files[0], ""),
            (
                &files[0],
                "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n",
            ),
            (&files[0], &*another),
            (&files[1], "garbage"),
            (&files[1], ""),
        ] {
            let before = std::fs::read(file).unwrap();
            std::fs::write(file, content).unwrap();
            let error = tls.reload().unwrap_err().to_string();
            assert!(error.contains(".pem"), "it names the file: {error}");
            assert_eq!(served(&tls), good, "{content}");
            std::fs::write(file, before).unwrap();
        }
        std::fs::remove_file(&files[1]).unwrap();
        assert!(tls.reload().is_err());
        assert_eq!(served(&tls), good);
        write(folder.path());
        tls.reload().unwrap();
        assert_ne!(served(&tls), good);
    }
}
