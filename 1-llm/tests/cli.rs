//! The command, as it is typed: what it prints, where to, and how it exits.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[path = "../../tests/support/fake_ollama/mod.rs"]
mod fake_ollama;
mod support;

use std::process::Stdio;

use fake_ollama::{FakeOllama, Mode};
use serde_json::Value;
use support::within;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// The command with an environment of its own, and nothing of this machine's.
fn command(host: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-llm"));
    command
        .args(arguments)
        .env_clear()
        .env("OLLAMA_HOST", host)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn ran(mut command: Command) -> Ran {
    let output = within(command.output()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

async fn run(host: &str, arguments: &[&str]) -> Ran {
    ran(command(host, arguments)).await
}

const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn ask_prints_the_answer_alone_on_standard_output_and_the_statistics_beside_it() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let ran = run(&fake.url, &["ask", "--stats", "hi"]).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (
            Some(0),
            "Hej på dig! You said “hi” — that is <fine> & good 🦙.\n"
        )
    );
    for told in [
        "llama3.2:latest via ollama",
        "first token after",
        "tokens/s",
        "context",
    ] {
        assert!(ran.err.contains(told), "{}", ran.err);
    }
    assert!(!ran.err.contains('\x1b'), "no colours for a pipe");
}

#[tokio::test]
async fn thinking_goes_to_standard_error() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let ran = run(&fake.url, &["ask", "--model", "qwen3", "--think", "hi"]).await;
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.out.starts_with("Hej") && ran.err.contains("let me think"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.ends_with("answer.\n\n"),
        "the answer begins apart: {:?}",
        ran.err
    );
    assert_eq!(fake.chats()[0]["think"], true);
}

#[tokio::test]
async fn without_ollama_the_tutor_answers_and_the_statistics_say_so() {
    let ran = run(NOBODY, &["ask", "--stats", "What is MCP?"]).await;
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.contains("— "), "{}", ran.out);
    assert!(ran.err.contains("tutor via tutor"), "{}", ran.err);
    assert!(ran.err.contains("mcp-llm doctor"), "{}", ran.err);
    let asked_for = run(NOBODY, &["ask", "--model", "tutor", "What is MCP?"]).await;
    assert_eq!(asked_for.err, "", "who asked for the tutor needs no hint");
}

#[tokio::test]
async fn a_list_without_ollama_says_why_it_is_so_short() {
    let ran = run(NOBODY, &["models"]).await;
    assert!(ran.out.starts_with("tutor"), "{}", ran.out);
    assert!(
        ran.err.contains("isn't answering at http://127.0.0.1:9"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn a_failure_says_what_to_do_exits_1_and_keeps_what_came() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let ran = run(&fake.url, &["ask", "--model", "zzz", "hi"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains("ollama pull zzz"), "{}", ran.err);
    let ran = run(
        &fake.url,
        &["ask", "--verbose", "--model", "fake-cut", "hi"],
    )
    .await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "Hej på dig!\n"));
    assert!(
        ran.err.contains("which is not complete") && ran.err.contains("before the answer did"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn a_wrong_command_line_exits_2() {
    assert_eq!(run(NOBODY, &["ask"]).await.code, Some(2));
    assert_eq!(
        run(NOBODY, &["--provider", "nonsense", "models"])
            .await
            .code,
        Some(2)
    );
}

#[tokio::test]
async fn doctor_exits_by_what_it_found_and_speaks_json() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let ran = run(&fake.url, &["doctor", "--json"]).await;
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["version"], "0.32.15");
    assert_eq!(report["models"].as_array().map(Vec::len), Some(4));
    let ran = run(NOBODY, &["doctor"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("ollama serve"), "{}", ran.out);
}

#[tokio::test]
async fn models_are_listed_for_people_and_for_programs() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let ran = run(&fake.url, &["models"]).await;
    assert!(
        ran.out
            .starts_with("llama3.2:latest      3.2B Q4_K_M     2.0 GB  completion, tools\n"),
        "{}",
        ran.out
    );
    let listed: Value =
        serde_json::from_str(&run(&fake.url, &["models", "--json"]).await.out).unwrap();
    assert_eq!(listed[1]["capabilities"][2], "thinking");
}

#[tokio::test]
async fn pull_tells_its_steps_and_what_to_do_then() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let ran = run(&fake.url, &["pull", "gemma3"]).await;
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.out
            .contains("gemma3 is ready. Try: mcp-llm ask --model gemma3"),
        "{}",
        ran.out
    );
    assert!(
        ran.err.contains("pulling manifest") && ran.err.contains("verifying"),
        "{}",
        ran.err
    );
    assert_eq!(
        run(&fake.url, &["pull", "fake-missing"]).await.code,
        Some(1)
    );
}

async fn ended(child: &mut tokio::process::Child) -> Option<i32> {
    within(child.wait()).await.unwrap().code()
}

async fn interrupt(child: &tokio::process::Child) {
    let id = child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .await
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn ctrl_c_stops_a_pull_and_says_that_it_can_go_on() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let mut child = command(&fake.url, &["pull", "fake-stuck"]).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("pulling dde5") {
        assert_ne!(
            within(err.read_line(&mut line)).await.unwrap(),
            0,
            "it ended early: {line}"
        );
    }
    interrupt(&child).await;
    within(err.read_to_string(&mut line)).await.unwrap();
    assert_eq!(ended(&mut child).await, Some(130));
    assert!(line.contains("continues from here"), "{line}");
}

