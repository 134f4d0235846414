//! One call on its way through the pipeline: what is asked, by whom, and what is known of it.

use std::{
    borrow::Cow,
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{Extensions, JsonObject, ProtocolVersion, RequestId, Task},
    service::{NotificationContext, Peer, RequestContext, SubscriptionContext},
};
use tokio_util::sync::CancellationToken;

use super::{
    authenticate::Principal,
    catalogue::{Catalogue, Target},
    denial::{Denial, DenialSlot},
    scope::Scope,
    ticket::Ticket,
    trace::Trace,
};

/// How a message came in. The transport puts one into the message's extensions (over HTTP: into
/// those of the request's `Parts`, which rmcp carries along). Without one, or without a principal
/// in it, nothing passes.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// `stdio`, `http` or `sse`, for the record.
    pub transport: &'static str,
    /// The caller, signed in by the transport.
    pub principal: Option<Principal>,
    /// The address of the other side, where there is one.
    pub address: Option<IpAddr>,
    /// Where the HTTP edge looks for a refusal.
    pub slot: Option<DenialSlot>,
    /// The duty to record the message, which the pipeline takes over.
    pub ticket: Option<Ticket>,
    /// The call that made this one, when a model's wish is carried out for its caller.
    pub parent: Option<Box<str>>,
}

impl Arrival {
    /// A message of this caller over this transport.
    pub fn new(transport: &'static str, principal: Option<Principal>) -> Self {
        Self {
            transport,
            principal,
            address: None,
            slot: None,
            ticket: None,
            parent: None,
        }
    }

    /// What the transport attached to a message, or to the HTTP request that carried it.
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Self>().or_else(|| {
            extensions
                .get::<http::request::Parts>()?
                .extensions
                .get::<Self>()
        })
    }
}

/// One kind of request or notification: what it takes, what it gives, and how a handler does it.
/// There is one for each method of the protocol; see [`operations`](super::operations).
pub trait Operation: Send + 'static {
    /// What the caller sends.
    type Params: Send + 'static;
    /// What the handler answers.
    type Output: Send + 'static;
    /// What rmcp knows of the message.
    type Context: Context;

    /// Whether it lasts as long as the caller listens; anything else has a time-out.
    const LASTS: bool = false;

    /// The method, as it is on the wire.
    fn method(params: &Self::Params) -> Cow<'static, str>;

    /// What the operation acts on; `None` where any known caller may do it.
    fn target(_params: &Self::Params) -> Option<Target<'_>> {
        None
    }

    /// The scopes that it takes; empty where any known caller may do it.
    fn requires(
        params: &Self::Params,
        _context: &Self::Context,
        catalogue: &Catalogue,
    ) -> Arc<[Scope]> {
        Self::target(params).map_or_else(Arc::default, |target| catalogue.needs(target))
    }

    /// The arguments, where there are any.
    fn arguments(_params: &Self::Params) -> Option<&JsonObject> {
        None
    }

    /// Has the handler do it.
    fn run<H: ServerHandler>(
        handler: &H,
        params: Self::Params,
        context: Self::Context,
    ) -> impl Future<Output = Result<Self::Output, ErrorData>> + Send;

    /// Whether the answer tells of a failure (a tool's `isError`).
    fn failed(_output: &Self::Output) -> bool {
        false
    }

    /// What a caller without the scope is told in place of the refusal, where only "there is no
    /// such thing" is the specification's answer; the record tells the refusal all the same.
    fn unknown(_params: &Self::Params) -> Option<ErrorData> {
        None
    }

    /// Whether a model's wish may be carried out inside of it, through a
    /// [`Funnel`](super::Funnel).
    const NESTS: bool = false;

    /// The task that it asks about.
    fn task(_params: &Self::Params) -> Option<&str> {
        None
    }

    /// The task that the answer hands out.
    fn began(_output: &Self::Output) -> Option<&Task> {
        None
    }

    /// Takes out of a list what the caller couldn't use.
    fn prune(_output: &mut Self::Output, _may_use: &dyn Fn(Target<'_>) -> bool) {}
}

/// What rmcp hands over with a message, whichever kind it is.
pub trait Context: Send + 'static {
    /// What the transport attached.
    fn extensions(&self) -> &Extensions;
    /// The id of the JSON-RPC request; notifications have none.
    fn rpc_id(&self) -> Option<&RequestId>;
    /// The request's metadata, `_meta`.
    fn meta(&self) -> &JsonObject;
    /// The other side.
    fn peer(&self) -> &Peer<RoleServer>;
    /// Fires when the caller no longer waits.
    fn cancelled(&self) -> Option<&CancellationToken>;
    /// Itself, when it is a plain request.
    fn request(&mut self) -> Option<&mut RequestContext<RoleServer>> {
        None
    }
}

