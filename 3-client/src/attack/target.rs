//! The server under attack: what it offers, who may call it, and how to say something to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::caller::{Caller, Session, within};
use super::trail::{OWN_RECORDS, Trail};
use super::verdict::{Verdict, is_throttled, not_applicable};
use crate::raw::{self, Answer, Request, Wire};
use crate::secret::Secret;

/// How long throttled questions may be waited for, in a whole run.
const PATIENCE_WITH_THROTTLING: Duration = Duration::from_secs(45);

/// Which way the server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// 2026-07-28: each request is whole in itself.
    Stateless,
    /// Before: `initialize` opens a session.
    Sessions,
}

/// A request that is ready, and the message in it.
#[derive(Debug)]
pub struct Prepared {
    /// The message.
    pub message: Value,
    /// The request that carries it.
    pub request: Request,
}

impl Prepared {
    /// Puts another body into the same request.
    #[must_use]
    pub fn with_body(self, body: impl Into<reqwest::Body>) -> Request {
        self.request.body(body)
    }
}

/// The server.
#[derive(Debug)]
pub struct Target {
    /// The way to it.
    pub wire: Wire,
    /// How it is spoken to.
    pub era: Era,
    /// Its name and version, as it says.
    pub name: String,
    /// The caller whose key was given; nobody, when none was.
    pub owner: Caller,
    /// A second caller with fewer rights, if one was given.
    pub second: Option<Caller>,
    /// A caller without a key.
    pub nobody: Caller,
    /// Whether a caller without a key gets anything.
    pub is_open: bool,
    /// What the owner may call.
    pub tools: Vec<Value>,
    /// What the caller with fewer rights may call.
    pub lesser_tools: Vec<Value>,
    /// The URIs that the owner may read.
    pub resources: Vec<String>,
    /// The server's record.
    pub trail: Trail,
    /// How long a slow connection is watched.
    pub patience: Duration,
    /// Where pins of tool definitions are kept between runs.
    pub pins: Option<std::path::PathBuf>,
    ids: AtomicU64,
    waited: AtomicU64,
}

/// What is given about a server before it is known.
#[derive(Debug)]
pub struct Given {
    /// The way to it.
    pub wire: Wire,
    /// The key.
    pub key: Option<Secret>,
    /// The second key.
    pub second: Option<Secret>,
    /// The server's record.
    pub trail: Trail,
    /// How long a slow connection is watched.
    pub patience: Duration,
    /// Where pins of tool definitions are kept between runs.
    pub pins: Option<std::path::PathBuf>,
}

impl Target {
    /// Gets to know a server: how it speaks, what it offers, and to whom.
    ///
    /// # Errors
    /// What it said instead of answering.
    pub async fn discover(given: Given) -> Result<Self, Answer> {
        let nobody = Caller::new("nobody", None);
        let owner = Caller::new(
            if given.key.is_some() {
                "the key's owner"
            } else {
                "nobody"
            },
            given.key,
        );
        let second = given
            .second
            .map(|key| Caller::new("the second key's owner", Some(key)));
        let mut target = Self {
            wire: given.wire,
            era: Era::Stateless,
            name: String::new(),
            owner,
            second,
            nobody,
            is_open: false,
            tools: Vec::new(),
            lesser_tools: Vec::new(),
            resources: Vec::new(),
            trail: given.trail,
            patience: given.patience,
            pins: given.pins,
            ids: AtomicU64::new(1),
            waited: AtomicU64::new(0),
        };
        let mut first = target
            .ask(&target.owner, "server/discover", json!({}))
            .await;
        if first.result().is_none() {
            target.era = Era::Sessions;
            let (answer, session) = target.open(&target.owner).await;
            if session.is_none() {
                return Err(if answer.status == 0 { first } else { answer });
            }
            first = answer;
        }
        target.name = first.result().map_or_else(String::new, name_of);
        target.tools = target.list(&target.owner, "tools/list", "tools").await;
        let resources = target
            .list(&target.owner, "resources/list", "resources")
            .await;
        target.resources = resources
            .iter()
            .filter_map(|resource| resource["uri"].as_str().map(str::to_owned))
            .collect();
        target.is_open = target.list_tools(&target.nobody).await.result().is_some();
        if let Ok(lesser) = target.lesser() {
            target.lesser_tools = target.list(lesser, "tools/list", "tools").await;
        }
        Ok(target)
    }

