//! Exercises of step 1: the language model. One file per exercise, with a gap for your code and the
//! test beneath it; this is the table of contents. `make exercises` shows how far you are.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole binary is tests"
)]

// How answers come in: whole lines, whatever the network does to them.
mod a1_line_in_pieces;
// When an answer is whole.
mod a2_cut_answer;
// What a line can carry, also the last one.
mod a3_calls_in_the_last_line;
// The one trait that the rest of the stack depends on.
mod a4_provider_of_your_own;