#[tokio::test]
async fn ctrl_c_stops_an_answer_and_the_engine_with_it() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let mut child = command(&fake.url, &["ask", "--model", "fake-stall", "hi"])
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut said = [0; 3];
    within(out.read_exact(&mut said)).await.unwrap();
    assert_eq!(&said, b"Hej");
    interrupt(&child).await;
    assert_eq!(ended(&mut child).await, Some(130));
    within(fake.until_cancelled(1)).await;
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_failure() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let mut child = command(&fake.url, &["models"]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(ended(&mut child).await, Some(0));
}

#[tokio::test]
async fn a_machine_without_root_certificates_reaches_its_own_ollama() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let bare = |host: &str, arguments: &[&str]| {
        let mut command = command(host, arguments);
        command
            .env("SSL_CERT_FILE", "/nonexistent")
            .env("SSL_CERT_DIR", "/nonexistent");
        command
    };
    let ran_http = ran(bare(&fake.url, &["ask", "hi"])).await;
    assert_eq!(ran_http.code, Some(0), "{}", ran_http.err);
    let ran_https = ran(bare(
        "https://127.0.0.1:9",
        &["--provider", "ollama", "models"],
    ))
    .await;
    assert_eq!(ran_https.code, Some(1));
    assert!(ran_https.err.contains("error: "), "{}", ran_https.err);
}

#[tokio::test]
async fn a_proxy_never_sees_what_is_meant_for_this_machine() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let mut command = command(&fake.url, &["ask", "hi"]);
    command
        .env("HTTP_PROXY", NOBODY)
        .env("http_proxy", NOBODY)
        .env("ALL_PROXY", NOBODY);
    let ran = ran(command).await;
    assert!(ran.out.starts_with("Hej"), "{}{}", ran.out, ran.err);
}

#[tokio::test]
async fn a_key_is_sent_and_never_printed() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let mut command = command(
        &fake.url,
        &["--verbose", "ask", "--stats", "--model", "fake-crash", "hi"],
    );
    command.env("OLLAMA_API_KEY", "s3cret-key");
    let ran = ran(command).await;
    assert_eq!(ran.code, Some(1));
    assert!(
        !format!("{}{}", ran.out, ran.err).contains("s3cret"),
        "{}",
        ran.err
    );
    assert!(
        fake.requests()
            .iter()
            .all(|request| request.headers["authorization"] == "Bearer s3cret-key")
    );
}

#[tokio::test]
async fn a_port_that_is_none_is_repaired_as_ollama_does_and_somebody_is_told() {
    for arguments in [&["models"][..], &["doctor"]] {
        let ran = run("localhost:99999", arguments).await;
        assert!(
            ran.err
                .contains("OLLAMA_HOST: the port in the address isn't one; using 11434"),
            "{arguments:?}: {}",
            ran.err
        );
    }
}

#[tokio::test]
async fn the_default_model_of_the_environment_is_the_one_that_the_doctor_and_ask_take() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let with = |arguments: &[&str]| {
        let mut command = command(&fake.url, arguments);
        command.env("MCP_LLM__DEFAULT_MODEL", "tinyllama");
        ran(command)
    };
    let report: Value = serde_json::from_str(&with(&["doctor", "--json"]).await.out).unwrap();
    assert_eq!(
        (&report["chosen"], &report["state"]),
        (&"tinyllama".into(), &"no-tools".into())
    );
    with(&["ask", "hi"]).await;
    assert_eq!(fake.chats()[0]["model"], "tinyllama");
}

#[tokio::test]
async fn the_doctor_and_pull_do_not_speak_of_ollama_when_the_provider_is_another() {
    for arguments in [
        &["--provider", "openai", "doctor"][..],
        &["--provider", "tutor", "pull", "llama3.2"],
    ] {
        let ran = run(NOBODY, arguments).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
        assert!(ran.err.contains("mcp-llm models"), "{}", ran.err);
    }
}

#[tokio::test]
async fn a_way_to_think_that_there_is_not_is_a_wrong_command_line_that_names_those_there_are() {
    let ran = run(NOBODY, &["ask", "--think=hard", "hi"]).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("low, medium, high, max"), "{}", ran.err);
}

async fn asked_on_standard_input(host: &str, question: Vec<u8>) -> Ran {
    let mut command = command(host, &["ask", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::spawn(async move {
        // A command that has read enough closes its end.
        let _ = stdin.write_all(&question).await;
    });
    let output = within(child.wait_with_output()).await.unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn a_question_on_standard_input_is_asked_whole_or_not_at_all() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let ran = asked_on_standard_input(&fake.url, b"hi".to_vec()).await;
    assert!(ran.out.contains("You said"), "{}{}", ran.out, ran.err);
    for (question, problem) in [
        (vec![b'x'; (4 << 20) + 1], "longer than 4 MB"),
        (vec![0xff, 0xfe], "can't be read from standard input"),
    ] {
        let ran = asked_on_standard_input(&fake.url, question).await;
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains(problem), "{}", ran.err);
    }
    assert_eq!(fake.chats().len(), 1);
}
