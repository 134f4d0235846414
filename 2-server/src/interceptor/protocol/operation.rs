//! What every method of the protocol has: what it takes, what it gives, what it acts on.

use std::{borrow::Cow, sync::Arc};

use futures_util::future::BoxFuture;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{Extensions, JsonObject, RequestId, Task},
    service::{NotificationContext, Peer, RequestContext, SubscriptionContext},
};
use tokio_util::sync::CancellationToken;

use crate::interceptor::access::{
    catalogue::{Catalogue, Target},
    scope::Scope,
};

/// One kind of request or notification: what it takes, what it gives, and how a handler does it.
/// There is one for each method of the protocol; see [`methods`](super::methods).
pub(crate) trait Operation: Send + 'static {
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

    /// The scopes that it requires; empty where any known caller may do it.
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

    /// Whether a model's wish may be carried out inside of it, through
    /// [`NestedCalls`](crate::interceptor::NestedCalls).
    const NESTS: bool = false;

    /// The task that it asks about.
    fn task(_params: &Self::Params) -> Option<&str> {
        None
    }

    /// The task that the answer hands out.
    fn began(_output: &Self::Output) -> Option<&Task> {
        None
    }

    /// What an open stream says, and gives, when its caller's rights have changed; `None` for what
    /// ends by itself.
    fn farewell(_context: &Self::Context) -> Option<BoxFuture<'static, Self::Output>> {
        None
    }

    /// Takes out of a list what the caller couldn't use.
    fn prune(_output: &mut Self::Output, _may_use: &(dyn Fn(Target<'_>) -> bool + Sync)) {}
}

/// What rmcp hands over with a message, whichever kind it is.
pub(crate) trait Context: Send + 'static {
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
