//! A layer of the pipeline, in tower's shape: what it decides stands before `inner`, what it does
//! with the answer behind it.
//!
//! tower's own `Service` names the future that a call returns, so that services can be stored and
//! passed around by type. That takes a hand-written state machine for each layer. Here the whole
//! stack is known when the server is built, so [`Handle::handle`] is an `async fn`: a layer reads
//! from top to bottom, and the compiler writes the state machine. What puts layers on top of each
//! other is still tower's: `Layer`, which is implemented for tuples, outermost first.

use std::sync::Arc;

use super::{
    call::{CallInfo, Failure},
    exchange::Exchange,
    protocol::operation::Operation,
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

/// Writes the tower part of a layer out: `Layer<S>` for `$layer`, whose service holds the layer and
/// what is inside of it.
macro_rules! stacks {
    ($layer:ident as $service:ident) => {
        #[doc = concat!("What [`", stringify!($layer), "`] stands in front of.")]
        #[derive(Debug)]
        pub(in crate::interceptor) struct $service<S> {
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
    };
}
pub(super) use stacks;
