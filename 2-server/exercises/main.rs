//! Exercises of step 2: the server. One file per exercise, with a gap for your code and the test
//! beneath it; this is the table of contents. `make exercises` shows how far you are.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole binary is tests"
)]

// What the exercises share: a host that launches a server and speaks raw messages to it.
mod support;

// What a server offers.
mod b1_add_a_tool;
mod b2_failure_for_a_model;
mod b3_resource_template;
mod b4_completion;
// Who may use it.
mod b5_grant_little;
mod b6_dont_tell;
mod b7_policy_layer;
mod b8_session_owner;
// What is known of it afterwards.
mod b9_edited_record;
