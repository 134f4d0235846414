//! The requests, byte for byte, and a client that sends them: HTTP/1.1, kept alive, one at a time.
//! It is plain on purpose, so that the load's core is never what limits a server.

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// 49 bytes, which every server echoes.
pub const MESSAGE: &str = "the quick brown fox jumps over the lazy dog today";

/// The two lifecycles that MCP has, the first of them twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// 2026-07-28: every request is whole in itself.
    Stateless,
    /// 2026-07-28, from a caller who wants to hear of progress: the product's fast path isn't for it.
    Progress,
    /// 2025-06-18: a session first; answers come as server-sent events.
    Session,
}

impl Lifecycle {
    pub fn version(self) -> &'static str {
        match self {
            Self::Stateless | Self::Progress => "2026-07-28",
            Self::Session => "2025-06-18",
        }
    }

    /// What a table says of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stateless => "2026-07-28",
            Self::Progress => "2026-07-28 with a progress token",
            Self::Session => "2025-06-18",
        }
    }
}

/// The body of a `tools/call`.
pub fn call(lifecycle: Lifecycle, tool: &str, arguments: &serde_json::Value) -> String {
    let mut params = json!({ "name": tool, "arguments": arguments });
    if lifecycle != Lifecycle::Session {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": lifecycle.version(),
            "io.modelcontextprotocol/clientInfo": { "name": "speed", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    if lifecycle == Lifecycle::Progress {
        params["_meta"]["progressToken"] = 1.into();
    }
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
}

/// The same for the tool that every server has.
pub fn echo(lifecycle: Lifecycle) -> String {
    call(lifecycle, "echo", &json!({ "message": MESSAGE }))
}

/// A whole request. `more` are header lines, each with its line end.
pub fn post(key: &str, more: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n{more}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The headers that a stateless `tools/call` has.
pub fn call_headers(tool: &str) -> String {
    format!("mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {tool}\r\n")
}

/// One connection.
pub struct Caller {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What it asks, again and again.
    pub request: Vec<u8>,
}

/// Where things stand in an answer.
struct Head {
    status: u16,
    end: usize,
    /// `None` for a body in chunks.
    length: Option<usize>,
}

impl Caller {
    /// Connects, and makes the caller ready to ask for `echo`: with a session, where the lifecycle
    /// has one.
    pub async fn ready(address: &str, key: &str, lifecycle: Lifecycle) -> anyhow::Result<Self> {
        let mut caller = Self::connect(address).await?;
        let more = match lifecycle {
            Lifecycle::Stateless | Lifecycle::Progress => call_headers("echo"),
            Lifecycle::Session => caller.open_session(key, lifecycle).await?,
        };
        caller.request = post(key, &more, &echo(lifecycle));
        Ok(caller)
    }

    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 << 10),
            request: Vec::new(),
        })
    }

    /// Opens a session; gives the headers that its requests have.
    pub async fn open_session(
        &mut self,
        key: &str,
        lifecycle: Lifecycle,
    ) -> anyhow::Result<String> {
        let version = lifecycle.version();
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "speed", "version": "1" } } });
        self.request = post(key, "", &hello.to_string());
        let (status, head) = self.ask().await?;
        ensure!(status == 200, "initialize: {status} {}", self.text());
        let head = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let session = head
            .lines()
            .find_map(|line| line.strip_prefix("mcp-session-id: "))
            .context("no session")?;
        let more = format!("mcp-session-id: {session}\r\nmcp-protocol-version: {version}\r\n");
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.request = post(key, &more, ready);
        let (status, _) = self.ask().await?;
        ensure!(status == 202, "initialized: {status} {}", self.text());
        Ok(more)
    }

    /// Sends the request and reads the whole answer: its status, and how long its head is.
    pub async fn ask(&mut self) -> anyhow::Result<(u16, usize)> {
        self.stream.write_all(&self.request).await?;
        self.buffer.clear();
        let mut head = None;
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(
                read > 0,
                "the server closed the connection: {}",
                self.text()
            );
            if head.is_none() {
                head = read_head(&self.buffer)?;
            }
            let Some(head) = &head else { continue };
            let whole = match head.length {
                Some(length) => self.buffer.len() >= head.end + length,
                None => self.buffer.ends_with(b"0\r\n\r\n"),
            };
            if whole {
                return Ok((head.status, head.end));
            }
        }
    }

    /// The last answer.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

fn read_head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).context("the head isn't text")?;
    let status = head.get(9..12).context("no status")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let chunked = length.is_none() && status != 202 && status != 204;
    Ok(Some(Head {
        status,
        end: end + 4,
        length: if chunked {
            None
        } else {
            Some(length.unwrap_or(0))
        },
    }))
}
