//! Step 1 of the learning path: talk to a language model.
//!
//! This crate knows no MCP. It is the seam behind which engines fit: everything above it sees one
//! trait, [`Provider`], and the neutral types of [`chat`].
//!
//! Read the modules in this order; it is the order in which a chat travels.

// The neutral types that every engine maps to its own: messages, tools, events.
pub mod chat;
// The one trait that the rest of the stack depends on.
pub mod provider;
// What can go wrong, with a public and an internal half.
pub mod error;
// What came from outside, made fit to be shown.
mod text;
// Where an engine listens, and who said so.
pub mod address;
// What an operator may set.
pub mod settings;
// From settings to a provider; and the one that chooses between Ollama and the tutor.
mod connect;
// At most N chats at once, and turns that are fair between callers.
pub mod gate;
// How requests leave: one bounded HTTP client for every engine.
mod http;
// When to try again.
mod retry;
// How answers come in: lines out of bytes that may be cut anywhere,
pub mod ndjson;
// each by its deadline,
mod lines;
// or events made of such lines.
mod events;
// An answer as it grows, put together piece by piece.
mod answer;
// Ollama, over its native API.
pub mod ollama;
// Any server with an OpenAI-compatible `/v1`: llama.cpp, vLLM, LM Studio, a cluster.
pub mod openai;
// The learning path's own pages, embedded.
pub mod pages;
// Who answers when there is no model: an honest search over those pages.
pub mod tutor;
// What stands between here and a first answer.
pub mod doctor;

pub use address::Address;
pub use chat::{ChatEvent, ChatRequest, Completion, Message, Role, ToolCall, ToolSpec};
pub use connect::connect;
pub use error::{ErrorKind, ProviderError};
pub use gate::Gate;
pub use ollama::Ollama;
pub use openai::OpenAi;
pub use provider::{ChatStream, Health, Model, Provider};
pub use settings::{ProviderName, Settings, SettingsError};
pub use tutor::Tutor;
