//! The outermost layer: it closes the exchange of every call, because a refusal by any layer inside
//! of it must be written too.

use std::sync::Arc;

use super::{journal::Journal, record::Outcome};
use crate::interceptor::{
    call::Failure,
    layer::{Call, Handle, stacks},
    protocol::operation::Operation,
};

/// The layer: every call that passes it leaves a record.
#[derive(Debug, Clone)]
pub(in super::super) struct Audit(pub(in super::super) Arc<Journal>);

stacks!(Audit as Audited);

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
