//! Not too often? Every message is charged to its caller, before anything is looked at that a
//! caller could probe for.

use std::sync::Arc;

use super::charge::{Charge, Limit};
use crate::interceptor::{
    access::catalogue::{Catalogue, Target},
    call::{CallInfo, Failure},
    denial::Denial,
    exchange::Exchange,
    identity::principal::Principal,
    layer::{Call, Handle, stacks},
    protocol::operation::Operation,
};

/// The layer: the call is charged, unless its transport had it charged before it read the message.
#[derive(Debug, Clone)]
pub(in super::super) struct RateLimit {
    pub(in super::super) limit: Arc<dyn Limit>,
    pub(in super::super) catalogue: Catalogue,
}

stacks!(RateLimit as RateLimited);

impl<Op: Operation, S: Handle<Op>> Handle<Op> for RateLimited<S> {
    async fn handle(&self, call: Call<Op>) -> Result<Op::Output, Failure> {
        let charged = self.layer.charge_call(&call.exchange, &call.info).await;
        charged.map_err(Failure::Denied)?;
        self.inner.handle(call).await
    }
}

impl RateLimit {
    /// Charges the caller of an exchange. What the charge holds, the exchange holds: a place is
    /// free again when the last part of the answer is out.
    pub(in super::super) async fn charge(
        &self,
        exchange: &Exchange,
        who: &Principal,
        what: Charge<'_>,
    ) -> Result<(), Denial> {
        exchange.charged(self.limit.charge(who, what).await?);
        Ok(())
    }

    async fn charge_call(&self, exchange: &Exchange, call: &CallInfo) -> Result<(), Denial> {
        let who = call.principal()?;
        if !exchange.is_charged() {
            self.charge(exchange, who, Charge::Call).await?;
        }
        if let Some(tool) = call.tool()
            && self.may_reach(who, tool)
        {
            self.charge(exchange, who, Charge::Tool(tool)).await?;
        }
        Ok(())
    }

    /// A rate of its own would tell that a tool exists, so only those hear of it who may call it.
    fn may_reach(&self, who: &Principal, tool: &str) -> bool {
        let needs = self.catalogue.needs(Target::Tool(tool));
        needs.iter().all(|scope| who.grants().reach(scope))
    }
}
