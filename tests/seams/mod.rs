//! The seams, proved: each file is one implementation that the crate doesn't have, put into the
//! pipeline by one line, with nothing else touched.

// A way to sign in that asks somebody else.
mod authenticator;
// A limit that is counted somewhere else, and can fail.
mod limiter;
// A handler whose tools, resources and prompts change while it is served.
mod live;
