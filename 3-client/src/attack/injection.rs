//! What a caller writes, taken for something else: a path, an address, a command, a line of the log.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::row::Row;
use super::target::Target;
use super::trail::Trail;
use super::verdict::{Finding, Verdict, broken, held, not_applicable, unclear};

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "path-traversal",
        family: "injection",
        title: "A resource outside of the resources",
        tried: "resources/read of file:///etc/passwd, and of the server's own URIs with ../../etc/passwd put in, plain and encoded.",
        elsewhere: "The part of the URI behind the scheme is joined to a folder and opened.",
        advisory: "CVE-2025-53110 (filesystem server), CWE-22",
        remedy: "look names up in a list, or resolve the path and check where it ends",
        run: |target| Box::pin(path_traversal(target)),
    },
    Row {
        id: "url-injection",
        family: "injection",
        title: "An address in place of a word",
        tried: "Addresses of a listener of this program, as the string arguments of read-only tools; it waits whether the server comes to call.",
        elsewhere: "An argument is put into an address unencoded, or fetched as it stands, so a caller makes the server's machine call anyone, its own network included.",
        advisory: "CVE-2026-26118, GHSA-c9xm-49cp-xcr9, CWE-918",
        remedy: "fixed hosts, arguments encoded, no redirects to private addresses",
        run: |target| Box::pin(wait_for_a_call(target, addresses)),
    },
    Row {
        id: "command-injection",
        family: "injection",
        title: "A command in place of a word",
        tried: "Shell syntax that would connect to a listener of this program, as the string arguments of read-only tools.",
        elsewhere: "An argument is pasted into a shell's command line.",
        advisory: "CVE-2025-6514 (mcp-remote), CVE-2026-30623, CWE-78",
        remedy: "no shell; arguments as a list; allow-listed programs",
        run: |target| Box::pin(wait_for_a_call(target, commands)),
    },
    Row {
        id: "log-forgery",
        family: "injection",
        title: "A line of the record, forged",
        tried: "Tool names, URIs, methods and client names with line ends and a record of the attacker's own behind them.",
        elsewhere: "Text goes into a log as it came, and the next line is the attacker's.",
        advisory: "CWE-117",
        remedy: "escape whatever can end a line; one record stays one line",
        run: |target| Box::pin(log_forgery(target)),
    },
    Row {
        id: "log-escapes",
        family: "injection",
        title: "A record that repaints its reader's terminal",
        tried: "The same places with escape sequences and characters that reverse the direction of text.",
        elsewhere: "Whoever reads the log in a terminal runs what the attacker wrote.",
        advisory: "CWE-150, CVE-2021-42574",
        remedy: "escape control and direction characters in everything that is written",
        run: |target| Box::pin(log_escapes(target)),
    },
];

/// Written so that a server which decodes once, twice or not at all is tried.
const WAYS_OUT: [&str; 6] = [
    "file:///etc/passwd",
    "../../../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "..%252f..%252f..%252f..%252f..%252f..%252fetc%252fpasswd",
    "....//....//....//....//....//....//etc/passwd",
    "/etc/passwd%00.md",
];

async fn path_traversal(target: &Target) -> Finding {
    let mut uris: Vec<String> = vec![WAYS_OUT[0].into()];
    let mut schemes: Vec<&str> = target
        .resources
        .iter()
        .filter_map(|uri| uri.split_once("://").map(|(scheme, _)| scheme))
        .collect();
    schemes.sort_unstable();
    schemes.dedup();
    for scheme in schemes.into_iter().take(4) {
        uris.extend(WAYS_OUT[1..].iter().map(|way| format!("{scheme}://{way}")));
    }
    for uri in &uris {
        let answer = target.read(&target.owner, uri).await;
        if answer.code() == Some(-32601) {
            return not_applicable("the server has no resources");
        }
        if answer.text.contains("root:") && answer.text.contains(":/") {
            return broken(format!("{uri} gave the machine's accounts"));
        }
    }
    held(format!("none of {} URIs led out", uris.len()))
}

/// Addresses that lead to the listener when they are fetched or pasted into one.
fn addresses(port: u16) -> Vec<String> {
    vec![
        format!("http://127.0.0.1:{port}/canary"),
        format!("x@127.0.0.1:{port}/canary#"),
        format!("//127.0.0.1:{port}/canary?"),
    ]
}

/// Commands that connect to the listener when a shell reads them.
fn commands(port: u16) -> Vec<String> {
    let call = format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'");
    let fetch = format!("curl -s http://127.0.0.1:{port}/canary");
    vec![
        format!("x; {call}"),
        format!("$({fetch})"),
        format!("`{call}`"),
        format!("\"; {fetch} #"),
    ]
}

