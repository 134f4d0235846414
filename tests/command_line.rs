//! The command line: keys, policy, audit.

use std::{
    path::Path,
    process::{Command, Output},
};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .env_clear()
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_key_is_made_shown_once_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let keys = |arguments: &[&str]| run(folder.path(), &[&["keys"], arguments].concat());
    let added = keys(&[
        "add",
        "ada",
        "--role",
        "user",
        "--scope",
        "tools:danger:*",
        "--expires",
        "2030-01-31",
        "--allow",
        "10.0.0.0/8",
        "--note",
        "for the demo",
    ]);
    assert!(added.status.success(), "{}", err(&added));
    let key = out(&added).trim().to_owned();
    assert!(key.starts_with("mcp_") && key.len() == 68, "{key}");

    let file = folder.path().join("config/keys.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&key), "only the digest is kept");
    assert!(text.starts_with("# Who may call."), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let listed = out(&keys(&["list"]));
    assert!(
        listed.contains("ada")
            && listed.contains("expires 2030-01-31")
            && listed.contains("role user"),
        "{listed}"
    );
    assert!(err(&keys(&["check"])).contains("1 key, and it is good"));

    // Comments stay where a person put them.
    std::fs::write(&file, format!("# our keys\n{text}")).unwrap();
    let rotated = out(&keys(&["rotate", "ada"]));
    assert_ne!(rotated.trim(), key);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("# our keys\n") && text.contains("tools:danger:*"),
        "{text}"
    );

    assert_eq!(
        keys(&["add", "ada", "--role", "user"]).status.code(),
        Some(2),
        "a name is taken once"
    );
    assert!(keys(&["revoke", "ada"]).status.success());
    assert_eq!(keys(&["revoke", "ada"]).status.code(), Some(2));
}

#[test]
fn a_key_that_would_break_the_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (wrong, said) in [
        (["add", "bob", "--role", "king"], "[roles.king]"),
        (["add", "bob", "--scope", "tools"], "is no scope"),
        (["add", "bob", "--note", "no rights"], "without rights"),
    ] {
        let output = run(folder.path(), &[&["keys"], &wrong[..]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains(said), "{}", err(&output));
        assert!(!folder.path().join("config/keys.toml").exists());
    }
}

#[test]
fn policy_tells_the_decision_and_the_rule_that_made_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.toml"), crate::support::keys(&[("bob", r#""tools:util:*", { scope = "tools:weather:get", where = { city = { one_of = ["Oslo"] } } }"#)])).unwrap();
    let explain = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
            .env_clear()
            .env("MCP_AUTH__KEYS_FILE", "keys.toml")
            .current_dir(folder.path())
            .args(["policy", "explain", "--key", "bob"])
            .args(arguments)
            .output()
            .unwrap();
        (output.status.code(), out(&output))
    };
    let (code, text) = explain(&["tools/call", "echo"]);
    assert!(
        code == Some(0) && text.starts_with("ALLOWED") && text.contains("tools:util:*"),
        "{text}"
    );
    let (code, text) = explain(&["tools/call", "ollama-chat"]);
    assert!(
        code == Some(1) && text.starts_with("REFUSED") && text.contains("lacks tools:ollama:chat"),
        "{text}"
    );
    let (code, text) = explain(&[
        "tools/call",
        "weather-get",
        "--arguments",
        r#"{"city":"Rome"}"#,
    ]);
    assert!(
        code == Some(1) && text.contains("city must be one of \"Oslo\""),
        "{text}"
    );
    let (code, _) = explain(&[
        "tools/call",
        "weather-get",
        "--arguments",
        r#"{"city":"Oslo"}"#,
    ]);
    assert_eq!(code, Some(0));
    for free in [
        "logging/setLevel",
        "tasks/get",
        "notifications/cancelled",
        "ping",
    ] {
        let (code, text) = explain(&[free]);
        assert!(
            code == Some(0) && text.starts_with("ALLOWED"),
            "{free}: {text}"
        );
    }
    assert_eq!(explain(&["completion/complete"]).0, Some(2), "of what?");
    let (code, text) = explain(&["tools/call", "wether-get"]);
    assert!(
        code == Some(1) && text.contains("there is no such tool: \"wether-get\""),
        "{text}"
    );
    let (code, text) = explain(&["prompts/get", "nope"]);
    assert!(code == Some(1) && text.contains("no such prompt"), "{text}");

    let ended = crate::support::keys(&[("bob", "\"*\"")]) + "expires = 2020-01-01\n";
    std::fs::write(folder.path().join("keys.toml"), ended).unwrap();
    let (code, text) = explain(&["tools/call", "echo"]);
    assert!(code == Some(1) && text.contains("has expired"), "{text}");
}

