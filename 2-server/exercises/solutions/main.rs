//! The exercises of step 2: the server, with solutions in the place of your code. An exercise
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

#[path = "../support.rs"]
mod support;

#[path = "b1_add_a_tool.rs"]
mod b1;
#[path = "../b1_add_a_tool.rs"]
mod b1_test;
#[path = "b2_failure_for_a_model.rs"]
mod b2;
#[path = "../b2_failure_for_a_model.rs"]
mod b2_test;
#[path = "b3_resource_template.rs"]
mod b3;
#[path = "../b3_resource_template.rs"]
mod b3_test;
#[path = "b4_completion.rs"]
mod b4;
#[path = "../b4_completion.rs"]
mod b4_test;
#[path = "b5_grant_little.rs"]
mod b5;
#[path = "../b5_grant_little.rs"]
mod b5_test;
#[path = "b6_dont_tell.rs"]
mod b6;
#[path = "../b6_dont_tell.rs"]
mod b6_test;
#[path = "b7_policy_layer.rs"]
mod b7;
#[path = "../b7_policy_layer.rs"]
mod b7_test;
#[path = "b8_session_owner.rs"]
mod b8;
#[path = "../b8_session_owner.rs"]
mod b8_test;
#[path = "b9_edited_record.rs"]
mod b9;
#[path = "../b9_edited_record.rs"]
mod b9_test;