    /// Whether a key was given.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.owner.key.is_some()
    }

    /// The caller whose key protects something: attacks on sign-in make no sense without one.
    ///
    /// # Errors
    /// Not applicable, when no key was given.
    pub fn keyed(&self) -> Result<&Secret, Verdict> {
        self.owner.key.as_ref().ok_or_else(|| {
            Verdict::NotApplicable("no key was given, so the server is taken to be open to all: give one with --key-env".into())
        })
    }

    /// A caller with fewer rights than the owner.
    ///
    /// # Errors
    /// Not applicable, when there is none.
    pub fn lesser(&self) -> Result<&Caller, Verdict> {
        match &self.second {
            Some(second) => Ok(second),
            None if self.has_key() && self.is_open => Ok(&self.nobody),
            None => not_applicable(
                "it takes a second caller with fewer rights: give one with --second-key-env",
            ),
        }
    }

    /// Tools that the owner sees and the lesser caller doesn't.
    ///
    /// # Errors
    /// Not applicable, when there is no such caller or tool.
    pub fn hidden(&self) -> Result<Vec<&Value>, Verdict> {
        self.lesser()?;
        let hidden: Vec<&Value> = self
            .tools
            .iter()
            .filter(|tool| {
                !self
                    .lesser_tools
                    .iter()
                    .any(|seen| seen["name"] == tool["name"])
            })
            .collect();
        if hidden.is_empty() {
            return not_applicable(
                "both callers see the same tools: give a second key with fewer rights",
            );
        }
        Ok(hidden)
    }

    /// A number that no other request of this run has.
    pub fn id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes a request ready, as a good client of this caller would send it.
    pub async fn prepare(&self, caller: &Caller, method: &str, params: Value) -> Prepared {
        let id = self.id();
        if self.era == Era::Stateless {
            let message = raw::stateless(id, method, &params);
            let mut request = self.wire.post(message.to_string()).key(caller.key.as_ref());
            for (name, value) in raw::headers(&message) {
                request = request.set(name, &value);
            }
            return Prepared { message, request };
        }
        let known = caller.session.lock().await.clone();
        let session = match known {
            Some(session) => Some(session),
            None => self.open(caller).await.1,
        };
        let message = raw::plain(id, method, &params);
        let mut request = self.wire.post(message.to_string()).key(caller.key.as_ref());
        if let Some(session) = session {
            request = within(request, &session);
        }
        Prepared { message, request }
    }

    /// Asks as a good client would, and waits (a bounded time in all) where it is throttled.
    pub async fn ask(&self, caller: &Caller, method: &str, params: Value) -> Answer {
        loop {
            let answer = self
                .prepare(caller, method, params.clone())
                .await
                .request
                .send()
                .await;
            if !is_throttled(&answer) || !self.wait_for(&answer).await {
                return answer;
            }
        }
    }

    /// Waits as a throttled answer asks; false when the run has waited long enough.
    async fn wait_for(&self, answer: &Answer) -> bool {
        let seconds = wait_seconds(answer);
        let before = self.waited.fetch_add(seconds, Ordering::Relaxed);
        if before + seconds > PATIENCE_WITH_THROTTLING.as_secs() {
            return false;
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        true
    }

    /// Opens a session for this caller, and keeps it.
    pub async fn open(&self, caller: &Caller) -> (Answer, Option<Session>) {
        let message = raw::initialize(self.id(), raw::NEWEST_WITH_SESSIONS);
        let request = self.wire.post(message.to_string()).key(caller.key.as_ref());
        let answer = request.send().await;
        let Some(version) = answer
            .result()
            .and_then(|result| result["protocolVersion"].as_str())
        else {
            return (answer, None);
        };
        let session = Session {
            id: Some(answer.header("mcp-session-id").to_owned()).filter(|id| !id.is_empty()),
            version: version.to_owned(),
        };
        let told = self
            .wire
            .post(raw::initialized().to_string())
            .key(caller.key.as_ref());
        within(told, &session).send().await;
        *caller.session.lock().await = Some(session.clone());
        (answer, Some(session))
    }

    /// Opens a session whose name can be attacked.
    ///
    /// # Errors
    /// Not applicable, when the server names none.
    pub async fn named_session(&self, caller: &Caller) -> Result<(Session, String), Verdict> {
        let (answer, session) = self.open(caller).await;
        let named = session.and_then(|session| session.id.clone().map(|id| (session, id)));
        named.ok_or_else(|| {
            Verdict::NotApplicable(format!("the server keeps no sessions: {answer}"))
        })
    }

    /// The first page of the tools, as an answer.
    pub async fn list_tools(&self, caller: &Caller) -> Answer {
        self.ask(caller, "tools/list", json!({})).await
    }

    /// A call of a tool without any arguments.
    pub async fn call(&self, caller: &Caller, tool: &str) -> Answer {
        let params = json!({ "name": tool, "arguments": {} });
        self.ask(caller, "tools/call", params).await
    }

    /// The contents of a resource, as an answer.
    pub async fn read(&self, caller: &Caller, uri: &str) -> Answer {
        self.ask(caller, "resources/read", json!({ "uri": uri }))
            .await
    }

    /// The same as [`Target::list_tools`], not sent yet.
    pub async fn prepare_list(&self, caller: &Caller) -> Prepared {
        self.prepare(caller, "tools/list", json!({})).await
    }

    /// The same as [`Target::call`], not sent yet.
    pub async fn prepare_call(&self, caller: &Caller, tool: &str) -> Prepared {
        let params = json!({ "name": tool, "arguments": {} });
        self.prepare(caller, "tools/call", params).await
    }

    /// The lines that the server has recorded since the last time.
    pub async fn new_records(&self) -> Vec<String> {
        let read = async || {
            let answer = self.read(&self.owner, OWN_RECORDS).await;
            let text = answer
                .result()
                .and_then(|result| result["contents"][0]["text"].as_str());
            text.unwrap_or_default().to_owned()
        };
        self.trail.new_lines(read).await
    }

    async fn list(&self, caller: &Caller, method: &str, field: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut params = json!({});
        // A list has few pages; one that never ends must not hold the run up.
        for _ in 0..20 {
            let answer = self.ask(caller, method, params).await;
            let Some(result) = answer.result() else { break };
            all.extend(result[field].as_array().into_iter().flatten().cloned());
            let Some(cursor) = result["nextCursor"].as_str() else {
                break;
            };
            params = json!({ "cursor": cursor });
        }
        all
    }

    /// The tools as they are listed now.
    pub async fn tools_now(&self, caller: &Caller) -> Vec<Value> {
        self.list(caller, "tools/list", "tools").await
    }
}

