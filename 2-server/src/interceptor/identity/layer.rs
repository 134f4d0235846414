//! Who is it? Nothing passes without a principal whose rights stand.

use std::sync::Arc;

use super::{
    authenticate::{Authenticate as _, Credential},
    principal::Principal,
    sign_in::SignIn,
};
use crate::interceptor::{
    call::Failure,
    denial::Denial,
    exchange::Exchange,
    layer::{Call, Handle, stacks},
    protocol::operation::Operation,
};

/// The layer: it signs the caller in, or checks that who signed in before still stands.
#[derive(Debug, Clone)]
pub(in super::super) struct Authenticate(pub(in super::super) Arc<SignIn>);

stacks!(Authenticate as Authenticated);

impl<Op: Operation, S: Handle<Op>> Handle<Op> for Authenticated<S> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        let principal = self.layer.recheck(&call.exchange).await;
        call.info.authenticated(principal.map_err(Failure::Denied)?);
        self.inner.handle(call).await
    }
}

impl Authenticate {
    /// Signs the caller of an exchange in.
    pub(in super::super) async fn sign_in(
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
