//! # b2 · A failure that a model can read
//!
//! MCP has two ways to say that something went wrong, and they reach different readers:
//!
//! - a **protocol error** (a JSON-RPC `error`): the request itself was wrong, for instance there is no
//!   such tool. It goes to the program that is the host.
//! - a **result with `isError: true`**: the tool ran, or would have, and it didn't work out. It goes to
//!   the model, which can read it and try something else.
//!
//! The tool `math-divide` below has them the wrong way round: a model that divides by zero learns
//! nothing, and a host that asks for a tool that isn't there believes that all is well.
//!
//! - In the real code: `2-server/src/features/tools/mod.rs`, `ToolError` and `run`; `2-server/src/features/handler.rs`,
//!   `call_tool`.
//! - Specification: <https://modelcontextprotocol.io/specification/2026-07-28/server/tools#error-handling>.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod support;

mod b2 {
    use rmcp::{
        ErrorData,
        model::{CallToolRequestParams, CallToolResult, ContentBlock},
    };

    /// Answers a call of `math-divide`, the only tool there is.
    pub fn call(params: &CallToolRequestParams) -> Result<CallToolResult, ErrorData> {
        if params.name != "math-divide" {
            let said = ContentBlock::text("there is no such tool");
            return Ok(CallToolResult::success(vec![said]));
        }
        let number = |name: &str| params.arguments.as_ref()?.get(name)?.as_f64();
        let (Some(a), Some(b)) = (number("a"), number("b")) else {
            return Err(ErrorData::invalid_params("bad arguments", None));
        };
        if b == 0.0 {
            return Err(ErrorData::internal_error("division by zero", None));
        }
        let quotient = ContentBlock::text((a / b).to_string());
        Ok(CallToolResult::success(vec![quotient]))
    }
}

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CallToolRequestParams, CallToolResponse, ServerCapabilities, ServerConfig},
    service::RequestContext,
};
use serde_json::{Value, json};

use crate::{
    b2::call,
    support::{Host, allowing},
};

struct Calculator;

impl ServerHandler for Calculator {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(call(&params)?.into())
    }
}

fn words(answer: &Value) -> &str {
    let text = &answer["result"]["content"][0]["text"];
    text.as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_failure_reaches_whoever_can_do_something_about_it() {
    let mut host = Host::launch(Calculator, allowing(&["tools:math:*"]));
    let good = host.call("math-divide", json!({ "a": 6, "b": 4 })).await;
    assert_eq!(words(&good), "1.5", "6 / 4 is still 1.5: {good}");

    let zero = host.call("math-divide", json!({ "a": 6, "b": 0 })).await;
    assert_eq!(
        zero["result"]["isError"], true,
        "dividing by zero was answered with {zero}. That is a protocol error, which the model never \
         sees. Answer with a result that has isError"
    );
    assert!(
        words(&zero).contains('b'),
        "the result says {:?}. It is read by a model: name the argument that it should change",
        words(&zero)
    );

    let missing = host.call("math-divide", json!({ "a": 6 })).await;
    assert!(
        missing["result"]["isError"] == true && words(&missing).contains('b'),
        "the argument b was missing, and the server answered {missing}. A model can mend its \
         arguments: tell it which one, in a result with isError"
    );

    let unknown = host.call("math-root", json!({ "a": 6 })).await;
    assert_eq!(
        unknown["error"]["code"], -32602,
        "there is no tool math-root, and the server answered {unknown}. Nothing ran, so this is no \
         result: answer with the protocol error \"invalid params\""
    );
}