/// How many tools are tried, and how long each call may take.
const MAX_TOOLS: usize = 6;
const CALL: Duration = Duration::from_secs(6);

/// Gives read-only tools texts that lead to a listener of this program, and waits whether the server
/// connects.
async fn wait_for_a_call(target: &Target, payloads: fn(u16) -> Vec<String>) -> Finding {
    if !target.wire.is_loopback() {
        return not_applicable(
            "the listener that would prove it is on this machine, and the server isn't",
        );
    }
    let tools: Vec<(&Value, Vec<&String>)> = target
        .tools
        .iter()
        .filter(|tool| tool["annotations"]["readOnlyHint"] == true)
        .map(|tool| (tool, text_arguments(tool)))
        .filter(|(_, strings)| !strings.is_empty())
        .take(MAX_TOOLS)
        .collect();
    if tools.is_empty() {
        return not_applicable(
            "no tool is marked read-only and takes a text, and others could change something",
        );
    }
    let listener = match TcpListener::bind("127.0.0.1:0").await {
        Ok(listener) => listener,
        Err(error) => {
            return unclear(format!("no listener could be opened: {error}"));
        }
    };
    let port = listener.local_addr().map_or(0, |address| address.port());
    for (tool, strings) in &tools {
        for payload in payloads(port) {
            let arguments: Map<String, Value> = strings
                .iter()
                .map(|name| ((*name).clone(), payload.clone().into()))
                .collect();
            let call = json!({ "name": tool["name"], "arguments": arguments });
            let request = target
                .prepare(&target.owner, "tools/call", call)
                .await
                .request
                .wait(CALL);
            let called = tokio::select! {
                called = listener.accept() => called.is_ok(),
                _ = request.send() => false,
            };
            // It may come a moment after the answer.
            let called = called
                || tokio::time::timeout(Duration::from_millis(100), listener.accept())
                    .await
                    .is_ok();
            if called {
                return broken(format!(
                    "{} connected to the listener, given {payload}",
                    tool["name"]
                ));
            }
        }
    }
    let names: Vec<&str> = tools
        .iter()
        .filter_map(|(tool, _)| tool["name"].as_str())
        .collect();
    held(format!(
        "nothing came to call, given to {}",
        names.join(", ")
    ))
}

/// The arguments that take a text.
fn text_arguments(tool: &Value) -> Vec<&String> {
    tool["inputSchema"]["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, schema)| schema["type"] == "string")
        .map(|(name, _)| name)
        .collect()
}

/// What no honest record says.
const FORGED: &str = r#"{"identity":"forged-by-the-attack-lab","outcome":"SUCCESS"}"#;

/// Puts hostile text wherever a caller's text may reach the record, and reads what was written.
async fn record_of(target: &Target, hostile: &str) -> Result<Vec<String>, Verdict> {
    // What `audit://me` shows was parsed and rendered again; only the file shows what was written.
    if !matches!(target.trail, Trail::File { .. }) {
        return not_applicable(
            "the server's record can't be read as it was written: give its file with --audit-log",
        );
    }
    target.new_records().await;
    let name = format!("x{hostile}y");
    let claims = json!({ "io.modelcontextprotocol/clientInfo": { "name": name, "version": name } });
    for (method, params) in [
        (
            "tools/call",
            json!({ "name": name, "arguments": { &name: 1 }, "_meta": claims }),
        ),
        ("resources/read", json!({ "uri": name })),
        (name.as_str(), json!({})),
    ] {
        let prepared = target.prepare(&target.owner, method, params).await;
        prepared.request.send().await;
    }
    let lines = target.new_records().await;
    if lines.is_empty() {
        return not_applicable("nothing was written to the record");
    }
    Ok(lines)
}

async fn log_forgery(target: &Target) -> Finding {
    let lines = record_of(target, &format!("\n{FORGED}\r\n{FORGED}\u{2028}{FORGED}\n")).await?;
    let is_forged = |line: &&String| {
        line.trim_start()
            .starts_with(r#"{"identity":"forged-by-the-attack-lab""#)
    };
    match lines.iter().find(is_forged) {
        Some(_) => broken("a line of the record is the attacker's own, word for word"),
        None => held(format!(
            "{} lines were written, none of them forged",
            lines.len()
        )),
    }
}

async fn log_escapes(target: &Target) -> Finding {
    let lines = record_of(
        target,
        "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}drowssap\u{200b}",
    )
    .await?;
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
    };
    match lines.iter().find(|line| line.chars().any(acts)) {
        Some(line) => broken(format!(
            "the record holds it as it is: {}",
            crate::untrusted::label(line, 120)
        )),
        None => held(format!(
            "{} lines were written, all of them plain",
            lines.len()
        )),
    }
}
