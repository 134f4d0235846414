//! Ollama, over its native API.
//!
//! Not over its `/v1`, which ignores `num_ctx` and `think`.

// The provider itself: which model, which route.
mod client;
// Its JSON, in and out.
mod wire;
// One chat, from the request to the last line.
mod stream;
// What each line says.
pub mod decode;
// How full the context is, before Ollama cuts it silently.
mod context;
// Which models are in memory.
mod loaded;
// What its refusals mean.
mod failure;
// Everything but chat: show, pull, embed, load…
mod manage;

pub use client::Ollama;
pub use loaded::LoadedModel;
pub use manage::{Embeddings, ModelInfo, PullProgress};
pub use wire::Details;