impl Context for RequestContext<RoleServer> {
    fn extensions(&self) -> &Extensions {
        &self.extensions
    }
    fn rpc_id(&self) -> Option<&RequestId> {
        Some(&self.id)
    }
    fn meta(&self) -> &JsonObject {
        &self.meta
    }
    fn peer(&self) -> &Peer<RoleServer> {
        &self.peer
    }
    fn cancelled(&self) -> Option<&CancellationToken> {
        Some(&self.ct)
    }
    fn request(&mut self) -> Option<&mut Self> {
        Some(self)
    }
}

impl Context for SubscriptionContext {
    fn extensions(&self) -> &Extensions {
        self.request_context().extensions()
    }
    fn rpc_id(&self) -> Option<&RequestId> {
        self.request_context().rpc_id()
    }
    fn meta(&self) -> &JsonObject {
        Context::meta(self.request_context())
    }
    fn peer(&self) -> &Peer<RoleServer> {
        Context::peer(self.request_context())
    }
    fn cancelled(&self) -> Option<&CancellationToken> {
        Context::cancelled(self.request_context())
    }
}

impl Context for NotificationContext<RoleServer> {
    fn extensions(&self) -> &Extensions {
        &self.extensions
    }
    fn rpc_id(&self) -> Option<&RequestId> {
        None
    }
    fn meta(&self) -> &JsonObject {
        &self.meta
    }
    fn peer(&self) -> &Peer<RoleServer> {
        &self.peer
    }
    fn cancelled(&self) -> Option<&CancellationToken> {
        None
    }
}

/// A call inside the pipeline.
pub struct Call<Op: Operation> {
    /// What is asked.
    pub params: Op::Params,
    /// What rmcp knows of the message.
    pub context: Op::Context,
    /// What the rules and the record need to know.
    pub facts: Arc<Facts>,
}

/// What is known of a call. Made once, before the first rule; the record is written from it.
#[derive(Debug)]
pub struct Facts {
    principal: Result<Principal, Denial>,
    method: Cow<'static, str>,
    target: Option<Box<str>>,
    task: Option<Box<str>>,
    is_tool: bool,
    requires: Arc<[Scope]>,
    pub(super) request_id: u64,
    pub(super) rpc_id: Option<RequestId>,
    pub(super) client: Option<Box<str>>,
    pub(super) protocol: &'static str,
    pub(super) transport: &'static str,
    pub(super) argument_names: Vec<Box<str>>,
    pub(super) parent: Option<Box<str>>,
    pub(super) trace: Option<Trace>,
    pub(super) time: SystemTime,
    pub(super) started: Instant,
    // Known only once the call has been charged.
    budget_left: OnceLock<u32>,
}

