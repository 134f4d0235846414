//! `run_tools: true`: the server carries out what the model asks for, for hosts that have no loop
//! of their own.
//!
//! The model gets no rights of its own. Each call goes through the [`Funnel`], as the caller; what
//! comes back is quoted as data from outside; and both the rounds and the calls in each are few.

use mcp_llm::{Message, ToolCall, ToolSpec};
use rmcp::{
    ErrorData,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::{ToolError, untrusted};
use crate::interceptor::NestedCalls;

/// How often the model may ask for tools before it must answer.
pub(super) const MAX_ROUNDS: usize = 5;
/// How many calls of one round are carried out.
const MAX_CALLS: usize = 8;

/// A tool that was run for the model.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Ran {
    /// The tool.
    name: String,
    /// What the model gave it.
    arguments: Map<String, Value>,
    /// Whether it did what was asked; a refusal is false too.
    ok: bool,
    /// What the model was shown of its answer.
    result: String,
}

/// The tools that the caller may use, as the model sees them.
pub(super) async fn offered(nested: &NestedCalls) -> Result<Vec<ToolSpec>, ToolError> {
    let tools = nested.tools().await.map_err(|error| {
        ToolError(format!(
            "the tools for the model can't be listed: {}",
            error.message
        ))
    })?;
    let specs = tools.into_iter().map(|tool| {
        let mut parameters = Value::Object((*tool.input_schema).clone());
        untrusted::schema(&mut parameters);
        ToolSpec {
            name: tool.name.into_owned(),
            description: untrusted::description(tool.description.as_deref().unwrap_or_default()),
            parameters,
        }
    });
    Ok(specs.collect())
}

/// Carries out one round, and gives the messages that tell the model of it.
pub(super) async fn round(
    nested: &NestedCalls,
    calls: &[ToolCall],
    ran: &mut Vec<Ran>,
) -> Vec<Message> {
    let mut messages = Vec::with_capacity(calls.len());
    for (number, call) in calls.iter().enumerate() {
        let (ok, text) = if number < MAX_CALLS {
            carry_out(nested, call).await
        } else {
            (
                false,
                format!("not run: at most {MAX_CALLS} tools in one turn"),
            )
        };
        let shown = untrusted::result(&call.name, !ok, &text);
        if number < MAX_CALLS {
            ran.push(Ran {
                name: untrusted::line(&call.name, 128),
                arguments: call.arguments.clone(),
                ok,
                result: shown.clone(),
            });
        }
        messages.push(Message::tool_result(call, shown));
    }
    messages
}

async fn carry_out(nested: &NestedCalls, call: &ToolCall) -> (bool, String) {
    let params =
        CallToolRequestParams::new(call.name.clone()).with_arguments(call.arguments.clone());
    match nested.call(params).await {
        Ok(CallToolResponse::Complete(result)) => (result.is_error != Some(true), text_of(&result)),
        Ok(_) => {
            let why =
                "it asks for more input, or goes on in the background: a model can't wait for that";
            (false, why.to_owned())
        }
        Err(ErrorData { message, .. }) => (false, message.into_owned()),
    }
}

/// What can be read of a result; of anything else, that it is there.
fn text_of(result: &CallToolResult) -> String {
    let parts = result.content.iter().map(|block| match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(_) => "(an image)".to_owned(),
        ContentBlock::Audio(_) => "(a sound)".to_owned(),
        _ => "(something that isn't text)".to_owned(),
    });
    parts.collect::<Vec<_>>().join("\n")
}
