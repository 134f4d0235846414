//! `mcp-server audit`: a good log is called good in any order, a bad one never, and a search that can
//! find nothing says why.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::support::Server;

fn program(folder: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mcp-server"));
    program.env_clear().current_dir(folder).arg("audit");
    program
}

/// The exit code, and all that was said.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program(folder).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// A log of several files, as a server leaves it.
async fn rotated() -> Server {
    let server = Server::start(|config| {
        config.audit.max_bytes = 4_096;
        config.limits.burst = 100_000;
    })
    .await;
    let ada = server.client("ada");
    // How many records go into a file depends on how many wait together.
    while !server.folder.path().join("audit.jsonl.3").exists() {
        let answer = ada.call("echo", json!({ "message": "x" })).await;
        assert_eq!(answer.status, 200);
    }
    server.journal.shut_down();
    server
}

#[tokio::test]
async fn a_good_log_is_good_in_whatever_order_and_by_whatever_name() {
    let server = rotated().await;
    let folder = server.folder.path();
    // As a shell gives audit.jsonl*.
    let mut all: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("audit"))
        .collect();
    all.sort();
    let verify = |files: &[String]| {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        run(folder, &[&["verify"], &files[..]].concat())
    };
    let (code, text) = verify(&all);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text.matches("lines hold").count(), all.len(), "{text}");
    all.reverse();
    assert_eq!(verify(&all).0, Some(0));
    // Copies under names of their own.
    let copies: Vec<String> = all
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let copy = format!("copy-{}.jsonl", (number * 7) % all.len());
            fs::copy(folder.join(name), folder.join(&copy)).unwrap();
            copy
        })
        .collect();
    assert_eq!(verify(&copies).0, Some(0));

    // Without a name: those of the configuration.
    fs::write(
        folder.join("server.toml"),
        "[audit]\nfile = \"audit.jsonl\"\n",
    )
    .unwrap();
    let (code, text) = run(folder, &["verify", "--config", "server.toml"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text.matches("lines hold").count(), all.len(), "{text}");
    let (code, text) = run(folder, &["verify"]);
    assert!(
        code == Some(2) && text.contains("name the audit log"),
        "{text}"
    );

    let (code, text) = run(folder, &["verify", "audit.jsonl", "--after", "nonsense"]);
    assert!(code == Some(2) && text.contains("64 hex digits"), "{text}");
}

#[tokio::test]
async fn a_log_that_lacks_something_is_never_called_good() {
    let server = rotated().await;
    let folder = server.folder.path();
    fs::write(
        folder.join("server.toml"),
        "[audit]\nfile = \"audit.jsonl\"\n",
    )
    .unwrap();
    let verify = || run(folder, &["verify", "--config", "server.toml"]);
    let older = folder.join("audit.jsonl.2");
    let text = fs::read_to_string(&older).unwrap();

    fs::write(&older, text.replacen("SUCCESS", "FORBIDDEN", 1)).unwrap();
    let (code, said) = verify();
    assert!(
        code == Some(1) && said.contains("audit.jsonl.2:2: BROKEN"),
        "{said}"
    );
    fs::remove_file(&older).unwrap();
    let (code, said) = verify();
    assert!(
        code == Some(1) && said.contains("audit.jsonl.1:1: BROKEN: it doesn't follow"),
        "{said}"
    );
    fs::write(&older, &text).unwrap();
    assert_eq!(verify().0, Some(0));
    fs::write(folder.join("audit.jsonl"), "").unwrap();
    let (code, said) = verify();
    assert!(code == Some(1) && said.contains("BROKEN"), "{said}");
}

#[test]
fn a_search_that_no_record_can_match_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.jsonl"), "{}\n").unwrap();
    for (wrong, said) in [
        (
            ["--outcome", "DENIED"],
            "SUCCESS, ERROR, UNAUTHORIZED, FORBIDDEN",
        ),
        (["--outcome", "FORBIDEN"], "did you mean FORBIDDEN?"),
        (["--since", "yesterday"], "such as 2026-11-20"),
        (["--until", "2026-13-01"], "such as 2026-11-20"),
        (["--identity", ""], "--identity is empty"),
    ] {
        let (code, text) = run(folder.path(), &[&["query", "a.jsonl"], &wrong[..]].concat());
        assert_eq!(code, Some(2), "{wrong:?}: {text}");
        assert!(text.contains(said), "{wrong:?}: {text}");
    }
    let between = [
        "query",
        "a.jsonl",
        "--since",
        "2026-11-20",
        "--until",
        "2026-11-19",
    ];
    let (code, text) = run(folder.path(), &between);
    assert!(
        code == Some(2) && text.contains("no record is between them"),
        "{text}"
    );
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let line = r#"{"ts":"2026-11-20T10:00:00.000Z","identity":"key:a","method":"ping","outcome":"SUCCESS"}"#;
    // More than a pipe holds.
    fs::write(
        folder.path().join("a.jsonl"),
        format!("{line}\n").repeat(5_000),
    )
    .unwrap();
    let mut child = program(folder.path())
        .args(["query", "a.jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert!(first.contains("SUCCESS"), "{first}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn what_comes_is_followed_over_the_change_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let line = |who: &str| {
        format!(
            r#"{{"ts":"2026-11-20T10:00:00.000Z","identity":"{who}","method":"ping","outcome":"SUCCESS"}}"#
        ) + "\n"
    };
    fs::write(&path, line("one")).unwrap();
    let mut child = program(folder.path())
        .args(["query", "a.jsonl", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().contains("one"));
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(line("two").as_bytes()).unwrap();
    assert!(next().contains("two"));
    fs::rename(&path, folder.path().join("a.jsonl.1")).unwrap();
    fs::write(&path, line("three")).unwrap();
    assert!(next().contains("three"));
    child.kill().unwrap();
    child.wait().unwrap();
}
