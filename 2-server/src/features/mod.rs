//! ③ What can be asked? The server's features, in the specification's words: tools, resources and
//! prompts, and the handler that offers them.

// The face: which method is answered by what.
pub mod handler;
// One file a tool.
pub mod tools;
// What can be read, and what a person picks.
pub mod prompts;
pub mod resources;
// What an argument could be, and lists in pages.
pub mod completion;
pub mod paging;
// What is announced when it changes.
pub mod changes;
