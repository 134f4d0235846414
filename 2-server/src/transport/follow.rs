//! What runs beside a server for as long as it serves: whatever its ways to sign in must follow,
//! such as the keys file. Every transport begins here, so that nobody can forget it: without it, a
//! revoked key would go on working.

use crate::interceptor::SignIn;

/// Serves, and follows the ways to sign in meanwhile.
pub(super) async fn while_serving<T>(
    authenticator: &SignIn,
    serving: impl Future<Output = T>,
) -> T {
    tokio::select! {
        served = serving => served,
        // It never ends by itself.
        never = async { authenticator.follow().await; std::future::pending().await } => never,
    }
}
