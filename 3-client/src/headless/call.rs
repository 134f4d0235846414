//! `mcp-client call`: one tool, once.
//!
//! With one server nothing is listed first: since 2026-07-28 finding out what the server speaks and
//! calling the tool are two requests. What the lists are good for is read when it turns out to be needed.

use std::process::ExitCode;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    TOOL_FAILED, USAGE, complain, complain_failure, declined, given_arguments, no_such_tool,
    on_ctrl_c, print, print_json, with_lines,
};
use crate::config::{Config, ServerConfig};
use crate::failure::Failure;
use crate::session::{Session, ToolResult};
use crate::wire::WireLog;

/// The server compared the call's headers with the tool's schema and refused it before it ran.
const HEADER_MISMATCH: i64 = -32020;
/// What servers say of a tool that they don't have, and of arguments that don't fit.
const INVALID_PARAMS: i64 = -32602;

/// `mcp-client call`.
pub async fn call(
    config: &Config,
    wire: WireLog,
    tool: &str,
    arguments: &str,
    as_json: bool,
) -> ExitCode {
    let arguments = match given_arguments(arguments) {
        Ok(text) => text,
        Err(message) => return complain(&message, USAGE),
    };
    let arguments: Map<String, Value> = match serde_json::from_str(&arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            return complain(
                &format!(
                    "the arguments must be one JSON object, such as '{{\"message\": \"hi\"}}': {error}"
                ),
                USAGE,
            );
        }
    };
    if let [server] = config.servers.as_slice() {
        let cancel = on_ctrl_c();
        return match directly(config, server, &wire, tool, arguments, &cancel).await {
            Ok(result) => show(&result, as_json),
            Err(failure) => complain_failure(&failure),
        };
    }
    // Whose tool it is stands in the lists.
    with_lines(config, &wire, async |lines, cancel| {
        let (place, tool) = lines.find(config, tool)?;
        let session = lines.hub.link(place)?.session()?;
        let result = session.call(&tool, arguments, None, &cancel).await?;
        Ok(show(&result, as_json))
    })
    .await
}

fn show(result: &ToolResult, as_json: bool) -> ExitCode {
    if as_json {
        print_json(
            &json!({"text": result.text, "structured": result.structured, "is_error": result.is_error}),
        );
    } else {
        print(&format!("{}\n", result.text.trim_end_matches('\n')));
    }
    if result.is_error {
        ExitCode::from(TOOL_FAILED)
    } else {
        ExitCode::SUCCESS
    }
}

/// Connects, calls, and leaves.
async fn directly(
    config: &Config,
    server: &ServerConfig,
    wire: &WireLog,
    tool: &str,
    arguments: Map<String, Value>,
    cancel: &CancellationToken,
) -> Result<ToolResult, Failure> {
    let session = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(Failure::Cancelled),
        session = Session::connect(server, config.limits, wire) => session?,
    };
    // `server/tool` is how it is named where there are several.
    let own = tool.strip_prefix(&server.name);
    let name = own.and_then(|rest| rest.strip_prefix('/')).unwrap_or(tool);
    let calling = Box::pin(once(&session, name, arguments, cancel));
    let result = telling(&session, &server.name, calling).await;
    session.close().await;
    result
}

/// The call; what the lists tell is read when the server's answer asks for it.
async fn once(
    session: &Session,
    tool: &str,
    arguments: Map<String, Value>,
    cancel: &CancellationToken,
) -> Result<ToolResult, Failure> {
    let code = |failure: &Failure| match failure {
        Failure::Rpc { code, .. } => Some(*code),
        _ => None,
    };
    let result = session.call(tool, arguments.clone(), None, cancel).await;
    match result {
        // A schema can want arguments in headers (`x-mcp-header`). Reading the list is enough for the
        // next call to have them; the first one didn't run.
        Err(failure) if code(&failure) == Some(HEADER_MISMATCH) => {
            session.tools().await?;
            session.call(tool, arguments, None, cancel).await
        }
        Err(failure) if code(&failure) == Some(INVALID_PARAMS) => {
            let listed = session.tools().await.unwrap_or_default();
            let known: Vec<String> = listed.into_iter().map(|t| t.name).collect();
            let unknown = (!known.iter().any(|name| name == tool)).then_some(());
            Err(unknown
                .and_then(|()| no_such_tool(tool, &known))
                .unwrap_or(failure))
        }
        other => other,
    }
}

/// Waits, and says what the server asked in the meantime and nobody could answer.
async fn telling<T>(
    session: &Session,
    server: &str,
    mut work: impl Future<Output = T> + Unpin,
) -> T {
    loop {
        tokio::select! {
            biased;
            told = session.declined() => declined(server, &told),
            done = &mut work => return done,
        }
    }
}
