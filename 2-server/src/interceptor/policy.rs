//! The only tower plumbing: it turns a [`Rule`], which is two plain functions, into a
//! [`Layer`] of the pipeline. To add a check, write a `Rule` and put it into the tuple in
//! [`interceptor`](super).

use std::{
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use rmcp::model::JsonObject;
use tower::{Layer, Service};

use super::{
    call::{Call, Facts, Failure, Operation},
    denial::Denial,
};

/// A check on every call.
pub trait Rule: Clone + Send + Sync + 'static {
    /// What is held while the call runs, such as a place in a queue; `()` where nothing is.
    type Permit: Send + 'static;

    /// Decides before the call goes on.
    ///
    /// # Errors
    /// The refusal. Nothing after this rule runs then.
    fn check(&self, facts: &Facts, arguments: Option<&JsonObject>) -> Result<Self::Permit, Denial>;

    /// Has a look at the answer on its way back, for instance to take out what the caller must
    /// not see.
    ///
    /// # Errors
    /// A refusal, which takes the answer's place.
    fn review<Op: Operation>(
        &self,
        _facts: &Facts,
        _output: &mut Op::Output,
    ) -> Result<(), Denial> {
        Ok(())
    }
}

/// A rule as a layer.
#[derive(Debug, Clone)]
pub struct Policy<R>(pub R);

impl<R: Rule, S> Layer<S> for Policy<R> {
    type Service = Enforce<R, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Enforce {
            rule: self.0.clone(),
            inner,
        }
    }
}

/// A service that a rule stands in front of.
#[derive(Debug, Clone)]
pub struct Enforce<R, S> {
    rule: R,
    inner: S,
}

impl<Op, R, S> Service<Call<Op>> for Enforce<R, S>
where
    Op: Operation,
    R: Rule,
    S: Service<Call<Op>, Response = Op::Output, Error = Failure>,
{
    type Response = Op::Output;
    type Error = Failure;
    type Future = Enforced<Op, R, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Op>) -> Self::Future {
        match self.rule.check(&call.facts, Op::arguments(&call.params)) {
            Ok(permit) => {
                let facts = Arc::clone(&call.facts);
                Enforced::Allowed {
                    inner: self.inner.call(call),
                    rule: self.rule.clone(),
                    facts,
                    permit: Some(permit),
                }
            }
            Err(denial) => Enforced::Denied {
                denial: Some(denial),
                operation: PhantomData,
            },
        }
    }
}

pin_project! {
    /// A call that a rule has decided on.
    #[allow(missing_docs, reason = "the fields are private plumbing; pin-project-lite has no words for that")]
    #[project = EnforcedProj]
    pub enum Enforced<Op: Operation, R: Rule, F> {
        /// It goes on, holding its permit.
        Allowed { #[pin] inner: F, rule: R, facts: Arc<Facts>, permit: Option<R::Permit> },
        /// It doesn't.
        Denied { denial: Option<Denial>, operation: PhantomData<fn(Op)> },
    }
}

impl<Op, R, F> Future for Enforced<Op, R, F>
where
    Op: Operation,
    R: Rule,
    F: Future<Output = Result<Op::Output, Failure>>,
{
    type Output = Result<Op::Output, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            EnforcedProj::Allowed {
                inner,
                rule,
                facts,
                permit,
            } => {
                let result = ready!(inner.poll(cx));
                permit.take();
                Poll::Ready(result.and_then(|mut output| {
                    rule.review::<Op>(facts, &mut output)
                        .map_err(Failure::Denied)?;
                    Ok(output)
                }))
            }
            EnforcedProj::Denied { denial, .. } => match denial.take() {
                Some(denial) => Poll::Ready(Err(Failure::Denied(denial))),
                None => Poll::Pending, // polled again after it was ready
            },
        }
    }
}
