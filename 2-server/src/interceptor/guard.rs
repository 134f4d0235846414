//! [`Guard`] stands in front of any rmcp handler. It has no way to the handler but through the
//! pipeline. **This is the page to read**: [`Core::pass`] is the way of every message.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, ListToolsResult, PaginatedRequestParams,
        ServerCapabilities, SubscriptionFilter,
    },
    service::{NotificationContext, RequestContext},
};
use tower::Layer;

use super::{
    audit::journal::Journal,
    call::{CallInfo, Failure},
    denial::{Denial, DenialKind},
    exchange::Exchange,
    identity::{
        authenticate::Credential,
        principal::{Peer, Principal},
        sign_in::SignIn,
    },
    layers::{Authenticate, Call, Dispatch, Handle as _, RateLimit},
    limit::charge::Charge,
    nested::{ErasedGuard, NestedEntry},
    pipeline::{Layers, Pipeline},
    protocol::{
        methods::{CallTool, ListTools},
        operation::{Context as _, Operation},
        trace::Trace,
    },
    rights::Rights,
};

type Stack<H> = <Layers as Layer<Dispatch<H>>>::Service;

/// A handler behind the pipeline. Cheap to clone: build it once and hand out clones.
#[derive(Debug)]
pub struct Guard<H: ServerHandler>(Arc<Core<H>>);

/// What all clones share. One pointer to it, because rmcp clones a handler for every request.
#[derive(Debug)]
pub(super) struct Core<H: ServerHandler> {
    handler: Arc<H>,
    pipeline: Pipeline,
    stack: Stack<H>,
    rights: Rights,
}

impl<H: ServerHandler> Clone for Guard<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: ServerHandler> Guard<H> {
    /// Puts a handler behind the pipeline.
    pub fn new(handler: H, pipeline: &Pipeline) -> Self {
        let handler = Arc::new(handler);
        let layers: Layers = pipeline.layers();
        let stack = layers.layer(Dispatch {
            handler: Arc::clone(&handler),
            sign_in: Arc::clone(&pipeline.sign_in),
            timeout: pipeline.timeout,
        });
        Self(Arc::new(Core {
            handler,
            stack,
            rights: Rights::new(Arc::clone(&pipeline.sign_in)),
            pipeline: pipeline.clone(),
        }))
    }

    /// Begins the exchange of a message that came over this transport.
    pub fn begin(&self, transport: &'static str, peer: Peer) -> Exchange {
        Exchange::begin(&self.0.pipeline.journal, transport, peer)
    }

    /// The first layers of the pipeline, for a transport that must know its caller before it reads
    /// the message: signs the caller in, then charges it. A stranger costs no more than this.
    ///
    /// # Errors
    /// The refusal, which is still to be rendered. The exchange is closed with it.
    pub async fn admit(
        &self,
        exchange: &Exchange,
        credential: &Credential<'_>,
        charge: Charge<'_>,
    ) -> Result<Principal, Denial> {
        let pipeline = &self.0.pipeline;
        let admitted = async {
            let sign_in = Authenticate(Arc::clone(&pipeline.sign_in));
            let principal = sign_in.sign_in(exchange, credential).await?;
            let limit = RateLimit(Arc::clone(&pipeline.limit));
            limit.charge(exchange, &principal, charge).await?;
            Ok(principal)
        };
        admitted
            .await
            .inspect_err(|denial: &Denial| exchange.deny(denial.clone()))
    }

    /// Signs in a caller that stays for the whole life of a transport, such as stdio.
    ///
    /// # Errors
    /// The refusal.
    pub async fn sign_in(
        &self,
        credential: &Credential<'_>,
        peer: Peer,
    ) -> Result<Principal, Denial> {
        self.0.pipeline.sign_in.sign_in(credential, peer).await
    }

    /// Who signs callers in, for whoever must word a challenge or follow the keys.
    pub fn authenticator(&self) -> &Arc<SignIn> {
        &self.0.pipeline.sign_in
    }

