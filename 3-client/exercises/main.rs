//! Exercises of step 3: the client. One file per exercise, with a gap for your code and the test
//! beneath it; this is the table of contents. `make exercises` shows how far you are.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole binary is tests"
)]

// What is said over the wire, and when.
mod c1_progress;
mod c2_stateless;
mod c3_never_repeat;
// What a server says can't be trusted.
mod c4_hostile_text;
mod c5_pinned_tool;
