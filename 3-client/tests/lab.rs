//! The protocol labs: each plays to its end by itself, fits 80 columns, and needs no colour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole binary is tests"
)]

use std::process::Command;

use mcp_server::lab::{GUARDED, Settings, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const KEY: &str = "admin-key-of-the-lab";

/// Plays a lab against a guarded server in this process.
async fn play(lab: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let settings = Settings {
        defence: &GUARDED,
        admin_key: KEY.into(),
        viewer_key: "viewer-key-of-the-lab".into(),
        audit_file: None,
    };
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, settings, stop.clone()));
    let name = lab.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_mcp-client"))
            .args(["lab", &name, "--url", &url])
            .env_clear()
            .env("HOME", std::env::temp_dir())
            .env("MCP_CLIENT_KEY", KEY)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    stop.cancel();
    served.await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{lab}: {widest} columns");
    assert!(!text.contains('\x1b') && !text.contains(KEY), "{lab}");
    assert!(text.contains('§'), "{lab} names no section");
    text
}

macro_rules! tells {
    ($($name:ident: $lab:literal tells $words:expr;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let text = play($lab).await;
                let mut rest = text.as_str();
                for word in $words {
                    let place = rest.find(word).unwrap_or_else(|| panic!("{word:?} is missing, or in the wrong order:\n{text}"));
                    rest = &rest[place + word.len()..];
                }
            }
        )*
    };
}

tells! {
    the_handshake_shows_both_lifecycles: "handshake" tells [
        "initialize", "mcp-session-id", "notifications/initialized", "HTTP 202", "DELETE", "server/discover", "supportedVersions",
    ];
    tools_fail_in_two_ways: "tools" tells [
        "tools/list", "echo", "structuredContent", "\"isError\": true", "\"error\"",
    ];
    an_answer_arrives_in_pieces: "streaming" tells [
        "progressToken", "progress 1.0", "the response, after", "\"result\"",
    ];
    a_call_is_cancelled_in_both_ways: "cancel" tells [
        "notifications/progress", "closed the connection", "notifications/cancelled", "HTTP 202", "and no response",
    ];
    three_versions_stand_side_by_side: "eras" tells [
        "2024-11-05", "Side by side", "HTTP requests                           3                3                1",
    ];
}