/// How many argument names a record holds, and how long each may be: a caller must not be able to
/// swell the record.
const MAX_NAMES: usize = 32;
const MAX_NAME: usize = 64;
/// How long a target or a client's name may be in a record.
const MAX_TEXT: usize = 256;

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Facts {
    /// Gathers what is known of a call.
    pub(super) fn gather<Op: Operation>(
        params: &Op::Params,
        context: &Op::Context,
        arrival: Option<&Arrival>,
        principal: Result<Principal, Denial>,
        catalogue: &Catalogue,
    ) -> Self {
        let target = Op::target(params);
        let text = target.map(|target| match target {
            Target::Tool(text)
            | Target::Resource(text)
            | Target::Prompt(text)
            | Target::Custom(text) => text,
        });
        let task = Op::task(params);
        let names = Op::arguments(params)
            .into_iter()
            .flat_map(|arguments| arguments.keys());
        Self {
            principal,
            method: Op::method(params),
            target: text.or(task).map(|text| cut(text, MAX_TEXT).into()),
            task: task.map(Into::into),
            is_tool: matches!(target, Some(Target::Tool(_))),
            requires: Op::requires(params, context, catalogue),
            request_id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            rpc_id: context.rpc_id().cloned(),
            client: client(context),
            protocol: protocol(context),
            transport: arrival.map_or("unknown", |arrival| arrival.transport),
            argument_names: names
                .take(MAX_NAMES)
                .map(|name| cut(name, MAX_NAME).into())
                .collect(),
            parent: arrival.and_then(|arrival| arrival.parent.clone()),
            trace: None,
            time: SystemTime::now(),
            started: Instant::now(),
            budget_left: OnceLock::new(),
        }
    }

    /// The caller.
    ///
    /// # Errors
    /// The refusal, when nobody signed in or the key no longer stands.
    pub fn principal(&self) -> Result<&Principal, Denial> {
        self.principal.as_ref().map_err(Clone::clone)
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

    /// Whether a model asked for this call, and not the caller itself.
    pub fn is_nested(&self) -> bool {
        self.parent.is_some()
    }

    /// How it came in: `stdio`, `http` or `sse`.
    pub fn transport(&self) -> &'static str {
        self.transport
    }

    /// The protocol's version, or `unknown`.
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// The id of the JSON-RPC request; notifications have none.
    pub fn rpc_id(&self) -> Option<&RequestId> {
        self.rpc_id.as_ref()
    }

    /// Its place in a trace, where it has one.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// When it came.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// The scopes that the call takes, all of them.
    pub fn requires(&self) -> &[Scope] {
        &self.requires
    }

    pub(super) fn shared_requires(&self) -> Arc<[Scope]> {
        Arc::clone(&self.requires)
    }

    /// How many more calls like this one its caller could make right now; `None` where nothing was
    /// charged.
    pub fn budget_left(&self) -> Option<u32> {
        self.budget_left.get().copied()
    }

    /// Notes what the charge for this call left over. The first note stays.
    pub(super) fn note_budget(&self, left: u32) {
        let _ = self.budget_left.set(left);
    }

    /// The number of this call in this process.
    pub fn id(&self) -> u64 {
        self.request_id
    }

    /// The call's id as it stands in the record; a nested call names it as its parent.
    pub fn id_in_record(&self) -> String {
        super::audit::id_in_record(self.request_id)
    }
}

/// Cuts a text at a character boundary.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text; // no text has more characters than bytes
    }
    match text.char_indices().nth(most) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// The client as it calls itself. Good for a record, never for a decision.
fn client(context: &impl Context) -> Option<Box<str>> {
    let name = |name: &str, version: &str| {
        format!("{}/{}", cut(name, MAX_TEXT / 2), cut(version, MAX_TEXT / 2)).into()
    };
    if let Some(claimed) = context.meta().get("io.modelcontextprotocol/clientInfo") {
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
    let claimed = context
        .meta()
        .get(PROTOCOL_VERSION)
        .and_then(|value| value.as_str());
    match claimed {
        Some(text) => known(text).unwrap_or("unknown"),
        None => context
            .peer()
            .peer_info()
            .and_then(|info| known(info.protocol_version.as_str()))
            .unwrap_or("unknown"),
    }
}

/// Why a call gave no answer.
#[derive(Debug)]
pub enum Failure {
    /// A rule refused it.
    Denied(Denial),
    /// The handler answered with a JSON-RPC error.
    Failed(ErrorData),
    /// Nobody waits for the answer any more.
    Cancelled,
}
