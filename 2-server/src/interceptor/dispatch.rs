//! The end of the pipeline: the handler does what was asked, within its time, and only as long as
//! somebody waits for it.

use std::{
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use futures_util::FutureExt as _;
use rmcp::{ErrorData, ServerHandler};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{
    authenticate::Principal,
    call::{Call, Context, Failure, Operation},
    denial::{Denial, DenialKind},
};

tokio::task_local! {
    static CALLER: Principal;
}

/// Who makes the call that is being handled, as it stands now. A handler asks this where an answer
/// depends on its reader; `None` outside the pipeline, and in tasks that a handler spawns.
pub fn caller() -> Option<Principal> {
    CALLER.try_with(Clone::clone).ok()
}

/// Hands a call to the handler.
#[derive(Debug)]
pub(super) struct Dispatch<H> {
    handler: Arc<H>,
    time_out: Duration,
}

impl<H> Dispatch<H> {
    pub(super) fn new(handler: Arc<H>, time_out: Duration) -> Self {
        Self { handler, time_out }
    }
}

impl<H> Clone for Dispatch<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            time_out: self.time_out,
        }
    }
}

impl<Op: Operation, H: ServerHandler> Service<Call<Op>> for Dispatch<H> {
    type Response = Op::Output;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Op::Output, Failure>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Op>) -> Self::Future {
        let handler = Arc::clone(&self.handler);
        let time_out = self.time_out;
        Box::pin(async move {
            let Call {
                params,
                context,
                facts,
            } = call;
            let cancelled = context.cancelled().cloned();
            let principal = facts.principal().map_err(Failure::Denied)?.clone();
            // A panic in a tool is that call's failure, and must not leave the caller waiting.
            let work = CALLER.scope(principal.clone(), Op::run(&*handler, params, context));
            let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
            // An answer that is ready at once costs no timer and no watcher.
            if let Some(result) = work.as_mut().now_or_never() {
                return answer(result);
            }
            tokio::select! {
                biased;
                result = work => answer(result),
                () = gone(cancelled) => Err(Failure::Cancelled),
                () = over::<Op>(&principal) => Err(Failure::Denied(Denial::unauthorized("the key was revoked or has expired while the call ran"))),
                () = tokio::time::sleep(time_out), if !Op::LASTS => {
                    let seconds = time_out.as_secs_f64();
                    Err(Failure::Denied(Denial::new(DenialKind::TimedOut, format!("the call took longer than {seconds} s, so it was stopped"))))
                }
            }
        })
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

/// A stream ends a moment later than a call, so that it can say why.
async fn over<Op: Operation>(principal: &Principal) {
    if Op::LASTS {
        principal.over_and_told().await;
    } else {
        principal.over().await;
    }
}

async fn gone(cancelled: Option<CancellationToken>) {
    match cancelled {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}
