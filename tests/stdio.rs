//! Standard output carries the protocol and nothing else, and one line may be anything.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

use serde_json::{Value, json};

struct Host {
    child: Child,
    // Read by a thread of its own, so that a server that says nothing fails a test instead of
    // holding it up.
    lines: Receiver<String>,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Host {
    /// Launches the server as a host does.
    fn launch(environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
            .env_clear()
            .env("MCP_LLM__PROVIDER", "tutor")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(100);
        std::thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.say(
            &json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string(),
        );
        self.hear()
    }

    fn hello(&mut self) -> Value {
        let hello = self.ask("initialize", &json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "host", "version": "0" } }));
        self.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        hello
    }

    /// Closes the input and gives what standard error said.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.child.stdin.take());
        for line in self.lines {
            assert!(
                serde_json::from_str::<Value>(&line).is_ok(),
                "no protocol: {line}"
            );
        }
        let output = self.child.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }
}

#[test]
fn a_host_gets_protocol_and_nothing_else_at_any_log_level() {
    for level in ["error", "info", "trace"] {
        let mut host = Host::launch(&[("MCP_LOG__LEVEL", level)]);
        assert_eq!(host.hello()["result"]["serverInfo"]["name"], "mcp-server");
        let echoed = host.ask(
            "tools/call",
            &json!({ "name": "echo", "arguments": { "message": "hi" } }),
        );
        assert_eq!(echoed["result"]["content"][0]["text"], "hi");
        let (code, errors) = host.end();
        assert_eq!(code, Some(0), "a closed input is an orderly end: {errors}");
        let records: Vec<_> = errors
            .lines()
            .filter(|line| line.contains(r#""outcome":"SUCCESS""#))
            .collect();
        assert_eq!(
            records.len(),
            3,
            "initialize, initialized, tools/call: {records:?}"
        );
        assert!(
            records
                .iter()
                .all(|line| line.contains(r#""identity":"stdio""#))
        );
    }
}

#[test]
fn the_log_says_why_the_weather_isnt_known_and_never_which_city() {
    let mut host = Host::launch(&[
        // A port that nothing listens on.
        ("MCP_WEATHER__GEOCODING_URL", "http://127.0.0.1:9/v1/search"),
        ("MCP_AUDIT__STDERR", "false"),
    ]);
    host.hello();
    let call = json!({ "name": "weather-get", "arguments": { "city": "Atlantis" } });
    let answer = host.ask("tools/call", &call);
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let (_, log) = host.end();
    assert!(
        log.contains("geocoding failed") && log.contains("refused"),
        "{log}"
    );
    assert!(!log.contains("Atlantis"), "{log}");
}

#[test]
fn a_line_that_is_no_message_doesnt_stop_the_server() {
    let mut host = Host::launch(&[("MCP_SERVER__MAX_BODY_BYTES", "100000")]);
    host.hello();
    host.say("{bad");
    host.say(r#"{"jsonrpc":"2.0"}"#);
    assert_eq!(host.hear()["error"]["code"], -32600);
    host.say(&format!(
        r#"{{"jsonrpc":"2.0","id":9,"method":"ping","pad":"{}"}}"#,
        "x".repeat(200_000)
    ));
    host.say("");
    host.say(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#);
    let answer = host.hear();
    assert!(
        answer["id"] == 2 && answer["result"].is_object(),
        "{answer}"
    );
    host.end();
}

#[test]
fn the_key_comes_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    std::fs::write(
        &file,
        crate::support::keys(&[("bob", "\"tools:util:echo\"")]),
    )
    .unwrap();
    let prod = [
        ("MCP_SERVER__MODE", "prod"),
        ("MCP_AUTH__KEYS_FILE", file.to_str().unwrap()),
    ];

    let (code, errors) = Host::launch(&prod).end();
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("MCP_CLIENT_KEY: a key is needed"),
        "{errors}"
    );

    let (code, errors) = Host::launch(&[prod[0], prod[1], ("MCP_CLIENT_KEY", "mallory")]).end();
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("MCP_CLIENT_KEY: the key isn't valid") && !errors.contains("mallory"),
        "{errors}"
    );

    let mut host = Host::launch(&[prod[0], prod[1], ("MCP_CLIENT_KEY", "bob")]);
    host.hello();
    assert_eq!(
        host.ask(
            "tools/call",
            &json!({ "name": "echo", "arguments": { "message": "hi" } })
        )["result"]["isError"],
        false
    );
    assert_eq!(
        host.ask(
            "tools/call",
            &json!({ "name": "weather-get", "arguments": { "city": "Oslo" } })
        )["error"]["code"],
        403
    );
    // Revoked while the host is connected: the next call is refused.
    std::fs::write(&file, crate::support::keys(&[("ada", "\"*\"")])).unwrap();
    while host.ask(
        "tools/call",
        &json!({ "name": "echo", "arguments": { "message": "hi" } }),
    )["error"]["code"]
        != 401
    {}
    host.end();
}

#[test]
fn a_host_is_told_when_its_rights_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    let write = |scopes| std::fs::write(&file, crate::support::keys(&[("bob", scopes)])).unwrap();
    write("\"tools:util:echo\"");
    let mut host = Host::launch(&[
        ("MCP_SERVER__MODE", "prod"),
        ("MCP_AUTH__KEYS_FILE", file.to_str().unwrap()),
        ("MCP_CLIENT_KEY", "bob"),
    ]);
    host.hello();
    // A list answers after the handshake's last word was heard, so the session is followed.
    let tools = |host: &mut Host| host.ask("tools/list", &json!({}))["result"]["tools"].clone();
    assert_eq!(tools(&mut host).as_array().map(Vec::len), Some(1));
    write("\"tools:util:echo\", \"tools:weather:get\"");
    for kind in ["tools", "prompts", "resources"] {
        let method = format!("notifications/{kind}/list_changed");
        assert_eq!(host.hear()["method"], *method);
    }
    assert_eq!(tools(&mut host).as_array().map(Vec::len), Some(2));
    host.end();
}

#[test]
fn a_host_of_the_newest_version_is_told_too_and_its_stream_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    let write = |scopes| std::fs::write(&file, crate::support::keys(&[("bob", scopes)])).unwrap();
    write("\"tools:util:echo\"");
    let mut host = Host::launch(&[
        ("MCP_SERVER__MODE", "prod"),
        ("MCP_AUTH__KEYS_FILE", file.to_str().unwrap()),
        ("MCP_CLIENT_KEY", "bob"),
    ]);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "host", "version": "0" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let discovered = host.ask("server/discover", &json!({ "_meta": meta }));
    assert!(discovered["result"].is_object(), "{discovered}");
    let listens = host.ask(
        "subscriptions/listen",
        &json!({ "_meta": meta, "notifications": { "toolsListChanged": true } }),
    );
    assert_eq!(
        listens["method"],
        "notifications/subscriptions/acknowledged"
    );
    write("\"tools:util:echo\", \"tools:weather:get\"");
    assert_eq!(host.hear()["method"], "notifications/tools/list_changed");
    let ended = host.hear();
    assert_eq!(
        ended["id"], 1,
        "its rights are no more those it was opened with: {ended}"
    );
    host.end();
}

#[test]
fn a_form_that_was_left_empty_is_no_setting() {
    let empty = [
        "MCP_CONFIG_FILE",
        "MCP_LLM__DEFAULT_MODEL",
        "MCP_CLIENT_KEY",
    ];
    let mut host = Host::launch(&empty.map(|name| (name, "")));
    assert_eq!(host.hello()["result"]["serverInfo"]["name"], "mcp-server");
    host.end();
    let (code, errors) = Host::launch(&[("MCP_SERVER__MODE", "")]).end();
    assert_eq!(code, Some(2), "elsewhere it is a mistake: {errors}");
}