    /// Where records go.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.0.pipeline.journal
    }

    pub(super) fn handler(&self) -> &H {
        &self.0.handler
    }

    /// Adds to what the handler can do: where rights may change while the server runs, so may each
    /// list that it offers, and the guard announces it.
    pub(super) fn announce(&self, can: &mut ServerCapabilities) {
        if !self.0.pipeline.sign_in.changes() {
            return;
        }
        if let Some(tools) = &mut can.tools {
            tools.list_changed = Some(true);
        }
        if let Some(resources) = &mut can.resources {
            resources.list_changed = Some(true);
        }
        if let Some(prompts) = &mut can.prompts {
            prompts.list_changed = Some(true);
        }
    }

    /// What of a subscription is served: what the handler announces, and changed rights.
    pub(super) fn accepted(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let by_handler = self.0.handler.accepted_subscription_filter(requested);
        if !self.0.pipeline.sign_in.changes() {
            return by_handler;
        }
        let mut accepted = requested.clone();
        accepted.resource_subscriptions = by_handler.and_then(|it| it.resource_subscriptions);
        Some(accepted)
    }

    /// From now on, announces changed rights to a session of an older version.
    pub(super) fn follow_rights(&self, context: &NotificationContext<RoleServer>) {
        let caller = Exchange::of(&context.extensions).and_then(Exchange::principal);
        if let Some(caller) = caller
            && self.0.pipeline.sign_in.changes()
        {
            self.0.rights.follow(&context.peer, caller);
        }
    }

    pub(super) async fn pass<Op: Operation>(
        &self,
        params: Op::Params,
        context: Op::Context,
    ) -> Result<Op::Output, ErrorData> {
        // Boxed: rmcp holds one future for all methods, as large as the largest of them, and moves it
        // several times.
        Box::pin(self.0.pass::<Op>(params, context)).await
    }
}

impl<H: ServerHandler> Core<H> {
    /// The one way to the handler.
    async fn pass<Op: Operation>(
        self: &Arc<Self>,
        params: Op::Params,
        mut context: Op::Context,
    ) -> Result<Op::Output, ErrorData> {
        // What no transport has begun has no caller, and is refused by the first layer that asks.
        let exchange = Exchange::of(context.extensions()).cloned();
        let exchange = exchange
            .unwrap_or_else(|| Exchange::begin(&self.pipeline.journal, "unknown", Peer::Unknown));
        let trace = Trace::of(context.meta(), self.pipeline.journal.opens_spans());
        let info = Arc::new(CallInfo::new::<Op>(
            &params,
            &context,
            &self.pipeline.catalogue,
            exchange.transport(),
            exchange.is_nested(),
            trace.clone(),
        ));
        exchange.claim(Arc::clone(&info));
        if let Some(request) = context.request() {
            if let Some(trace) = trace {
                request.extensions.insert(trace);
            }
            if Op::NESTS && !exchange.is_nested() {
                let guard: Arc<dyn ErasedGuard> = Arc::clone(self) as _;
                request.extensions.insert(NestedEntry(guard));
            }
        }
        let (unknown, concealed) = (Op::unknown(&params), exchange.clone());
        let call = Call::<Op> {
            params,
            context,
            info,
            exchange,
        };
        let result = self.stack.handle(call).await;
        result.map_err(|failure| match (failure, unknown) {
            (Failure::Failed(error), _) => error,
            (Failure::Cancelled, _) => ErrorData::internal_error("cancelled", None),
            // To those who may not, what is forbidden looks like what isn't there.
            (Failure::Denied(denial), Some(unknown)) if denial.kind == DenialKind::Forbidden => {
                concealed.conceal();
                unknown
            }
            (Failure::Denied(denial), _) => denial.to_error(),
        })
    }
}

impl<H: ServerHandler> ErasedGuard for Core<H> {
    fn list(
        self: Arc<Self>,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'static, Result<ListToolsResult, ErrorData>> {
        Box::pin(async move { self.pass::<ListTools>(page, context).await })
    }

    fn call(
        self: Arc<Self>,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'static, Result<CallToolResponse, ErrorData>> {
        Box::pin(async move { self.pass::<CallTool>(params, context).await })
    }
}
