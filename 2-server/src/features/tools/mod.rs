//! ③ What can be asked? One file per tool, and one list with the scope that each needs.
//!
//! To add a tool: write a file like `echo.rs`, and add one line to [`all`].

pub mod echo;
pub mod ollama_chat;
pub mod ollama_list_models;
mod schema;
pub(super) mod untrusted;
pub mod weather_get;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use mcp_llm::Provider;
use rmcp::{
    ErrorData, RoleServer,
    handler::server::tool::{schema_for_input, schema_for_output},
    model::{CallToolResult, ContentBlock, JsonObject, MetaObject, ToolAnnotations},
    service::RequestContext,
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    config::Config,
    interceptor::{NestedCalls, Scope},
};

/// The key in a listed tool's `_meta` that tells the scope which calling it takes. Nothing leaks: a
/// list shows only what its caller may use.
pub const SCOPE_KEY: &str = "learn-mcp/scope";

/// Every tool, with the scope that a caller needs for it.
///
/// # Errors
/// When a scope or a schema isn't one; a test builds the list.
pub fn all(config: &Config, provider: &Arc<dyn Provider>) -> Result<Vec<Registered>, String> {
    Ok(vec![
        Registered::new(echo::Echo, "tools:util:echo")?,
        Registered::new(
            ollama_chat::OllamaChat::new(Arc::clone(provider), config.most_context()),
            "tools:ollama:chat",
        )?,
        Registered::new(
            ollama_list_models::OllamaListModels::new(Arc::clone(provider)),
            "tools:ollama:list",
        )?,
        Registered::new(
            weather_get::WeatherGet::new(&config.weather),
            "tools:weather:get",
        )?,
    ])
}

/// A tool: what it is called, what it takes and gives, and what it does.
///
/// The schemas that clients see come from the types, so they can't disagree with the code.
pub trait Tool: Send + Sync + 'static {
    /// The arguments. Derive `Deserialize` with `deny_unknown_fields`, so that a misspelt argument
    /// is told and not ignored.
    type Input: DeserializeOwned + JsonSchema + Send + 'static;
    /// The structured answer.
    type Output: Serialize + JsonSchema + Send + 'static;

    /// The name that callers use.
    const NAME: &'static str;
    /// The name that people read.
    const TITLE: &'static str;
    /// What it does, for the model that chooses among tools.
    const DESCRIPTION: &'static str;

    /// Hints for the host, such as whether it only reads.
    fn annotations(&self) -> ToolAnnotations;

    /// Does it.
    fn call(
        &self,
        input: Self::Input,
        context: ToolContext,
    ) -> impl Future<Output = Result<Answer<Self::Output>, ToolError>> + Send;
}

/// What a tool knows of the call besides its arguments.
#[derive(Debug)]
pub struct ToolContext {
    /// Who calls, for queues that are fair between callers: an identity's label.
    pub caller: Arc<str>,
    /// What rmcp knows of the request: its progress token, and the way back to the client.
    pub request: RequestContext<RoleServer>,
}

impl ToolContext {
    /// The way to other tools, as the same caller; none for a call that came that way.
    pub fn nested_calls(&self) -> Option<NestedCalls> {
        NestedCalls::of(&self.request)
    }
}

/// A tool's answer: text for people and models, and the same as data.
#[derive(Debug)]
pub struct Answer<T> {
    /// For reading.
    pub text: String,
    /// For programs.
    pub data: T,
}

/// A tool that couldn't do what was asked. It reaches the caller as a result with `isError`, not as
/// a protocol error, so that a model can read it and try something else (tools, "Error Handling").
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ToolError(pub String);

type Run = dyn Fn(JsonObject, ToolContext) -> BoxFuture<'static, Result<CallToolResult, ErrorData>>
    + Send
    + Sync;

/// A tool in the list: its type is gone, its definition was made once.
pub struct Registered {
    /// What clients are told.
    pub definition: rmcp::model::Tool,
    /// What a caller needs.
    pub scope: Scope,
    run: Box<Run>,
}

