//! A conversation over stdio, in memory: what a host writes and reads, line by line.

use std::time::Duration;

use mcp_server::{
    interceptor::Guard,
    transport::{ServeError, StdioSettings, stdio},
};
use rmcp::ServerHandler;
use serde_json::{Value, json};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf,
        WriteHalf,
    },
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::wire::NEWEST;

const PATIENCE: Duration = Duration::from_secs(20);

pub struct Talk {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    input: WriteHalf<DuplexStream>,
    served: JoinHandle<Result<(), ServeError>>,
    /// Tells the server to stop.
    pub shutdown: CancellationToken,
}

impl Talk {
    /// A host that launched this server; a key is its holder's name, in tests.
    pub fn with<H: ServerHandler>(guard: Guard<H>, key: Option<&str>, max_line: usize) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let settings = StdioSettings {
            key: key.map(str::to_owned),
            max_line,
        };
        let streams = tokio::io::split(far);
        let shutdown = CancellationToken::new();
        let told = shutdown.clone();
        let served =
            tokio::spawn(async move { stdio::serve(guard, &settings, streams, told).await });
        let (read, input) = tokio::io::split(near);
        Self {
            lines: BufReader::new(read).lines(),
            input,
            served,
            shutdown,
        }
    }

    pub async fn say(&mut self, line: &[u8]) {
        // A server that has ended hears nothing, which the next question finds out.
        let _ = self.input.write_all(line).await;
        let _ = self.input.write_all(b"\n").await;
    }

    pub async fn send(&mut self, message: &Value) {
        self.say(message.to_string().as_bytes()).await;
    }

    pub async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line
            .expect("a line in time")
            .expect("a line")
            .expect("a line, not the end");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Sends a request and waits for its answer; what comes in between is passed over.
    pub async fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await;
        loop {
            let answer = self.hear().await;
            if answer["id"] == id {
                return answer;
            }
        }
    }

    /// The handshake of the versions before 2026-07-28.
    pub async fn hello(&mut self) -> Value {
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "talk", "version": "0" } });
        let hello = self.ask(0, "initialize", hello).await;
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        hello
    }

    /// Closes the input, and gives how the server ended.
    pub async fn end(mut self) -> Result<(), ServeError> {
        let _ = self.input.shutdown().await;
        drop(self.input);
        let rest = async { while let Ok(Some(_)) = self.lines.next_line().await {} };
        let _ = tokio::time::timeout(PATIENCE, rest).await;
        tokio::time::timeout(PATIENCE, self.served)
            .await
            .expect("an end in time")
            .expect("no panic")
    }
}

/// Parameters as 2026-07-28 wants them: each request says for itself who asks and what it knows.
pub fn whole(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": NEWEST,
        "io.modelcontextprotocol/clientInfo": { "name": "talk", "version": "0" },
        "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
    });
    params
}
