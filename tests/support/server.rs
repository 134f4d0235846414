//! The product's server, in this process, on a free port, with its record in a file.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use mcp_server::{
    app::App,
    config::Config,
    interceptor::{Journal, KeyStore, keys::fingerprint},
    transport::http,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::Wire;

/// A server that runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
    pub shutdown: CancellationToken,
    pub keys: Arc<KeyStore>,
    journal: Arc<Journal>,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// A server in `local` mode that needs nothing: the tutor speaks.
    pub async fn local() -> Self {
        Self::start(|_config| {}).await
    }

    /// A server in `prod` mode: `ada` may do everything, `bob` may only echo.
    pub async fn prod() -> Self {
        Self::prod_with(|_config| {}).await
    }

    pub async fn prod_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start(|config| {
            config.server.mode = mcp_server::config::Mode::Prod;
            change(config);
        })
        .await
    }

    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config::default();
        config.llm.provider = serde_json::from_str("\"tutor\"").expect("a provider");
        config.audit.stderr = false;
        config.audit.file = Some(folder.path().join("audit.jsonl"));
        config.auth.keys_file = Some(folder.path().join("keys.toml"));
        std::fs::write(
            folder.path().join("keys.toml"),
            keys(&[("ada", "\"*\""), ("bob", "\"tools:util:echo\"")]),
        )
        .expect("a keys file");
        change(&mut config);
        let app = App::build(config, &|_name| None).expect("a server");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shutdown = CancellationToken::new();
        let settings = app.config.server.clone();
        let router = http::router(&app.guard, &app.pipeline, &settings, shutdown.clone());
        let served = http::serve(
            listener,
            router,
            settings.max_connections,
            shutdown.clone(),
            Duration::from_secs(1),
        );
        let keys = Arc::clone(app.pipeline.authenticator.keys());
        let followed = Arc::clone(&keys);
        let tasks = vec![
            tokio::spawn(async move { served.await.expect("serving") }),
            tokio::spawn(async move { followed.follow().await }),
        ];
        Self {
            address,
            folder,
            shutdown,
            keys,
            journal: app.pipeline.journal,
            tasks,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// A client without a key.
    pub fn anonymous(&self) -> Wire {
        Wire::new(&self.url(), None)
    }

    /// A client with somebody's key: a key is its holder's name, in tests.
    pub fn client(&self, name: &str) -> Wire {
        Wire::new(&self.url(), Some(name))
    }

    pub fn keys_file(&self) -> PathBuf {
        self.folder.path().join("keys.toml")
    }

    /// Stops writing the record and reads it: every line is there then.
    pub fn record(&self) -> Vec<Value> {
        self.journal.shut_down();
        let text =
            std::fs::read_to_string(self.folder.path().join("audit.jsonl")).expect("the record");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a record is JSON"));
        lines
            .filter(|line: &Value| line.get("audit").is_none())
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// A keys file: names, and the scopes of each.
pub fn keys(holders: &[(&str, &str)]) -> String {
    let one = |(name, scopes): &(&str, &str)| {
        format!(
            "[[key]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [{scopes}]\n",
            fingerprint(name)
        )
    };
    holders.iter().map(one).collect()
}
