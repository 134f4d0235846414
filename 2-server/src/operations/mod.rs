//! For whoever runs the server: is it alive, is it ready, what does it do, and what does it say?

// Behind which path each is asked.
pub mod endpoints;
pub mod metrics;
pub mod readiness;
#[cfg(feature = "otlp")]
pub mod traces;
// What the server says of itself while it runs.
pub mod telemetry;
