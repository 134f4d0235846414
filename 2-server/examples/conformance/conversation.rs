//! Tools that say or ask something while they run. Requests to the client are what versions before
//! 2026-07-28 have; `input_required.rs` has their successor.
#![expect(
    deprecated,
    reason = "2026-07-28 deprecates sampling and logging; older versions have both"
)]

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolResult, ClientCapabilities, ContentBlock, CreateMessageRequestParams,
        ElicitRequestParams, JsonObject, LoggingLevel, LoggingMessageNotificationParam,
        ProgressNotificationParam, SamplingMessage, Tool,
    },
    service::{Peer, RequestContext, ServiceError},
};
use serde_json::{Value, json};

use crate::common::{Listeners, no_arguments, text, tool};

/// Between two steps, so that they arrive as two.
const STEP: Duration = Duration::from_millis(50);
const LOGGER: &str = "conformance";

pub(crate) fn tools() -> Vec<Tool> {
    let plain = |name, description| tool(name, description, no_arguments());
    let with = |name, description, argument: &str| {
        let schema = json!({
            "type": "object",
            "properties": { argument: { "type": "string" } },
            "required": [argument],
        });
        tool(name, description, schema)
    };
    vec![
        plain("test_tool_with_progress", "Tells how far it is"),
        plain("test_tool_with_logging", "Logs what it does"),
        plain(
            "test_logging_tool",
            "Logs if the request says from which level on",
        ),
        with("test_sampling", "Has the client's model answer", "prompt"),
        with("test_elicitation", "Asks the user", "message"),
        plain(
            "test_elicitation_sep1034_defaults",
            "Asks the user, and suggests answers",
        ),
        plain("test_elicitation_sep1330_enums", "Asks the user to choose"),
        plain(
            "test_reconnection",
            "Takes a moment, in which a client may reconnect",
        ),
        plain("test_missing_capability", "Needs a client that can sample"),
        plain(
            "test_trigger_tool_change",
            "Tells listeners that the tools changed",
        ),
        plain(
            "test_trigger_prompt_change",
            "Tells listeners that the prompts changed",
        ),
    ]
}

/// Answers, when it is one of these tools.
pub(crate) async fn call(
    name: &str,
    arguments: &JsonObject,
    context: &RequestContext<RoleServer>,
    listeners: &Listeners,
) -> Result<Option<CallToolResult>, ErrorData> {
    let done = match name {
        "test_tool_with_progress" => progress(context).await.map(|()| "Progress told".to_owned()),
        "test_tool_with_logging" => {
            let steps = [
                "Tool execution started",
                "Tool processing data",
                "Tool execution completed",
            ];
            log(&context.peer, LoggingLevel::Info, &steps)
                .await
                .map(|()| "Logged".to_owned())
        }
        "test_logging_tool" => match context.meta.log_level() {
            Some(level) => log(&context.peer, level, &["A level was asked for"]).await,
            None => Ok(()),
        }
        .map(|()| "Logged what was asked for".to_owned()),
        "test_sampling" => sample(&context.peer, text(arguments, "prompt", "Hello")).await,
        "test_elicitation" => {
            let question = text(arguments, "message", "Who are you?");
            elicit(&context.peer, question, who()).await
        }
        "test_elicitation_sep1034_defaults" => {
            elicit(&context.peer, "Please check these values", defaults()).await
        }
        "test_elicitation_sep1330_enums" => elicit(&context.peer, "Please choose", choices()).await,
        "test_reconnection" => {
            tokio::time::sleep(2 * STEP).await;
            Ok("Reconnection test completed".to_owned())
        }
        "test_missing_capability" => {
            let capabilities = context.client_capabilities().unwrap_or_default();
            if capabilities.sampling.is_none() {
                let needed = ClientCapabilities::builder().enable_sampling().build();
                return Err(ErrorData::missing_required_client_capability(needed));
            }
            Ok("The client can sample".to_owned())
        }
        // A listener that is gone, or asked for other changes, is none of this caller's business.
        "test_trigger_tool_change" => {
            for listener in listeners.all() {
                let _ = listener.notify_tool_list_changed().await;
            }
            Ok("Told".to_owned())
        }
        "test_trigger_prompt_change" => {
            for listener in listeners.all() {
                let _ = listener.notify_prompt_list_changed().await;
            }
            Ok("Told".to_owned())
        }
        _ => return Ok(None),
    };
    let result = match done {
        Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
        Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
    };
    Ok(Some(result))
}

async fn progress(context: &RequestContext<RoleServer>) -> Result<(), ServiceError> {
    let Some(token) = context.meta.get_progress_token() else {
        return Ok(());
    };
    for (progress, message) in [(0.0, "Started"), (50.0, "Halfway"), (100.0, "Done")] {
        let step = ProgressNotificationParam::new(token.clone(), progress)
            .with_total(100.0)
            .with_message(message);
        context.peer.notify_progress(step).await?;
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

async fn log(
    peer: &Peer<RoleServer>,
    level: LoggingLevel,
    lines: &[&str],
) -> Result<(), ServiceError> {
    for line in lines {
        let note = LoggingMessageNotificationParam::new(level, json!(line)).with_logger(LOGGER);
        peer.notify_logging_message(note).await?;
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

async fn sample(peer: &Peer<RoleServer>, prompt: &str) -> Result<String, ServiceError> {
    let asked = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], 100);
    let answer = peer.create_message(asked).await?;
    let text = answer
        .message
        .content
        .first()
        .and_then(|content| content.as_text());
    let text = text.map_or("nothing that is a text", |text| &text.text);
    Ok(format!("LLM response: {text}"))
}

async fn elicit(
    peer: &Peer<RoleServer>,
    question: &str,
    schema: Value,
) -> Result<String, ServiceError> {
    let answer = peer
        .create_elicitation(ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: question.to_owned(),
            requested_schema: serde_json::from_value(schema).expect("a constant schema"),
        })
        .await?;
    let (action, content) = (json!(answer.action), json!(answer.content));
    Ok(format!("User response: action={action}, content={content}"))
}

fn who() -> Value {
    json!({
        "type": "object",
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        },
        "required": ["username", "email"],
    })
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        },
    })
}

fn choices() -> Value {
    let titled = |word: &str| {
        let choice = |value: &str, title: &str| json!({ "const": value, "title": format!("{title} {word}") });
        json!([
            choice("value1", "First"),
            choice("value2", "Second"),
            choice("value3", "Third")
        ])
    };
    let plain = json!(["option1", "option2", "option3"]);
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": plain },
            "titledSingle": { "type": "string", "oneOf": titled("Option") },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
        },
    })
}
