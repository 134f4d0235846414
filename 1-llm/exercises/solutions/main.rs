//! The exercises of step 1: the language model, with solutions in the place of your code. An exercise
//! tests `crate::NAME`: in its own file that is the module that you change, here it is the solution.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::duplicate_mod,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole binary is tests, and leaves the open code alone"
)]

#[path = "a1_line_in_pieces.rs"]
mod a1;
#[path = "../a1_line_in_pieces.rs"]
mod a1_test;
#[path = "a2_cut_answer.rs"]
mod a2;
#[path = "../a2_cut_answer.rs"]
mod a2_test;
#[path = "a3_calls_in_the_last_line.rs"]
mod a3;
#[path = "../a3_calls_in_the_last_line.rs"]
mod a3_test;
#[path = "a4_provider_of_your_own.rs"]
mod a4;
#[path = "../a4_provider_of_your_own.rs"]
mod a4_test;
