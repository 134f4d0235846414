//! Step 2 of the learning path: an MCP server whose interceptor enforces security.

// ② May this call go on?
pub mod interceptor;
