//! Step 3: a terminal chat that speaks nothing but MCP. The modules below stand in reading order.

// What the person typed, and the secrets in it.
pub mod config;
pub mod secret;

// The vocabulary: text that can't be trusted, what can go wrong, what a server offers, what a chat is.
pub mod catalog;
pub mod chat;
pub mod failure;
pub mod fuzzy;
pub mod markdown;
pub mod untrusted;

// The network: every message on record, HTTP, ordered progress, one connection, keeping it alive.
pub mod http;
pub mod link;
pub mod session;
pub mod tap;
pub mod wire;

// The loop: model, approval, tool, model.
pub mod agent;

// The chat: events in, commands out, no I/O in between.
pub mod app;
pub mod command;
pub mod editor;
pub mod event;
pub mod store;

// The screen: what is drawn, the terminal it is drawn on, and the loop that joins everything; and the
// same client without a screen.
mod frames;
mod hands;
pub mod headless;
pub mod plain;
pub mod runtime;
mod signals;
pub mod terminal;
pub mod ui;

// The learning path's laboratory: raw messages, exchanges shown step by step, and attacks on servers
// of one's own.
pub mod attack;
pub mod lab;
pub mod page;
pub mod raw;