impl Registered {
    /// Puts a tool into the list; `scope` is what a caller needs for it.
    ///
    /// # Errors
    /// When the scope or a schema isn't one.
    pub fn new<T: Tool>(tool: T, scope: &str) -> Result<Self, String> {
        let scope = Scope::parse(scope).map_err(|error| error.to_string())?;
        let mut meta = MetaObject::new();
        meta.0.insert(SCOPE_KEY.to_owned(), scope.as_str().into());
        let takes = schema::of_input(&*schema_for_input::<T::Input>()?);
        let gives = schema::of_output(&schema_for_output::<T::Output>());
        let definition = rmcp::model::Tool::new(T::NAME, T::DESCRIPTION, takes)
            .with_title(T::TITLE)
            .with_raw_output_schema(gives)
            .with_annotations(tool.annotations())
            .with_meta(meta);
        let tool = Arc::new(tool);
        let run = move |arguments: JsonObject, context| {
            let tool = Arc::clone(&tool);
            let call: BoxFuture<'static, _> =
                Box::pin(async move { run(&*tool, arguments, context).await });
            call
        };
        Ok(Self {
            definition,
            scope,
            run: Box::new(run),
        })
    }

    /// Calls the tool.
    ///
    /// # Errors
    /// A protocol error only when the answer can't be put into JSON.
    pub async fn call(
        &self,
        arguments: JsonObject,
        context: ToolContext,
    ) -> Result<CallToolResult, ErrorData> {
        (self.run)(arguments, context).await
    }
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registered({})", self.definition.name)
    }
}

async fn run<T: Tool>(
    tool: &T,
    arguments: JsonObject,
    context: ToolContext,
) -> Result<CallToolResult, ErrorData> {
    let failed = |why: String| CallToolResult::error(vec![ContentBlock::text(why)]);
    let input = match parse(arguments) {
        Ok(input) => input,
        Err(error) => return Ok(failed(format!("wrong arguments for {}: {error}", T::NAME))),
    };
    match tool.call(input, context).await {
        Ok(answer) => {
            let data = serde_json::to_value(answer.data).map_err(|error| {
                ErrorData::internal_error(
                    format!("the answer can't be put into JSON: {error}"),
                    None,
                )
            })?;
            let mut result = CallToolResult::success(vec![ContentBlock::text(answer.text)]);
            result.structured_content = Some(data);
            Ok(result)
        }
        Err(ToolError(why)) => Ok(failed(why)),
    }
}

/// The longest account of a mistake: one must not cost more than the mistake.
const LONGEST_ACCOUNT: usize = 500;

/// Reads a tool's arguments, and says of a wrong one which it is: `messages[2].role: …`.
fn parse<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, String> {
    serde_path_to_error::deserialize(serde_json::Value::Object(arguments)).map_err(|error| {
        let path = error.path().to_string();
        let what = error.inner().to_string();
        let said = if path == "." || what.contains(&format!("`{path}`")) {
            what
        } else {
            format!("{path}: {what}")
        };
        untrusted::line(&said, LONGEST_ACCOUNT)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong<T: DeserializeOwned>(arguments: &serde_json::Value) -> String {
        let Err(said) = parse::<T>(arguments.as_object().unwrap().clone()) else {
            panic!("{arguments} is taken");
        };
        said
    }

    #[test]
    fn a_wrong_argument_is_named_with_its_path() {
        for (arguments, said) in [
            (
                json!({ "message": 5 }),
                "message: invalid type: integer `5`, expected a string",
            ),
            (json!({}), "missing field `message`"),
            (
                json!({ "mesage": "x" }),
                "unknown field `mesage`, expected `message`",
            ),
        ] {
            assert_eq!(wrong::<echo::Input>(&arguments), said);
        }
        for (arguments, said) in [
            (
                json!({ "messages": [{ "role": "user" }, { "role": "king" }] }),
                "messages[1].role: unknown variant `king`",
            ),
            (
                json!({ "messages": [{ "role": "user", "images": ["", 7] }] }),
                "messages[0].images[1]: invalid type",
            ),
            (json!({ "think": 3 }), "think: "),
            (json!({ "options": [] }), "options: invalid type"),
        ] {
            let account = wrong::<ollama_chat::Input>(&arguments);
            assert!(account.starts_with(said), "{account}");
        }
    }

    #[test]
    fn an_account_of_a_mistake_is_short_and_one_line() {
        let long = format!("a\u{1b}[2J\u{202e}\n{}", "x".repeat(10_000));
        for arguments in [json!({ "options": long }), json!({ long: 1 })] {
            let account = wrong::<ollama_chat::Input>(&arguments);
            assert!(account.chars().count() <= LONGEST_ACCOUNT, "{account}");
            assert!(!account.contains(['\u{1b}', '\u{202e}', '\n']), "{account}");
        }
    }
}
