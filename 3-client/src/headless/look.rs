//! Looking at one thing at a time: lists, calls, resources, prompts, the wire.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::{TOOL_FAILED, USAGE, complain, print, print_json, with_lines};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::failure::Failure;
use crate::untrusted::{clean_line, name};
use crate::wire::explain::explain;
use crate::wire::{Direction, Entry, WireLog};

/// `mcp-client tools`.
pub async fn tools(config: &Config, wire: WireLog, as_json: bool) -> ExitCode {
    with_lines(config, &wire, async |lines, _| {
        for (place, catalog) in lines.catalogs.iter().enumerate() {
            let Some(catalog) = catalog else { continue };
            let server = &config.servers[place].name;
            for tool in &catalog.tools {
                if as_json {
                    print_json(&json!({"server": server, "tool": tool}));
                    continue;
                }
                let first = tool.description.lines().next().unwrap_or_default();
                let scope = tool
                    .scope
                    .iter()
                    .map(|s| format!("needs {}", clean_line(s)));
                let hints = Some(tool.hints.words()).filter(|hints| !hints.is_empty());
                let brief: Vec<String> = scope.chain(hints).collect();
                let brief = match brief.is_empty() {
                    true => String::new(),
                    false => format!("  [{}]", brief.join(" · ")),
                };
                let full = match config.servers.len() {
                    1 => name(&tool.name),
                    _ => format!("{server}/{}", name(&tool.name)),
                };
                print(&format!("{full:<22} {}{brief}\n", clean_line(first)));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

/// `mcp-client resources`.
pub async fn resources(config: &Config, wire: WireLog, as_json: bool) -> ExitCode {
    with_lines(config, &wire, async |lines, _| {
        for (place, catalog) in lines.ready() {
            for resource in &catalog.resources {
                if as_json {
                    print_json(
                        &json!({"server": config.servers[place].name, "resource": resource}),
                    );
                    continue;
                }
                let kind = if resource.template { " (template)" } else { "" };
                print(&format!(
                    "{:<30} {}{kind}\n",
                    clean_line(&resource.uri),
                    clean_line(&resource.description)
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

/// `mcp-client read`.
pub async fn read(config: &Config, wire: WireLog, uri: &str) -> ExitCode {
    with_lines(config, &wire, async |lines, cancel| {
        let has = |c: &Catalog, uri: &str| c.resources.iter().any(|r| r.uri == uri);
        let (owner, uri) = match lines.whose(config, uri, has)? {
            Some(found) => found,
            // A server need not list what it lets one read.
            None => unlisted(config, uri)?,
        };
        let session = lines.hub.link(owner)?.session()?;
        let text = session.read(&uri, &cancel).await?;
        print(&format!("{}\n", text.trim_end_matches('\n')));
        Ok(ExitCode::SUCCESS)
    })
    .await
}

/// Whom to ask for what no server lists: the one whose name stands before it, or the only one.
fn unlisted(config: &Config, wanted: &str) -> Result<(usize, String), Failure> {
    for (place, server) in config.servers.iter().enumerate() {
        let own = wanted.strip_prefix(&server.name);
        if let Some(own) = own.and_then(|rest| rest.strip_prefix('/')) {
            return Ok((place, own.to_owned()));
        }
    }
    match &config.servers[..] {
        [_] => Ok((0, wanted.to_owned())),
        [first, ..] => Err(Failure::Here(format!(
            "no server lists {wanted:?}, and there are several: write {}/{wanted}, or another server's name",
            first.name
        ))),
        [] => Err(Failure::Here("there is no server".into())),
    }
}

/// `mcp-client prompts`.
pub async fn prompts(config: &Config, wire: WireLog, as_json: bool) -> ExitCode {
    with_lines(config, &wire, async |lines, _| {
        for (place, catalog) in lines.ready() {
            for prompt in &catalog.prompts {
                if as_json {
                    print_json(&json!({"server": config.servers[place].name, "prompt": prompt}));
                    continue;
                }
                let arguments: Vec<String> = prompt
                    .arguments
                    .iter()
                    .map(|a| {
                        if a.required {
                            format!("{}=…", a.name)
                        } else {
                            format!("[{}=…]", a.name)
                        }
                    })
                    .collect();
                print(&format!(
                    "{:<22} {}  {}\n",
                    clean_line(&prompt.name),
                    clean_line(&prompt.description),
                    clean_line(&arguments.join(" "))
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

/// `mcp-client prompts NAME key=value…`.
pub async fn prompt(config: &Config, wire: WireLog, wanted: &str, pairs: &[String]) -> ExitCode {
    let mut arguments = Map::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else {
            return complain(&format!("{pair:?} isn't name=value"), USAGE);
        };
        arguments.insert(key.to_owned(), Value::String(value.to_owned()));
    }
    with_lines(config, &wire, async |lines, _| {
        let has = |c: &Catalog, name: &str| c.prompts.iter().any(|p| p.name == name);
        let (owner, name) = match lines.whose(config, wanted, has)? {
            Some(found) => found,
            None => unlisted(config, wanted)?,
        };
        let session = lines.hub.link(owner)?.session()?;
        let prompt = session.prompt(&name, arguments).await?;
        for (role, text) in prompt.messages {
            print(&format!("{role}: {text}\n"));
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

/// `mcp-client trace`: connects, lists, calls a tool if one is named, and prints every message.
pub async fn trace(
    config: &Config,
    wire: WireLog,
    call: Option<(&str, &str)>,
    as_json: bool,
) -> ExitCode {
    let arguments: Result<Map<String, Value>, _> =
        serde_json::from_str(call.map_or("{}", |(_, arguments)| arguments));
    let Ok(arguments) = arguments else {
        return complain("the arguments must be one JSON object", USAGE);
    };
    let code = with_lines(config, &wire, async |lines, cancel| {
        let Some((tool, _)) = call else {
            return Ok(ExitCode::SUCCESS);
        };
        // Not looked up first: what a server says to an unknown name is worth seeing too.
        let result = lines
            .hub
            .link(0)?
            .session()?
            .call(tool, arguments, None, &cancel)
            .await?;
        Ok(if result.is_error {
            ExitCode::from(TOOL_FAILED)
        } else {
            ExitCode::SUCCESS
        })
    })
    .await;
    for entry in wire.since(0) {
        if as_json {
            print(&format!(
                "{}\n",
                serde_json::to_string(&*entry).unwrap_or_default()
            ));
        } else {
            print(&told(&entry));
        }
    }
    code
}

/// One message for a reader: what it is, how it went over HTTP, its text, its meaning.
fn told(entry: &Entry) -> String {
    let arrow = match entry.direction {
        Direction::Out => "→",
        Direction::In => "←",
    };
    let status = entry
        .status()
        .map(|s| format!("HTTP {s} "))
        .unwrap_or_default();
    let took = entry
        .took
        .map(|t| format!(" after {} ms", t.as_millis()))
        .unwrap_or_default();
    let body = entry.pretty();
    let explanation = explain(entry);
    let method = entry.method.as_deref().unwrap_or("HTTP only");
    format!(
        "{arrow} {status}{method}{took} · {} bytes\n  {}\n  § {}\n{body}\n\n",
        entry.bytes, explanation.text, explanation.section
    )
}
