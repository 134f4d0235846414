//! The program itself, without a screen: output, exit codes, and the line-by-line chat.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic in a test is its report"
)]

#[path = "support/ran.rs"]
mod ran;
mod support;

use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ran::{Ran, program};
use support::Server;
use tokio::process::Command;

async fn run(url: &str, key: Option<&str>, args: &[&str], input: &str) -> Ran {
    run_in("xterm", url, key, args, input).await
}

async fn run_in(term: &str, url: &str, key: Option<&str>, args: &[&str], input: &str) -> Ran {
    let state = tempfile::tempdir().unwrap();
    let mut command = program(args);
    command
        .env("TERM", term)
        .env("MCP_SERVER_URL", url)
        .env("XDG_STATE_HOME", state.path());
    if let Some(key) = key {
        command.env("MCP_CLIENT_KEY", key);
    }
    ran::run(command, input).await
}

#[tokio::test]
async fn each_way_to_fail_has_an_exit_code_of_its_own() {
    let server = Server::start(None).await;
    for (args, code) in [
        (&["call", "echo", r#"{"message": "hi"}"#][..], 0),
        (&["call", "echo", "{}"], 1),
        (&["call", "echo", "not json"], 2),
        (&["call", "weather-get", r#"{"city": "Oslo"}"#], 3),
        (&["ask", "forbidden"], 5),
        (&["ask", "throttle"], 6),
    ] {
        let ran = run(&server.url, None, args, "").await;
        assert_eq!(ran.code, code, "{args:?}: {}{}", ran.out, ran.err);
    }
    assert_eq!(
        run("http://127.0.0.1:1/mcp", None, &["tools"], "")
            .await
            .code,
        7
    );
    let locked = Server::start(Some("right")).await;
    let refused = run(&locked.url, Some("wr0ng-key"), &["tools"], "").await;
    assert_eq!(refused.code, 4);
    assert!(
        refused.err.contains("MCP_CLIENT_KEY") && !refused.err.contains("wr0ng-key"),
        "{}",
        refused.err
    );
    assert_eq!(
        run(&locked.url, Some("right"), &["tools"], "").await.code,
        0
    );
}

#[tokio::test]
async fn one_call_is_two_requests_and_the_list_is_read_only_to_explain_an_unknown_name() {
    let server = Server::start(None).await;
    let requests = || server.seen.requests.swap(0, Ordering::SeqCst);
    for name in ["echo", "local/echo"] {
        let ran = run(
            &server.url,
            None,
            &["call", name, r#"{"message": "hi"}"#],
            "",
        )
        .await;
        assert_eq!((ran.code, ran.out.as_str()), (0, "hi\n"), "{}", ran.err);
        assert_eq!(requests(), 2, "server/discover and tools/call");
    }
    let ran = run(&server.url, None, &["call", "ehco"], "").await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .contains("there is no tool \"ehco\"; did you mean echo?"),
        "{}",
        ran.err
    );
    assert_eq!(requests(), 3, "and tools/list");
    let ran = run(&server.url, None, &["call", "echo"], "").await;
    assert!(ran.err.contains("message is missing"), "{}", ran.err);
}

#[tokio::test]
async fn the_list_of_tools_tells_what_each_needs_and_claims() {
    let server = Server::start(None).await;
    let ran = run(&server.url, None, &["tools"], "").await;
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "echo                   Says the message back  [needs tools:util:echo · read-only · idempotent]",
            "weather-get            The weather in a city  [read-only · open world]",
            "ollama-chat            Chats",
        ]
    );
    let ran = run(&server.url, None, &["tools", "--json"], "").await;
    let echo: serde_json::Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
    assert_eq!(echo["tool"]["scope"], "tools:util:echo");
    assert_eq!(echo["tool"]["hints"]["read_only"], true);
    assert!(echo["tool"]["schema"]["properties"]["message"].is_object());
}

#[tokio::test]
async fn an_answer_is_printed_byte_for_byte_into_a_pipe_and_a_question_may_come_from_one() {
    let server = Server::start(None).await;
    let ran = run(&server.url, None, &["ask"], "hostile").await;
    assert_eq!(
        ran.out,
        "a\u{1b}[31mred\u{1b}]0;title\u{7} \u{202e}txet \u{9b}2J\n"
    );
}

#[tokio::test]
async fn asking_without_a_person_calls_only_what_was_allowed() {
    let server = Server::start(None).await;
    let refused = run(&server.url, None, &["ask", "echo", "hi"], "").await;
    assert!(
        refused.out.contains("refused") && refused.err.contains("--approve read-only"),
        "{}{}",
        refused.out,
        refused.err
    );
    let called = run(
        &server.url,
        None,
        &["ask", "--approve", "read-only", "echo", "hi"],
        "",
    )
    .await;
    assert_eq!(called.out, "The tool said: hi\n");
}

#[tokio::test]
async fn a_script_can_tell_a_refused_call_and_read_from_everywhere() {
    let server = Server::start(None).await;
    let refused = run(&server.url, None, &["ask", "echo", "hi"], "").await;
    assert_eq!(refused.code, 9, "{}", refused.err);
    let piped = run(&server.url, None, &["ask", "-"], "from a pipe").await;
    assert!(
        piped.out.starts_with("You said: from a pipe."),
        "{}",
        piped.out
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"message": "from a file"}"#).unwrap();
    let at_file = format!("@{}", file.path().display());
    for (arguments, input, said) in [
        ("-", r#"{"message": "from a pipe"}"#, "from a pipe\n"),
        (&at_file, "", "from a file\n"),
    ] {
        let ran = run(&server.url, None, &["call", "echo", arguments], input).await;
        assert_eq!((ran.code, ran.out.as_str()), (0, said), "{}", ran.err);
    }
    let missing = run(&server.url, None, &["call", "echo", "@/no/such/file"], "").await;
    assert!(missing.code == 2 && missing.err.contains("/no/such/file"));
}

#[tokio::test]
async fn rounds_of_calls_have_an_end_that_can_be_moved() {
    let server = Server::start(None).await;
    let ask = |rounds: &'static str| {
        let args = [
            "ask",
            "--approve",
            "all",
            "--max-rounds",
            rounds,
            "again and again",
        ];
        let url = server.url.clone();
        async move { run(&url, None, &args, "").await }
    };
    let ran = ask("3").await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("after 3 rounds") && ran.err.contains("--max-rounds"));
    assert_eq!(server.seen.calls.load(Ordering::SeqCst), 3);
    // The chat asks whether to go on; with a no, the model answers with what it has.
    let input = format!("again and again\na\n{}", "n\n");
    let ran = run(&server.url, None, &["--plain"], &input).await;
    assert!(
        ran.out.contains("go on after 8 rounds of calls"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("The tool said: that is enough"),
        "{}",
        ran.out
    );
}

/// Output whose reader leaves early: no word of it, and no failure.
#[cfg(unix)]
#[tokio::test]
async fn a_reader_that_leaves_early_ends_the_run_in_silence() {
    let server = Server::start(None).await;
    for args in [
        "ask endless",
        "ask --json endless",
        "man",
        "completions bash",
    ] {
        let script = format!(
            "set -o pipefail; {} {args} | head -c 1",
            env!("CARGO_BIN_EXE_mcp-client")
        );
        let state = tempfile::tempdir().unwrap();
        let output = Command::new("bash")
            .args(["-c", &script])
            .env("MCP_SERVER_URL", &server.url)
            .env("XDG_STATE_HOME", state.path())
            .env_remove("MCP_CLIENT_KEY")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let ran = tokio::time::timeout(Duration::from_secs(30), output).await;
        let ran = ran.expect("it ends").unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{args}: {said}");
        assert!(
            !said.contains("roken pipe") && !said.contains("panicked"),
            "{args}: {said}"
        );
    }
}

#[tokio::test]
async fn json_events_are_one_per_line_and_end_with_done() {
    let server = Server::start(None).await;
    let ran = run(&server.url, None, &["ask", "--json", "hello"], "").await;
    let events: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.first().unwrap()["event"], "asking");
    assert_eq!(events.last().unwrap()["event"], "done");
    let text: String = events
        .iter()
        .filter(|e| e["event"] == "content")
        .map(|e| e["text"].as_str().unwrap())
        .collect();
    let answer = events.iter().find(|e| e["event"] == "answer").unwrap();
    assert_eq!(answer["reply"]["message"]["content"], text);
}

#[tokio::test]
async fn resources_prompts_and_the_wire_can_be_looked_at() {
    let server = Server::start(None).await;
    assert!(
        run(&server.url, None, &["resources"], "")
            .await
            .out
            .contains("config://server")
    );
    assert_eq!(
        run(&server.url, None, &["read", "config://server"], "")
            .await
            .out,
        "{\"transport\": \"http\"}\n"
    );
    assert!(
        run(&server.url, None, &["prompts"], "")
            .await
            .out
            .contains("explain-concept")
    );
    assert_eq!(
        run(
            &server.url,
            None,
            &["prompts", "explain-concept", "concept=scopes"],
            ""
        )
        .await
        .out,
        "user: Explain scopes in plain words.\n"
    );
    let trace = run(
        &server.url,
        None,
        &["trace", "echo", r#"{"message": "hi"}"#],
        "",
    )
    .await
    .out;
    for part in [
        "server/discover",
        "→ tools/call",
        "← HTTP 200 tools/call",
        "§ 2026-07-28/server/tools#calling-tools",
    ] {
        assert!(trace.contains(part), "{part} is missing:\n{trace}");
    }
    for line in run(&server.url, None, &["trace", "--json"], "")
        .await
        .out
        .lines()
    {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[tokio::test]
async fn completions_and_the_manual_need_no_server() {
    assert!(
        run("http://127.0.0.1:1/mcp", None, &["completions", "bash"], "")
            .await
            .out
            .contains("mcp-client")
    );
    assert!(
        run("http://127.0.0.1:1/mcp", None, &["man"], "")
            .await
            .out
            .contains(".TH mcp-client")
    );
}

#[tokio::test]
async fn the_line_by_line_chat_asks_before_it_calls_and_draws_nothing() {
    let server = Server::start(None).await;
    let ran = run(
        &server.url,
        None,
        &["--plain"],
        "echo good morning\nperhaps\ny\nhello\n",
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let said: Vec<usize> = [
        "Connected to local",
        "The model asks to call local/echo",
        "Answer y, a or n",
        "The tool said: good morning",
        "You said: hello",
    ]
    .iter()
    .map(|part| {
        ran.out
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} is missing:\n{}", ran.out))
    })
    .collect();
    assert!(said.is_sorted(), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "no escape sequence at all");
}

#[tokio::test]
async fn a_chat_of_two_hundred_turns_still_answers_and_can_be_summed_up() {
    let server = Server::start(None).await;
    let questions: String = (1..=200).map(|n| format!("question {n}\n")).collect();
    let input = format!("{questions}/compact\nafter it\n");
    let ran = run(&server.url, None, &["--plain"], &input).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("You said: question 200."), "{}", ran.out);
    let told: Vec<&str> = ran
        .out
        .lines()
        .filter(|l| l.contains("sent any more"))
        .collect();
    assert_eq!(told.len(), 1, "said once: {told:?}");
    let (_, summed_up) = ran.out.split_once("Summed up.").unwrap();
    assert!(summed_up.contains("| You said: Sum up our conversation"));
    assert!(summed_up.contains("You said: after it."), "{summed_up}");
    // What was sent last: the summary and the question.
    let sent = *server.seen.messages.lock().unwrap();
    assert_eq!(sent, 2);
}

#[tokio::test]
async fn a_terminal_that_cannot_be_drawn_on_gets_lines_and_no_terminal_at_all_a_sentence() {
    let server = Server::start(None).await;
    let ran = run_in("dumb", &server.url, None, &[], "hello\n").await;
    assert!(
        ran.out.contains("You said: hello"),
        "{}{}",
        ran.out,
        ran.err
    );
    let ran = run(&server.url, None, &[], "hello\n").await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("needs a terminal") && ran.err.contains("--plain"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn a_misspelt_setting_stops_the_start_with_its_place() {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), "[chat]\nmodle = \"x\"\n").unwrap();
    let ran = run(
        "http://127.0.0.1:1/mcp",
        None,
        &["--config", file.path().to_str().unwrap(), "tools"],
        "",
    )
    .await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("modle") && ran.err.contains("line 2"),
        "{}",
        ran.err
    );
}

/// The keyring commands that the README names, with a stand-in for each keyring's program on PATH: it
/// gives the key only for exactly the arguments that the README names.
#[cfg(unix)]
#[tokio::test]
async fn the_keyring_commands_of_the_readme_fetch_the_key_and_nothing_shows_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let server = Server::start(Some("right-key")).await;
    let folder = tempfile::tempdir().unwrap();
    let readme = include_str!("../README.md");
    let commands: Vec<&str> = readme
        .lines()
        .filter(|line| line.trim_start().starts_with("| ") && line.contains("`[\""))
        .filter_map(|line| line.rsplit('`').nth(1))
        .collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in commands {
        let words: Vec<String> = serde_json::from_str(command).unwrap();
        let program = folder.path().join(&words[0]);
        let expected = words[1..].join("\n");
        let script = format!(
            "#!/bin/sh\n[ \"$(printf '%s\\n' \"$@\")\" = '{expected}' ] && echo right-key\n"
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let config = folder.path().join("client.toml");
        let text = format!(
            "[servers.local]\nurl = \"{}\"\nkey_command = {command}\n",
            server.url
        );
        std::fs::write(&config, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_mcp-client"))
            .args(["tools", "--config"])
            .arg(&config)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
            .kill_on_drop(true)
            .output();
        let ran = tokio::time::timeout(Duration::from_secs(30), output)
            .await
            .expect("it ends")
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        assert!(
            ran.status.success() && said.contains("echo"),
            "{command}: {said}"
        );
        assert!(!said.contains("right-key"), "{said}");
    }
}
