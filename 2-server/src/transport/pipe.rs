//! A third transport, which exists to prove the seam: a conversation over an in-memory pipe. Owner,
//! quota, idle time and revocation are the conversation's, and none of it is written here.

use std::{sync::Arc, time::Duration};

use rmcp::{ServerHandler, ServiceExt as _, transport::async_rw::AsyncRwTransport};
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;

use super::{
    conversation::{Conversation, Conversations, Tracked},
    recorded::RecordedTransport,
};
use crate::interceptor::{Credential, Denial, Guard, Peer};

/// The pipes that are open.
type Pipes = Conversations<Arc<Conversation>>;

/// Serves one caller over a pipe for as long as its conversation lasts.
async fn serve<H: ServerHandler>(
    guard: Guard<H>,
    pipes: Arc<Pipes>,
    (name, key): (&'static str, &'static str),
    pipe: DuplexStream,
    idle: Duration,
    shutdown: CancellationToken,
) -> Result<(), Denial> {
    let owner = guard
        .sign_in(&Credential::secret(key), Peer::Parent)
        .await?;
    let mut place = pipes.reserve(owner.label())?;
    let conversation = Arc::new(Conversation::default());
    place.open(name, Arc::clone(&conversation));
    let (read, write) = tokio::io::split(pipe);
    let lines = Tracked {
        inner: AsyncRwTransport::new_server(read, write),
        conversation: Arc::clone(&conversation),
    };
    let recorded =
        RecordedTransport::new(lines, guard.clone(), "pipe", owner.clone(), Peer::Parent);
    let ended = conversation.end_signal().clone();
    let talk = Box::pin(async {
        if let Ok(running) = guard.serve_with_ct(recorded, ended).await {
            drop(running.waiting().await);
        }
    });
    conversation.last(&owner, idle, &shutdown, talk).await;
    Ok(())
}

mod tests {
    use rmcp::model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
        ServerConfig,
    };
    use rmcp::{ErrorData, RoleServer, service::RequestContext};
    use serde_json::{Value, json};
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, ReadHalf, WriteHalf},
        task::JoinHandle,
    };

    use super::*;
    use crate::interceptor::{
        DenialKind, JournalSettings, KeyStore, Pipeline,
        keys::{Roles, fingerprint},
    };

    const IDLE: Duration = Duration::from_secs(10);

    /// Its one tool never ends.
    #[derive(Clone)]
    struct Slow;

    impl ServerHandler for Slow {
        fn get_info(&self) -> ServerConfig {
            ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
        }

        async fn call_tool(
            &self,
            params: CallToolRequestParams,
            _context: RequestContext<RoleServer>,
        ) -> Result<CallToolResponse, ErrorData> {
            if params.name == "slow" {
                std::future::pending::<()>().await;
            }
            Ok(CallToolResult::success(vec![ContentBlock::text("done")]).into())
        }
    }

    struct House {
        guard: Guard<Slow>,
        pipes: Arc<Pipes>,
        keys: KeyStore,
        shutdown: CancellationToken,
        folder: tempfile::TempDir,
    }

    fn write_keys(folder: &tempfile::TempDir, names: &[&str]) {
        let entry = |name: &&str| {
            let digest = fingerprint(name);
            format!("[[key]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nscopes = [\"*\"]\n")
        };
        let text: String = names.iter().map(entry).collect();
        std::fs::write(folder.path().join("keys.toml"), text).unwrap();
    }

    fn house() -> House {
        let folder = tempfile::tempdir().unwrap();
        write_keys(&folder, &["ada", "bob"]);
        let keys = KeyStore::open(&folder.path().join("keys.toml"), Roles::new()).unwrap();
        let quiet = JournalSettings::default();
        let pipeline = Pipeline::builder()
            .journal(quiet)
            .keys(keys.clone())
            .build()
            .unwrap();
        House {
            guard: Guard::new(Slow, &pipeline),
            pipes: Pipes::new("pipes", 3, 2),
            keys,
            shutdown: CancellationToken::new(),
            folder,
        }
    }

    struct Host {
        input: WriteHalf<DuplexStream>,
        lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
        served: JoinHandle<Result<(), Denial>>,
    }

    impl House {
        fn connect(&self, name: &'static str, key: &'static str) -> Host {
            let (near, far) = tokio::io::duplex(1 << 16);
            let served = tokio::spawn(serve(
                self.guard.clone(),
                Arc::clone(&self.pipes),
                (name, key),
                far,
                IDLE,
                self.shutdown.clone(),
            ));
            let (read, input) = tokio::io::split(near);
            Host {
                input,
                lines: BufReader::new(read).lines(),
                served,
            }
        }
    }

    impl Host {
        async fn send(&mut self, message: Value) {
            let line = format!("{message}\n");
            self.input.write_all(line.as_bytes()).await.unwrap();
        }

        async fn answer(&mut self) -> Value {
            let line = self.lines.next_line().await.unwrap().unwrap();
            serde_json::from_str(&line).unwrap()
        }

        async fn hello(&mut self) {
            let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
            self.send(
                json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }),
            )
            .await;
            let hello = self.answer().await;
            assert!(hello["result"].is_object(), "{hello}");
            self.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
                .await;
        }

        async fn call(&mut self, tool: &str) {
            let params = json!({ "name": tool, "arguments": {} });
            self.send(
                json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }),
            )
            .await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_belongs_to_its_owner_and_there_are_only_so_many() {
        let house = house();
        let mut first = house.connect("first", "ada");
        first.hello().await;
        let mut second = house.connect("second", "ada");
        second.hello().await;
        let third = house.connect("third", "ada").served.await.unwrap();
        assert_eq!(third.unwrap_err().kind, DenialKind::Throttled);
        let stranger = house.connect("other", "mallory").served.await.unwrap();
        assert_eq!(stranger.unwrap_err().kind, DenialKind::Unauthorized);
        let mut bobs = house.connect("bobs", "bob");
        bobs.hello().await;
        let (ada, bob) = (fingerprint("ada"), fingerprint("bob"));
        let label = |digest: &str| format!("key:{}", &digest[..12]);
        assert!(house.pipes.find("first", &label(&ada)).is_some());
        assert!(house.pipes.find("first", &label(&bob)).is_none());
        drop(second);
        settle(&house, 2).await;
        house.connect("third", "ada").hello().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_pipe_ends_but_not_while_a_call_runs() {
        let house = house();
        let (mut idle, mut busy) = (house.connect("idle", "ada"), house.connect("busy", "bob"));
        idle.hello().await;
        busy.hello().await;
        busy.call("slow").await;
        tokio::time::sleep(IDLE * 3).await;
        assert!(idle.served.is_finished() && !busy.served.is_finished());
        house.shutdown.cancel();
        tokio::time::sleep(IDLE).await;
        assert!(!busy.served.is_finished(), "its call is waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_revoked_key_ends_the_pipe_with_last_words() {
        let house = house();
        let mut host = house.connect("first", "ada");
        host.hello().await;
        host.call("slow").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        write_keys(&house.folder, &["bob"]);
        house.keys.reload().unwrap();
        assert_eq!(host.answer().await["error"]["code"], 401);
        host.served.await.unwrap().unwrap();
        settle(&house, 0).await;
    }

    /// Waits until so many pipes are open.
    async fn settle(house: &House, open: usize) {
        for _ in 0..100 {
            if house.pipes.count() == open {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} pipes are open, not {open}", house.pipes.count());
    }
}
