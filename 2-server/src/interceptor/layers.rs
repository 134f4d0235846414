//! What each layer does, in the order in which a call meets them.
//!
//! A layer is in tower's shape: what it decides stands before `inner`, what it does with the answer
//! behind it. tower's own `Service` names the future that a call returns, so that services can be
//! stored and passed around by type; that takes a hand-written state machine for each layer. Here
//! the whole stack is known when the server is built, so [`Handle::handle`] is an `async fn`: a
//! layer reads from top to bottom, and the compiler writes the state machine. What puts layers on
//! top of each other is still tower's: `Layer`, which is implemented for tuples.

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use rmcp::{ErrorData, ServerHandler};
use tokio_util::sync::CancellationToken;

use super::{
    access::{
        authorize::{check, hide},
        catalogue::Catalogue,
    },
    audit::{journal::Journal, record::Outcome},
    call::{CallInfo, Failure},
    denial::{Denial, DenialKind},
    exchange::Exchange,
    identity::{authenticate::Credential, principal::Principal, sign_in::SignIn},
    limit::charge::{Charge, Limit},
    protocol::operation::{Context as _, Operation},
    rules::CustomRules,
    tasks::TaskOwners,
};

/// A call on its way through the layers.
pub(super) struct Call<Op: Operation> {
    /// What is asked.
    pub(super) params: Op::Params,
    /// What rmcp knows of the message.
    pub(super) context: Op::Context,
    /// What is known of the call.
    pub(super) info: Arc<CallInfo>,
    /// The message that it came with.
    pub(super) exchange: Exchange,
}

/// Takes a call to its answer.
pub(super) trait Handle<Op: Operation>: Send + Sync {
    /// Gives the answer, or the reason why there is none.
    fn handle(&self, call: Call<Op>) -> impl Future<Output = Result<Op::Output, Failure>> + Send;
}

/// Writes the tower part of a layer out: its service holds the layer, and what is inside of it.
macro_rules! stacks {
    ($($layer:ident as $service:ident)*) => {$(
        #[derive(Debug)]
        pub(super) struct $service<S> {
            layer: $layer,
            inner: S,
        }

        impl<S> tower::Layer<S> for $layer {
            type Service = $service<S>;

            fn layer(&self, inner: S) -> $service<S> {
                $service {
                    layer: self.clone(),
                    inner,
                }
            }
        }
    )*};
}

stacks! {
    Audit as Audited
    Authenticate as Authenticated
    RateLimit as RateLimited
    Authorize as Authorized
    TaskOwners as OwnTasks
    CustomRules as Ruled
}

/// The outermost layer: every call that passes it leaves a record.
#[derive(Debug, Clone)]
pub(super) struct Audit(pub(super) Arc<Journal>);

impl<Op: Operation, S: Handle<Op>> Handle<Op> for Audited<S> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        let exchange = call.exchange.clone();
        // What can't be recorded must not happen.
        let result = match self.layer.0.admit() {
            Ok(()) => self.inner.handle(call).await,
            Err(denial) => Err(Failure::Denied(denial)),
        };
        match &result {
            Ok(output) if Op::failed(output) => exchange.close(Outcome::Error),
            Ok(_) => exchange.close(Outcome::Success),
            Err(Failure::Failed(_)) => exchange.close(Outcome::Error),
            Err(Failure::Cancelled) => exchange.close(Outcome::Cancelled),
            Err(Failure::Denied(denial)) => exchange.deny(denial.clone()),
        }
        result
    }
}

/// Who is it? Nothing passes without a principal whose rights stand.
#[derive(Debug, Clone)]
pub(super) struct Authenticate(pub(super) Arc<SignIn>);

impl<Op: Operation, S: Handle<Op>> Handle<Op> for Authenticated<S> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        let principal = self.layer.recheck(&call.exchange).await?;
        call.info.authenticated(principal);
        self.inner.handle(call).await
    }
}

impl Authenticate {
    /// Signs the caller of an exchange in.
    pub(super) async fn sign_in(
        &self,
        exchange: &Exchange,
        credential: &Credential<'_>,
    ) -> Result<Principal, Denial> {
        let principal = self.0.sign_in(credential, exchange.peer()).await?;
        exchange.signed_in(principal.clone());
        Ok(principal)
    }

    async fn recheck(&self, exchange: &Exchange) -> Result<Principal, Denial> {
        // A transport that signs nobody in must not become an open door.
        let known = exchange
            .principal()
            .ok_or_else(|| Denial::unauthorized("nobody signed in for this message"))?;
        let now = self.0.recheck(&known).await?;
        if !Principal::ptr_eq(&now, &known) {
            exchange.signed_in(now.clone());
        }
        Ok(now)
    }
}

/// Not too often? Every message is charged to its caller, before anything is looked at that a caller
/// could probe for. Its transport may have had it charged before it read the message.
#[derive(Debug, Clone)]
pub(super) struct RateLimit(pub(super) Arc<dyn Limit>);

