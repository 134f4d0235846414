//! The attack lab as one uses it: against a server that isn't ours, and as a command.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole binary is tests"
)]

#[path = "../examples/bare-server.rs"]
mod bare;

use std::process::{Command, Output};
use std::time::Duration;

use mcp_client::attack::run::{Choice, run};
use mcp_client::attack::sarif::sarif;
use mcp_client::attack::target::Given;
use mcp_client::attack::trail::Trail;
use mcp_client::raw::{Budget, Wire};
use serde_json::Value;
use tokio::net::TcpListener;

async fn bare_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(bare::serve(listener));
    url
}

fn given(url: &str) -> Given {
    Given {
        wire: Wire::new(url, Budget::new(3000)).unwrap(),
        key: None,
        second: None,
        trail: Trail::None,
        patience: Duration::from_secs(2),
        pins: None,
    }
}

#[tokio::test]
async fn a_bare_server_gets_a_true_report() {
    let url = bare_server().await;
    let skip = ["slow-headers".to_owned(), "slow-body".to_owned()];
    let choice = Choice::new(&[], &skip).unwrap();
    let report = run(given(&url), &choice, &mut |_, _| {}).await.unwrap();
    // What rmcp leaves to its user, and says so.
    assert_eq!(
        report.rows("broken"),
        [
            "foreign-origin",
            "lookalike-origin",
            "null-origin",
            "two-hosts",
            "session-flood",
            "amplified-error",
            "call-flood"
        ]
    );
    assert_eq!(report.rows("unclear"), Vec::<&str>::new());
    // Nobody signs in to it, so nothing is said about signing in: neither held nor broken.
    for row in [
        "no-key",
        "wrong-key",
        "hidden-tool",
        "session-theft",
        "brute-force",
        "log-forgery",
    ] {
        assert!(report.rows("not applicable").contains(&row), "{row}");
    }
    assert!(!report.passes());
    is_good_sarif(&sarif(&report));
}

/// What the standard asks beyond the shapes: 3.27.9 and 3.27.10 on kind and level, 3.27.6 on rules.
fn is_good_sarif(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(rules.len(), results.len());
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        let failed = result["kind"] == "fail";
        assert_eq!(
            result["level"],
            if failed { "error" } else { "none" },
            "{result}"
        );
        assert!(
            ["pass", "fail", "notApplicable", "open"].contains(&result["kind"].as_str().unwrap())
        );
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
    }
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
}

#[tokio::test]
async fn nothing_to_try_is_no_pass() {
    let url = bare_server().await;
    let choice = Choice::new(&["credentials".to_owned()], &[]).unwrap();
    let report = run(given(&url), &choice, &mut |_, _| {}).await.unwrap();
    assert_eq!(report.counts(), [0, 0, 7, 0]);
    assert!(
        !report.passes(),
        "an empty run must not be green in somebody's CI"
    );
}

#[tokio::test]
async fn a_rug_that_was_pulled_between_two_runs_is_seen() {
    let url = bare_server().await;
    let folder = tempfile::tempdir().unwrap();
    let pins = folder.path().join("pins.json");
    let choice = Choice::new(&["rug-pull".to_owned()], &[]).unwrap();
    let pinned = || Given {
        pins: Some(pins.clone()),
        ..given(&url)
    };
    for _ in 0..2 {
        let report = run(pinned(), &choice, &mut |_, _| {}).await.unwrap();
        assert!(report.passes());
    }
    let before = std::fs::read_to_string(&pins).unwrap();
    std::fs::write(&pins, before.replace(|c: char| c.is_ascii_digit(), "0")).unwrap();
    let report = run(pinned(), &choice, &mut |_, _| {}).await.unwrap();
    assert_eq!(report.rows("broken"), ["rug-pull"]);
}

fn client(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcp-client"))
        .args(arguments)
        .env_clear()
        .env("HOME", std::env::temp_dir())
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_tells_by_its_exit_code() {
    let url = bare_server().await;
    let code = |arguments: &[&str]| {
        let all = [&["attack", "--url", &url], arguments].concat();
        client(&all).status.code()
    };
    assert_eq!(code(&["--only", "foreign-host"]), Some(0));
    assert_eq!(code(&["--only", "foreign-origin"]), Some(1));
    assert_eq!(code(&["--only", "no-key"]), Some(1), "nothing was shown");
    assert_eq!(code(&["--only", "no-such-row"]), Some(2));
    let nobody = client(&["attack", "--url", "http://127.0.0.1:9/mcp"]);
    assert_eq!(nobody.status.code(), Some(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_for_programs_are_json_and_nothing_else() {
    let url = bare_server().await;
    for format in ["--json", "--sarif"] {
        let output = client(&["attack", "--url", &url, format, "--only", "rebinding"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect(format);
        assert!(report.is_object());
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_for_people_fits_a_small_terminal_without_colour() {
    let url = bare_server().await;
    let output = client(&["attack", "--url", &url, "--only", "rebinding"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("CVE-2026-42559") && text.contains("BROKEN"),
        "{text}"
    );
    assert!(!text.contains('\x1b'));
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{widest}");
}
