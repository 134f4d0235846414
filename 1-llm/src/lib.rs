//! Step 1 of the learning path: talk to a language model.
//!
//! This crate knows no MCP. It is the seam behind which engines fit: everything above it sees one
//! trait, [`Provider`], and the neutral types of [`chat`].
//!
//! Read the modules in this order; it is the order in which a chat travels.

// What is said: messages, tools, events. The neutral types that every engine maps to its own.
pub mod chat;
// Who can say it: the one trait that the rest of the stack depends on.
pub mod provider;
// What can go wrong, with a public and an internal half.
pub mod error;
// What an operator may set.
pub mod settings;
// From settings to a provider; and the one that chooses between Ollama and the tutor.
mod connect;
// At most N chats at once, and turns that are fair between callers.
pub mod gate;
// How requests leave: one bounded HTTP client for every engine.
mod http;
// How answers come in: lines by their deadlines, put together piece by piece.
mod answer;
mod lines;
// When to try again.
mod retry;
// Ollama, over its native API.
pub mod ollama;
// Any server with an OpenAI-compatible `/v1`: llama.cpp, vLLM, LM Studio, a cluster.
pub mod openai;
// What speaks when there is no model: an honest search over the pages.
pub mod tutor;
// What stands between here and a first answer.
pub mod doctor;
// The learning path's own pages, embedded.
pub mod pages;

pub use chat::{ChatEvent, ChatRequest, Completion, Message, Role, ToolCall, ToolSpec};
pub use connect::connect;
pub use error::{ErrorKind, ProviderError};
pub use gate::Gate;
pub use ollama::Ollama;
pub use openai::OpenAi;
pub use provider::{ChatStream, Health, Model, Provider};
pub use settings::{Settings, SettingsError};
pub use tutor::Tutor;
