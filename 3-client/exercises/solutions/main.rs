//! The exercises of step 3: the client, with solutions in the place of your code. An exercise
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

#[path = "c1_progress.rs"]
mod c1;
#[path = "../c1_progress.rs"]
mod c1_test;
#[path = "c2_stateless.rs"]
mod c2;
#[path = "../c2_stateless.rs"]
mod c2_test;
#[path = "c3_never_repeat.rs"]
mod c3;
#[path = "../c3_never_repeat.rs"]
mod c3_test;
#[path = "c4_hostile_text.rs"]
mod c4;
#[path = "../c4_hostile_text.rs"]
mod c4_test;
#[path = "c5_pinned_tool.rs"]
mod c5;
#[path = "../c5_pinned_tool.rs"]
mod c5_test;
