//! One message, from its first byte to its record.
//!
//! The transport begins an exchange, the pipeline fills it in, and whoever ends it closes it, which
//! writes the one record that every message leaves. An exchange that nobody closed writes its
//! record when the last hold on it is gone: rmcp refuses some messages before a handler hears of
//! them, answers others, and drops some, and a call can be torn off at any time.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, request::Parts};
use rmcp::model::Extensions;
use serde::Deserialize;

use super::{
    audit::{
        journal::Journal,
        record::{Outcome, Record, id_in_record},
    },
    call::CallInfo,
    denial::{Denial, DenialKind},
    identity::principal::{Peer, Principal},
    limit::charge::Permit,
    text::cut,
};

/// Where a client of 2026-07-28 says which method it asks for, and what that acts on (transports,
/// "Standard Request Headers").
static METHOD_HEADER: HeaderName = HeaderName::from_static("mcp-method");
static NAME_HEADER: HeaderName = HeaderName::from_static("mcp-name");
/// How much of what a refusal says is kept.
const MAX_REASON: usize = 512;
/// How long a method or a path may be in a record.
const MAX_METHOD: usize = 64;
/// How long a target may be in a record.
const MAX_TARGET: usize = 256;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// One message and everything that is known of it. Clones are the same exchange.
///
/// A transport puts it into the message's extensions (over HTTP: into those of the request's
/// `Parts`, which rmcp carries along). Without one, nothing passes.
#[derive(Clone)]
pub struct Exchange(Arc<Inner>);

struct Inner {
    id: u64,
    journal: Arc<Journal>,
    transport: &'static str,
    peer: Peer,
    parent: Option<Box<str>>,
    time: SystemTime,
    started: Instant,
    // Set when the pipeline takes the message over.
    call: OnceLock<Arc<CallInfo>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: Asked,
    principal: Option<Principal>,
    charged: bool,
    permits: Vec<Permit>,
    budget_left: Option<u32>,
    denial: Option<Denial>,
    // The caller must not find out that it was refused.
    is_concealed: bool,
    // What the protocol library said to the caller by itself.
    answered: Option<(Outcome, String)>,
    closed: bool,
}

/// What was asked, as far as it is known. It is worded only if the pipeline never sees the message.
#[derive(Default)]
enum Asked {
    #[default]
    Unreadable,
    Method(Cow<'static, str>),
    Http {
        verb: Method,
        uri: Uri,
        // What the client says that it asks for: good for a record, never for a decision.
        claimed: Claimed,
        body: Bytes,
    },
}

/// A method and a target, as the headers have them.
#[derive(Default)]
struct Claimed {
    method: Option<HeaderValue>,
    target: Option<HeaderValue>,
}

impl Exchange {
    /// Begins an exchange: a message of this peer came over this transport (`stdio`, `http`, `sse`,
    /// or a name of your own).
    pub fn begin(journal: &Arc<Journal>, transport: &'static str, peer: Peer) -> Self {
        Self::new(Arc::clone(journal), transport, peer, None, State::default())
    }

    fn new(
        journal: Arc<Journal>,
        transport: &'static str,
        peer: Peer,
        parent: Option<Box<str>>,
        state: State,
    ) -> Self {
        journal.opens();
        Self(Arc::new(Inner {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            journal,
            transport,
            peer,
            parent,
            time: SystemTime::now(),
            started: Instant::now(),
            call: OnceLock::new(),
            state: Mutex::new(state),
        }))
    }

    /// The exchange that a message, or the HTTP request that carried it, belongs to. A handler
    /// finds its caller by it: `Exchange::of(&context.extensions)?.principal()`.
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Self>().or_else(|| {
            let parts = extensions.get::<Parts>()?;
            parts.extensions.get::<Self>()
        })
    }

    /// An exchange for a call that is made inside of this one, for the same caller. It is charged
    /// and recorded by itself.
    pub(super) fn nested(&self) -> Self {
        let state = State {
            principal: self.principal(),
            ..State::default()
        };
        let parent = Some(id_in_record(self.0.id).into());
        Self::new(
            Arc::clone(&self.0.journal),
            self.0.transport,
            self.0.peer,
            parent,
            state,
        )
    }