impl<Op: Operation, S: Handle<Op>> Handle<Op> for RateLimited<S> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        let (limit, who) = (&self.layer, call.info.principal()?);
        if !call.exchange.is_charged() {
            limit.charge(&call.exchange, who, Charge::Call).await?;
        }
        // A rate of its own would tell that a tool exists, so only those feel it who may call it.
        let may_reach = |scope| who.grants().reach(scope);
        if let Some(tool) = call.info.tool()
            && limit.0.limits(tool)
            && call.info.requires().iter().all(may_reach)
        {
            limit
                .charge(&call.exchange, who, Charge::Tool(tool))
                .await?;
        }
        self.inner.handle(call).await
    }
}

impl RateLimit {
    /// Charges the caller of an exchange. What the charge holds, the exchange holds: a place is
    /// free again when the last part of the answer is out.
    pub(super) async fn charge(
        &self,
        exchange: &Exchange,
        who: &Principal,
        what: Charge<'_>,
    ) -> Result<(), Denial> {
        exchange.charged(self.0.charge(who, what).await?);
        Ok(())
    }
}

/// May they? Every scope that the call requires must be granted, and lists show what is.
#[derive(Debug, Clone)]
pub(super) struct Authorize(pub(super) Catalogue);

impl<Op: Operation, S: Handle<Op>> Handle<Op> for Authorized<S> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        let (catalogue, info) = (&self.layer.0, Arc::clone(&call.info));
        check(catalogue, &info, Op::arguments(&call.params))?;
        let mut output = self.inner.handle(call).await?;
        hide::<Op>(catalogue, &info, &mut output)?;
        Ok(output)
    }
}

/// Whose task is it? One that is asked about must be its asker's; one that begins gets its owner.
impl<Op: Operation, S: Handle<Op>> Handle<Op> for OwnTasks<S> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        let info = Arc::clone(&call.info);
        let owner = info.principal()?.label();
        if let Some(task) = info.task() {
            self.layer.check(owner, task)?;
        }
        let output = self.inner.handle(call).await?;
        if let Some(task) = Op::began(&output) {
            let time = task.ttl_ms.map(Duration::from_millis);
            self.layer.begin(owner, &task.task_id, time)?;
        }
        Ok(output)
    }
}

/// Whatever else? The rules that were added are asked in their order, and the first one that refuses
/// has the word.
impl<Op: Operation, S: Handle<Op>> Handle<Op> for Ruled<S> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        for rule in self.layer.iter() {
            rule.check(&call.info, Op::arguments(&call.params)).await?;
        }
        self.inner.handle(call).await
    }
}

/// The end of the pipeline: the handler does what was asked, within its time, and only as long as
/// somebody waits for it and its caller's rights stand.
#[derive(Debug)]
pub(super) struct Dispatch<H> {
    pub(super) handler: Arc<H>,
    pub(super) sign_in: Arc<SignIn>,
    pub(super) timeout: Duration,
}

impl<Op: Operation, H: ServerHandler> Handle<Op> for Dispatch<H> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        let Call {
            params,
            context,
            info,
            exchange: _held,
        } = call;
        let principal = info.principal()?;
        let cancelled = context.cancelled().cloned();
        let farewell = Op::farewell(&context);
        // A panic in a tool is that call's failure, and must not leave the caller waiting. Boxed: a
        // handler's future can be of any size, and everything around it moves it.
        let work = Box::pin(AssertUnwindSafe(Op::run(&*self.handler, params, context)));
        let mut work = pin!(work.catch_unwind());
        // An answer that is ready at once costs no timer and no watcher.
        if let Some(result) = work.as_mut().now_or_never() {
            return answer(result);
        }
        tokio::select! {
            biased;
            result = work => answer(result),
            () = gone(cancelled) => Err(Failure::Cancelled),
            () = principal.ended() => self.say_farewell::<Op>(principal, farewell).await,
            () = tokio::time::sleep(self.timeout), if !Op::LASTS => {
                let seconds = self.timeout.as_secs_f64();
                let said = format!("the call took longer than {seconds} s, so it was stopped");
                Err(Denial::new(DenialKind::TimedOut, said).into())
            }
        }
    }
}

impl<H> Dispatch<H> {
    /// The caller's rights have ended, and a call ends with a refusal. A stream whose caller only
    /// has other rights now says so instead; any other has a moment to say why it ends.
    async fn say_farewell<Op: Operation>(
        &self,
        principal: &Principal,
        farewell: Option<BoxFuture<'static, Op::Output>>,
    ) -> Result<Op::Output, Failure> {
        if let Some(farewell) = farewell
            && self.sign_in.recheck(principal).await.is_ok()
        {
            return Ok(farewell.await);
        }
        if Op::LASTS {
            principal.ended_after_grace().await;
        }
        let said = "the key was revoked or has expired while the call ran";
        Err(Denial::unauthorized(said).into())
    }
}

fn answer<T>(result: std::thread::Result<Result<T, ErrorData>>) -> Result<T, Failure> {
    match result {
        Ok(result) => result.map_err(Failure::Failed),
        Err(_panic) => Err(Failure::Failed(ErrorData::internal_error(
            "the server failed on this call; its log tells why",
            None,
        ))),
    }
}

async fn gone(cancelled: Option<CancellationToken>) {
    match cancelled {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}