#[test]
fn policy_knows_networks_names_its_file_and_refuses_what_isnt_there() {
    let folder = tempfile::tempdir().unwrap();
    let bob = crate::support::keys(&[("bob", "\"*\"")]);
    let text = bob + "allow = [\"10.0.0.0/8\", \"192.168.1.7\"]\n";
    std::fs::write(folder.path().join("keys.toml"), text).unwrap();
    let explain = |arguments: &[&str]| {
        let output = run(folder.path(), &[&["policy", "explain"], arguments].concat());
        (output.status.code(), out(&output) + &err(&output))
    };
    let bob = ["--key", "bob", "--file", "keys.toml"];
    let from = |address| [&bob[..], &["--from", address, "tools/call", "echo"]].concat();
    for good in ["10.1.2.3", "::ffff:10.1.2.3", "192.168.1.7"] {
        let (code, text) = explain(&from(good));
        assert!(code == Some(0) && text.starts_with("ALLOWED"), "{text}");
    }
    let (code, text) = explain(&from("192.168.1.8"));
    assert!(
        code == Some(1) && text.contains("may be used from 10.0.0.0/8, 192.168.1.7 alone"),
        "{text}"
    );
    let (code, text) = explain(&["--key", "eve", "--file", "keys.toml", "tools/call", "echo"]);
    assert!(
        code == Some(2) && text.contains("no key called \"eve\" in keys.toml"),
        "{text}"
    );
    let (code, text) = explain(&[&bob[..], &["tool/call", "echo"]].concat());
    assert!(
        code == Some(2) && text.contains("did you mean tools/call?"),
        "{text}"
    );
    let (code, text) = explain(&["tools/call", "echo"]);
    assert!(
        code == Some(2) && text.contains("--key <NAME>|--anonymous"),
        "{text}"
    );
}

#[test]
fn the_record_is_searched_by_who_what_how_and_when() {
    let folder = tempfile::tempdir().unwrap();
    let line = |ts: &str, who: &str, tool: &str, outcome: &str| {
        format!(
            r#"{{"ts":"{ts}","identity":"{who}","name":"of {who}","method":"tools/call","target":"{tool}","outcome":"{outcome}"}}"#
        )
    };
    let lines = [
        line("2026-11-20T10:00:00.000Z", "key:a", "echo", "SUCCESS"),
        line(
            "2026-11-20T11:00:00.000Z",
            "key:a",
            "weather-get",
            "FORBIDDEN",
        ),
        line("2026-11-21T10:00:00.000Z", "key:b", "echo", "FORBIDDEN"),
    ];
    std::fs::write(folder.path().join("a.jsonl"), lines.join("\n") + "\n").unwrap();
    let found = |by: &[&str]| {
        let output = run(
            folder.path(),
            &[&["audit", "query", "a.jsonl", "--json"], by].concat(),
        );
        let text = out(&output);
        let found = lines.iter().map(|line| text.contains(line.as_str()));
        found.collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), [true, true, true]);
    assert_eq!(found(&["--identity", "key:a"]), [true, true, false]);
    assert_eq!(found(&["--identity", "of key:b"]), [false, false, true]);
    assert_eq!(found(&["--outcome", "forbidden"]), [false, true, true]);
    assert_eq!(found(&["--tool", "echo"]), [true, false, true]);
    assert_eq!(found(&["--since", "2026-11-20T11"]), [false, true, true]);
    assert_eq!(found(&["--until", "2026-11-20"]), [true, true, false]);
    assert_eq!(
        found(&["--tool", "echo", "--outcome", "FORBIDDEN"]),
        [false, false, true]
    );
}

#[test]
fn what_the_record_says_cant_steer_the_terminal_that_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let record = r#"{"ts":"t","identity":"i","method":"tools/call","target":"a\u202eb\u001b[2Jc","outcome":"FORBIDDEN"}"#;
    std::fs::write(&file, format!("{record}\nno\u{202e}record\u{1b}\n")).unwrap();
    let shown = out(&run(folder.path(), &["audit", "tail", "audit.jsonl"]));
    assert!(
        shown.contains("ab[2Jc") && shown.contains("norecord"),
        "{shown}"
    );
    assert!(!shown.contains(['\u{202e}', '\u{1b}']), "{shown:?}");
}

#[test]
fn help_shows_an_example_and_the_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let help = out(&run(folder.path(), &["--help"]));
    assert!(
        help.contains("Examples:") && help.contains("Exit codes:"),
        "{help}"
    );
    for path in [
        "/mcp",
        "/sse",
        "/messages",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        assert!(help.contains(path), "{path}: {help}");
    }
    assert_eq!(run(folder.path(), &["--nonsense"]).status.code(), Some(2));
}

#[test]
fn who_wants_to_serve_or_to_give_a_key_is_told_how() {
    let folder = tempfile::tempdir().unwrap();
    for (typed, said) in [
        (&["serve"][..], "name no command"),
        (&["start"], "--transport sse"),
        (&["--key", "abc"], "MCP_CLIENT_KEY"),
        (&["--transprt", "sse"], "--transport"),
    ] {
        let output = run(folder.path(), typed);
        assert_eq!(output.status.code(), Some(2), "{typed:?}");
        assert!(err(&output).contains(said), "{}", err(&output));
    }
    assert_eq!(run(folder.path(), &["--version"]).status.code(), Some(0));
}