    /// Which transport it came over.
    pub fn transport(&self) -> &'static str {
        self.0.transport
    }

    /// Where its caller sits.
    pub fn peer(&self) -> Peer {
        self.0.peer
    }

    /// Whether it is a call inside of another call.
    pub fn is_nested(&self) -> bool {
        self.0.parent.is_some()
    }

    /// Its caller, once signed in, with the rights that it has now.
    pub fn principal(&self) -> Option<Principal> {
        self.state().principal.clone()
    }

    /// Notes who the caller is. A transport with one caller for its whole life says it for every
    /// message; over HTTP the pipeline signs the caller in.
    pub fn signed_in(&self, principal: Principal) {
        self.state().principal = Some(principal);
    }

    /// Notes which JSON-RPC method was asked for.
    pub fn asks(&self, method: impl Into<Cow<'static, str>>) {
        self.state().asked = Asked::Method(method.into());
    }

    /// Notes which HTTP request it is.
    pub fn asks_http(&self, parts: &Parts) {
        self.state().asked = Asked::Http {
            verb: parts.method.clone(),
            uri: parts.uri.clone(),
            claimed: Claimed {
                method: parts.headers.get(&METHOD_HEADER).cloned(),
                target: parts.headers.get(&NAME_HEADER).cloned(),
            },
            body: Bytes::new(),
        };
    }

    /// Notes the body of the HTTP request.
    pub fn has_body(&self, read: Bytes) {
        if let Asked::Http { body, .. } = &mut self.state().asked {
            *body = read;
        }
    }

    /// Whether its caller has been charged for it.
    pub(super) fn is_charged(&self) -> bool {
        self.state().charged
    }

    /// Notes a charge, and holds what it gave for as long as the exchange lasts.
    pub(super) fn charged(&self, permit: Permit) {
        let mut state = self.state();
        state.charged = true;
        state.budget_left = match (state.budget_left, permit.left) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        state.permits.push(permit);
    }

    /// Holds something for as long as the exchange lasts.
    pub(crate) fn holds(&self, held: impl Send + Sync + 'static) {
        let permit = Permit::default().holding(held);
        self.state().permits.push(permit);
    }

    /// The pipeline takes the message over: whatever becomes of it is a call's record.
    pub(super) fn claim(&self, call: Arc<CallInfo>) {
        let _ = self.0.call.set(call);
        // Its record names the call, so what was read can go: it may be large, and the call long.
        self.state().asked = Asked::Unreadable;
    }

    /// What was read of it, until the pipeline takes it over.
    pub(crate) fn unclaimed_body(&self) -> Bytes {
        match &self.state().asked {
            Asked::Http { body, .. } => body.clone(),
            Asked::Unreadable | Asked::Method(_) => Bytes::new(),
        }
    }

    /// Whether the pipeline has taken it over, as a request of this method.
    pub(crate) fn is_call_of(&self, method: &str) -> bool {
        self.0.call.get().is_some_and(|it| it.method() == method)
    }

    /// Whether the pipeline has seen the message.
    pub fn is_claimed(&self) -> bool {
        self.0.call.get().is_some()
    }

    /// Notes what the protocol library answered by itself, for the record of a message that the
    /// pipeline never sees.
    pub fn answered(&self, outcome: Outcome, reason: &str) {
        let mut state = self.state();
        if !state.closed {
            state.answered = Some((outcome, cut(reason, MAX_REASON).to_owned()));
        }
    }

    /// Ends the exchange with a refusal, which its transport renders. The first end stays.
    pub fn deny(&self, denial: Denial) {
        let outcome = Outcome::of(denial.kind);
        let mut state = self.state();
        if denial.kind == DenialKind::Throttled {
            state.budget_left = state.principal.is_some().then_some(0);
        }
        state.denial.get_or_insert(denial);
        self.close_with(state, outcome);
    }

    /// Ends the exchange. The first end stays.
    pub fn close(&self, outcome: Outcome) {
        self.close_with(self.state(), outcome);
    }

    /// The refusal that ended it, for its transport to render; `None` where there was none, or none
    /// that its caller may find out about.
    pub fn denial(&self) -> Option<Denial> {
        let state = self.state();
        let shown = state.denial.as_ref().filter(|_| !state.is_concealed);
        shown.cloned()
    }

    /// The caller finds out nothing about the refusal. The record has it all the same.
    pub(super) fn conceal(&self) {
        self.state().is_concealed = true;
    }

    fn close_with(&self, mut state: MutexGuard<'_, State>, outcome: Outcome) {
        if !std::mem::replace(&mut state.closed, true) {
            self.0.record(&state, outcome);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("id", &self.0.id)
            .field("transport", &self.0.transport)
            .field("peer", &self.0.peer)
            .field("is_claimed", &self.is_claimed())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Writes the record.
    fn record(&self, state: &State, outcome: Outcome) {
        let call = self.call.get().map(Arc::as_ref);
        let method = match call {
            Some(call) => Cow::Borrowed(call.method()),
            None => state.asked.word(),
        };
        let said = match (&state.denial, &state.answered) {
            (Some(denial), _) => &*denial.reason,
            (None, Some((_, reason))) if call.is_none() => reason,
            _ => "",
        };
        // A call that was let in while there was room for its record must have one.
        let refused = state.denial.as_ref().map(|denial| denial.kind);
        let is_owed = call.is_some() && refused != Some(DenialKind::Unavailable);
        let record = Record {
            id: self.id,
            time: self.time,
            took: self.started.elapsed(),
            transport: self.transport,
            peer: self.peer,
            principal: state.principal.as_ref(),
            call,
            method: &method,
            target: call.map_or_else(|| state.asked.claimed_target(), CallInfo::target),
            outcome,
            said: cut(said, MAX_REASON),
            note: state.denial.as_ref().and_then(|it| it.note.as_deref()),
            budget_left: state.budget_left,
            parent: self.parent.as_deref(),
        };
        self.journal.record(&record, is_owed);
    }

    /// Writes the record of what nobody closed.
    fn record_abandoned(&self, mut state: State) {
        if self.call.get().is_some() {
            return self.record(&state, Outcome::Cancelled);
        }
        let (outcome, _) = state.answered.get_or_insert_with(|| {
            let reason =
                "it never reached the pipeline: the protocol library refused or ignored it";
            (Outcome::Rejected, reason.to_owned())
        });
        let outcome = *outcome;
        self.record(&state, outcome);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let state = std::mem::take(self.state.get_mut().unwrap_or_else(PoisonError::into_inner));
        if !state.closed {
            self.record_abandoned(state);
        }
        self.journal.closes();
    }
}

impl Asked {
    fn word(&self) -> Cow<'_, str> {
        match self {
            Self::Unreadable => Cow::Borrowed("(unreadable)"),
            Self::Method(method) => Cow::Borrowed(cut(method, MAX_METHOD)),
            Self::Http {
                verb,
                uri,
                claimed,
                body,
            } => {
                let claimed = claimed.method.as_ref().filter(|_| body.is_empty());
                let claimed = claimed.and_then(|it| Some(Cow::Borrowed(it.to_str().ok()?)));
                match claimed.or_else(|| method_of(body)) {
                    Some(method) => Cow::Owned(cut(&method, MAX_METHOD).to_owned()),
                    // Without the query, which can hold a key that somebody sent wrongly.
                    None => Cow::Owned(format!("{verb} {}", cut(uri.path(), MAX_METHOD))),
                }
            }
        }
    }

    /// What a message that was refused unread acts on, by its client's word.
    fn claimed_target(&self) -> Option<&str> {
        match self {
            Self::Http { claimed, body, .. } if body.is_empty() => {
                Some(cut(claimed.target.as_ref()?.to_str().ok()?, MAX_TARGET))
            }
            _ => None,
        }
    }
}

/// The method that a message names, however broken the rest of it is.
pub fn method_of(body: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
    }
    let named: Named<'_> = serde_json::from_slice(body).ok()?;
    Some(named.method)
}