/// The seconds after which a throttled answer allows another try, within bounds.
pub(super) fn wait_seconds(answer: &Answer) -> u64 {
    let seconds = answer.header("retry-after").parse();
    seconds.unwrap_or(1).clamp(1, 10)
}

/// A server's name and version: a field of the result, and since 2026-07-28 of its `_meta`.
fn name_of(result: &Value) -> String {
    let newest = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    let info = if newest.is_object() {
        newest
    } else {
        &result["serverInfo"]
    };
    let text = |name: &str| info[name].as_str().unwrap_or("?");
    crate::untrusted::label(&format!("{} {}", text("name"), text("version")), 80)
}

/// A tool that can be called without doing anything, and the arguments for it: one whose required
/// arguments are left out fails before it runs; one that says it only reads may run.
///
/// # Errors
/// Not applicable, when every tool could change something.
pub fn harmless<'a>(tools: &[&'a Value]) -> Result<&'a str, Verdict> {
    let needs = |tool: &Value| {
        tool["inputSchema"]["required"]
            .as_array()
            .is_some_and(|names| !names.is_empty())
    };
    let reads = |tool: &Value| tool["annotations"]["readOnlyHint"] == true;
    tools
        .iter()
        .find(|tool| needs(tool))
        .or_else(|| tools.iter().find(|tool| reads(tool)))
        .and_then(|tool| tool["name"].as_str())
        .ok_or_else(|| {
            Verdict::NotApplicable("every such tool takes no arguments and isn't marked read-only: calling one could change something".into())
        })
}
