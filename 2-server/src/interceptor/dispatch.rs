//! The end of the pipeline: the handler does what was asked, within its time, and only as long as
//! somebody waits for it and its caller's rights stand.

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use rmcp::{ErrorData, ServerHandler};
use tokio_util::sync::CancellationToken;

use super::{
    call::Failure,
    denial::{Denial, DenialKind},
    identity::{authenticate::Authenticate as _, principal::Principal, sign_in::SignIn},
    layer::{Call, Handle},
    protocol::operation::{Context, Operation},
};

/// Hands a call to the handler.
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
            exchange,
        } = call;
        let principal = info.principal().map_err(Failure::Denied)?;
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
        let answered = tokio::select! {
            biased;
            result = work => answer(result),
            () = gone(cancelled) => Err(Failure::Cancelled),
            () = principal.ended() => self.say_farewell::<Op>(principal, farewell).await,
            () = tokio::time::sleep(self.timeout), if !Op::LASTS => {
                let seconds = self.timeout.as_secs_f64();
                Err(Failure::Denied(Denial::new(DenialKind::TimedOut, format!("the call took longer than {seconds} s, so it was stopped"))))
            }
        };
        drop(exchange);
        answered
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
        Err(Failure::Denied(Denial::unauthorized(
            "the key was revoked or has expired while the call ran",
        )))
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
