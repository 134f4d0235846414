//! The product's server, in this process, on a free port, with its record in a file.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use mcp_server::{
    app::App,
    config::Config,
    interceptor::{
        Guard, Journal, JournalSettings, KeyStore, Pipeline, PipelineBuilder,
        audit::FileSettings,
        keys::{Roles, fingerprint},
    },
    transport::{HttpSettings, http},
};
use rmcp::ServerHandler;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    Talk, Wire,
    fake_ollama::{FakeOllama, Mode},
};

/// A server that runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
    pub shutdown: CancellationToken,
    pub keys: KeyStore,
    pub journal: Arc<Journal>,
    #[cfg(feature = "otlp")]
    pub traces: Option<Arc<mcp_server::operations::traces::Traces>>,
    served: JoinHandle<()>,
    talk: Box<Talks>,
}

/// Begins a conversation over stdio, with somebody's key.
type Talks = dyn Fn(Option<&str>) -> Talk + Send + Sync;

/// How long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

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

    /// A server in `local` mode with a fake Ollama behind it.
    pub async fn with_fake(mode: Mode, change: impl FnOnce(&mut Config)) -> (FakeOllama, Self) {
        let fake = FakeOllama::start(mode).await;
        let url = fake.url.clone();
        let server = Self::start(|config| {
            config.llm.provider = serde_json::from_str("\"auto\"").expect("a provider");
            config.llm.base_url = Some(url);
            change(config);
        })
        .await;
        (fake, server)
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
        let settings = app.config.http_settings();
        #[cfg_attr(not(feature = "otlp"), allow(unused_mut, reason = "set below"))]
        let mut server = Self::serve(app.guard, app.pipeline, app.keys, settings, folder).await;
        #[cfg(feature = "otlp")]
        {
            server.traces = app.traces;
        }
        server
    }

    /// Any handler behind the guard: `ada` may do everything, `bob` may only echo.
    pub async fn guarding<H: ServerHandler>(
        handler: H,
        change: impl FnOnce(PipelineBuilder) -> PipelineBuilder,
        settings: HttpSettings,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("keys.toml");
        std::fs::write(
            &file,
            keys(&[("ada", "\"*\""), ("bob", "\"tools:util:echo\"")]),
        )
        .expect("a keys file");
        let journal = JournalSettings {
            stderr: false,
            file: Some(FileSettings {
                path: folder.path().join("audit.jsonl"),
                max_bytes: 1 << 30,
                keep: 1,
            }),
            strict: true,
        };
        let keys = KeyStore::open(&file, Roles::new()).expect("keys");
        let builder = Pipeline::builder().journal(journal).keys(keys.clone());
        let pipeline = change(builder).build().expect("a pipeline");
        let guard = Guard::new(handler, &pipeline);
        Self::serve(guard, pipeline, keys, settings, folder).await
    }

    /// Serves a guard that is built already; its record is `audit.jsonl` in the folder.
    pub async fn serve<H: ServerHandler>(
        guard: Guard<H>,
        pipeline: Pipeline,
        keys: KeyStore,
        settings: HttpSettings,
        folder: tempfile::TempDir,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let max_line = settings.max_body_bytes;
        let settings = HttpSettings {
            port: 0,
            shutdown_timeout: Duration::from_secs(1),
            ..settings
        };
        let server = http::Server::bind(&guard, settings, shutdown.clone()).await;
        let server = server.expect("a free port");
        let address = server.address();
        let served = tokio::spawn(async move { server.run().await });
        Self {
            address,
            folder,
            shutdown,
            keys,
            journal: Arc::clone(pipeline.journal()),
            #[cfg(feature = "otlp")]
            traces: None,
            served,
            talk: Box::new(move |key| Talk::with(guard.clone(), key, max_line)),
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

    /// The same server over stdio, with somebody's key.
    pub fn talk(&self, name: Option<&str>) -> Talk {
        (self.talk)(name)
    }

    /// Waits until a line of the record fulfils this, and gives it.
    pub async fn until_recorded(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = self.folder.path().join("audit.jsonl");
        let found = async {
            loop {
                let text = std::fs::read_to_string(&path).expect("the record");
                // The last line may be half written.
                let mut lines = text
                    .lines()
                    .filter_map(|line| serde_json::from_str(line).ok());
                if let Some(line) = lines.find(|line| wanted(line)) {
                    return line;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .expect("a record in time")
    }

    pub fn keys_file(&self) -> PathBuf {
        self.folder.path().join("keys.toml")
    }

    /// Waits until it has stopped, which it was told to.
    pub async fn stopped(&mut self) {
        let ended = tokio::time::timeout(PATIENCE, &mut self.served).await;
        ended.expect("an end in time").expect("no panic");
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
        self.served.abort();
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
