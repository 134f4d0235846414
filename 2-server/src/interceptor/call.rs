//! A call inside the pipeline: what is asked, and what is known of it.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use rmcp::{
    ErrorData,
    model::{ProtocolVersion, RequestId},
};

use super::{
    access::{
        catalogue::{Catalogue, Target},
        scope::Scope,
    },
    denial::Denial,
    identity::principal::Principal,
    protocol::{
        operation::{Context, Operation},
        trace::Trace,
    },
    text::cut,
};

/// How many argument names a record holds, and how long each may be: a caller must not be able to
/// swell the record.
const MAX_NAMES: usize = 32;
const MAX_NAME: usize = 64;
/// How long a target or a client's name may be in a record.
const MAX_TEXT: usize = 256;

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// What is known of a call. Made once, before the first layer; every rule decides by it.
#[derive(Debug)]
pub struct CallInfo {
    method: Cow<'static, str>,
    target: Option<Box<str>>,
    is_tool: bool,
    task: Option<Box<str>>,
    requires: Arc<[Scope]>,
    rpc_id: Option<RequestId>,
    client: Option<Box<str>>,
    protocol: &'static str,
    argument_names: Vec<Box<str>>,
    transport: &'static str,
    is_nested: bool,
    trace: Option<Trace>,
    // Known once the caller has been authenticated.
    principal: OnceLock<Principal>,
}

impl CallInfo {
    /// Gathers what is known of a call before anybody has looked at its caller.
    pub(super) fn new<Op: Operation>(
        params: &Op::Params,
        context: &Op::Context,
        catalogue: &Catalogue,
        transport: &'static str,
        is_nested: bool,
        trace: Option<Trace>,
    ) -> Self {
        let target = Op::target(params);
        let task = Op::task(params);
        let names = Op::arguments(params)
            .into_iter()
            .flat_map(|arguments| arguments.keys());
        Self {
            method: Op::method(params),
            target: target
                .map(Target::text)
                .or(task)
                .map(|text| cut(text, MAX_TEXT).into()),
            is_tool: matches!(target, Some(Target::Tool(_))),
            task: task.map(Into::into),
            requires: Op::requires(params, context, catalogue),
            rpc_id: context.rpc_id().cloned(),
            client: client(context),
            protocol: protocol(context),
            argument_names: names
                .take(MAX_NAMES)
                .map(|name| cut(name, MAX_NAME).into())
                .collect(),
            transport,
            is_nested,
            trace,
            principal: OnceLock::new(),
        }
    }

    /// The caller.
    ///
    /// # Errors
    /// 401 before the caller has been authenticated.
    pub fn principal(&self) -> Result<&Principal, Denial> {
        let known = self.principal.get();
        known.ok_or_else(|| Denial::unauthorized("nobody signed in for this message"))
    }

    /// Notes who the caller is. The first note stays.
    pub(super) fn authenticated(&self, principal: Principal) {
        let _ = self.principal.set(principal);
    }

    /// The method, as it is on the wire.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What it acts on: a tool's name, a URI, a prompt's name.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The tool that is called, if it is a tool call.
    pub fn tool(&self) -> Option<&str> {
        self.target().filter(|_| self.is_tool)
    }

    /// The task that is asked about, if one is.
    pub fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    /// The names of its arguments; their values are never kept.
    pub fn argument_names(&self) -> impl Iterator<Item = &str> {
        self.argument_names.iter().map(AsRef::as_ref)
    }

    /// Whether a model asked for this call, and not the caller itself.
    pub fn is_nested(&self) -> bool {
        self.is_nested
    }

    /// How it came in: `stdio`, `http` or `sse`.
    pub fn transport(&self) -> &'static str {
        self.transport
    }

    /// The protocol's version, or `unknown`.
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// The client as it calls itself. Good for a record, never for a decision.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The id of the JSON-RPC request; notifications have none.
    pub fn rpc_id(&self) -> Option<&RequestId> {
        self.rpc_id.as_ref()
    }

    /// Its place in a trace, where it has one.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// The scopes that the call requires, all of them.
    pub fn requires(&self) -> &Arc<[Scope]> {
        &self.requires
    }
}

fn client(context: &impl Context) -> Option<Box<str>> {
    let name = |name: &str, version: &str| {
        format!("{}/{}", cut(name, MAX_TEXT / 2), cut(version, MAX_TEXT / 2)).into()
    };
    if let Some(claimed) = context.meta().get(CLIENT_INFO) {
        return Some(name(
            claimed.get("name")?.as_str()?,
            claimed.get("version")?.as_str()?,
        ));
    }
    // A request that is whole in itself has no handshake, and rmcp's stand-in for one names rmcp.
    if context.meta().contains_key(PROTOCOL_VERSION) {
        return None;
    }
    let info = context.peer().peer_info()?;
    Some(name(&info.client_info.name, &info.client_info.version))
}

fn protocol(context: &impl Context) -> &'static str {
    let known = |text: &str| {
        ProtocolVersion::KNOWN_VERSIONS
            .iter()
            .map(ProtocolVersion::as_str)
            .find(|known| *known == text)
    };
    let claimed = context.meta().get(PROTOCOL_VERSION);
    let version = match claimed.and_then(|value| value.as_str()) {
        Some(text) => known(text),
        None => {
            let info = context.peer().peer_info();
            info.and_then(|info| known(info.protocol_version.as_str()))
        }
    };
    version.unwrap_or("unknown")
}

/// Why a call gave no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// A layer refused it.
    Denied(Denial),
    /// The handler answered with a JSON-RPC error.
    Failed(ErrorData),
    /// Nobody waits for the answer any more.
    Cancelled,
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}
