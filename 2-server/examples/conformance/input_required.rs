//! Tools that need something from the client before they can answer. Since 2026-07-28 the server
//! asks no one: it answers "input required", and the client calls again with what was asked for.
//!
//! What the server must remember between two rounds it gives to the client, sealed: the client
//! can't read meaning into it or change it, another caller can't use it, and it runs out.

use std::time::Duration;

use anyhow::Context as _;
use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, InputRequest,
        InputRequests, InputRequiredResult, InputResponses, RequestStateCodec, SealOptions, Tool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use crate::{
    common::{caller, no_arguments, tool},
    random,
};

/// How long a round may take.
const ROUND: Duration = Duration::from_secs(600);

pub(crate) fn tools() -> Vec<Tool> {
    [
        ("test_streaming_elicitation", "Asks the user, every time"),
        (
            "test_input_required_result_elicitation",
            "Asks the user for a name",
        ),
        (
            "test_input_required_result_sampling",
            "Asks the client's model",
        ),
        (
            "test_input_required_result_list_roots",
            "Asks for the client's roots",
        ),
        (
            "test_input_required_result_request_state",
            "Remembers something between rounds",
        ),
        (
            "test_input_required_result_tampered_state",
            "Notices when what it remembers was changed",
        ),
        (
            "test_input_required_result_multiple_inputs",
            "Asks for three things at once",
        ),
        ("test_input_required_result_multi_round", "Asks twice"),
        (
            "test_input_required_result_capabilities",
            "Asks for what the client can give",
        ),
    ]
    .into_iter()
    .map(|(name, description)| tool(name, description, no_arguments()))
    .collect()
}

/// One question to the user, for an object with one field.
pub(crate) fn ask(key: &str, question: &str, field: &str, kind: &str) -> InputRequests {
    InputRequests::from([(key.to_owned(), form(question, field, kind))])
}

/// A question to the user.
pub(crate) fn form(question: &str, field: &str, kind: &str) -> InputRequest {
    request(&json!({ "method": "elicitation/create", "params": {
        "mode": "form",
        "message": question,
        "requestedSchema": {
            "type": "object",
            "properties": { field: { "type": kind } },
            "required": [field],
        },
    } }))
}

fn sampling(prompt: &str) -> InputRequest {
    request(&json!({ "method": "sampling/createMessage", "params": {
        "messages": [{ "role": "user", "content": { "type": "text", "text": prompt } }],
        "maxTokens": 100,
    } }))
}

fn roots() -> InputRequest {
    request(&json!({ "method": "roots/list" }))
}

fn request(message: &Value) -> InputRequest {
    serde_json::from_value(message.clone()).expect("a constant request")
}

/// What the client answered. Anything but an object is no answer, and is asked for again.
pub(crate) fn given<'a>(responses: Option<&'a InputResponses>, key: &str) -> Option<&'a Value> {
    responses?.get(key).filter(|response| response.is_object())
}

/// The tools, and the key that seals what they remember.
pub(crate) struct Rounds {
    codec: RequestStateCodec,
}

impl Rounds {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let codec = RequestStateCodec::try_new(random::<32>()?).context("a key to seal with")?;
        Ok(Self { codec })
    }

    /// Answers, when it is one of these tools.
    pub(crate) fn call(
        &self,
        params: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<CallToolResponse>, ErrorData> {
        let responses = params.input_responses.as_ref();
        let said = |key, pointer| {
            let answer = given(responses, key)?;
            Some(
                answer
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or("nothing")
                    .to_owned(),
            )
        };
        let response = match &*params.name {
            "test_streaming_elicitation" => asking(ask("value", "Which value?", "value", "string")),
            "test_input_required_result_elicitation" => match said("user_name", "/content/name") {
                Some(name) => done(format!("Hello, {name}!")),
                None => asking(name()),
            },
            "test_input_required_result_sampling" => {
                match said("capital_question", "/content/text") {
                    Some(text) => done(format!("The model says: {text}")),
                    None => asking(InputRequests::from([(
                        "capital_question".to_owned(),
                        sampling("What is the capital of France?"),
                    )])),
                }
            }
            "test_input_required_result_list_roots" => match said("client_roots", "/roots/0/uri") {
                Some(root) => done(format!("The first root is {root}")),
                None => asking(InputRequests::from([("client_roots".to_owned(), roots())])),
            },
            "test_input_required_result_capabilities" => {
                let wanted = self.within_capabilities(context);
                if responses.is_some() || wanted.is_empty() {
                    done("The client gave what it can".to_owned())
                } else {
                    asking(wanted)
                }
            }
            "test_input_required_result_request_state"
            | "test_input_required_result_tampered_state" => match self.round(params, context)? {
                None => self.remember(
                    1,
                    params,
                    context,
                    ask("confirm", "Please confirm", "ok", "boolean"),
                )?,
                Some(_) => done("state-ok".to_owned()),
            },
            "test_input_required_result_multiple_inputs" => {
                let round = self.round(params, context)?;
                let all = three();
                if round.is_some() && all.keys().all(|key| given(responses, key).is_some()) {
                    done("All three arrived".to_owned())
                } else {
                    self.remember(1, params, context, all)?
                }
            }
            "test_input_required_result_multi_round" => match self.round(params, context)? {
                None => self.remember(
                    1,
                    params,
                    context,
                    ask("step1", "What is your name?", "name", "string"),
                )?,
                Some(1) => self.remember(
                    2,
                    params,
                    context,
                    ask("step2", "Which color?", "color", "string"),
                )?,
                Some(_) => done("Both rounds are done".to_owned()),
            },
            _ => return Ok(None),
        };
        Ok(Some(response))
    }

    /// Only what the client says that it can give may be asked for.
    fn within_capabilities(&self, context: &RequestContext<RoleServer>) -> InputRequests {
        let client = context.client_capabilities().unwrap_or_default();
        let can = |key: &str| match key {
            "user_name" => client.elicitation.is_some(),
            "greeting" => client.sampling.is_some(),
            _ => client.roots.is_some(),
        };
        let mut wanted = three();
        wanted.retain(|key, _| can(key));
        wanted
    }

    /// Asks, and has the client remember which round this is.
    fn remember(
        &self,
        round: u8,
        params: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
        questions: InputRequests,
    ) -> Result<CallToolResponse, ErrorData> {
        let bound = bound_to(params, context)?;
        let options = SealOptions::new().associated_data(&bound).ttl(ROUND);
        let state = self.codec.seal_with(&[round], &options);
        Ok(InputRequiredResult::new(Some(questions), Some(state)).into())
    }

    /// Which round the client is in; none at the first call.
    fn round(
        &self,
        params: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<u8>, ErrorData> {
        let Some(state) = &params.request_state else {
            return Ok(None);
        };
        let refused = || {
            let text = "requestState isn't what this server gave to this caller for this tool, or is too old: call again without it";
            ErrorData::invalid_params(text, None)
        };
        let opened = self.codec.open_with(state, &bound_to(params, context)?);
        match opened.map_err(|_forged| refused())?.as_slice() {
            [round] => Ok(Some(*round)),
            _ => Err(refused()),
        }
    }
}

/// A state is good for one caller and one tool.
fn bound_to(
    params: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<Vec<u8>, ErrorData> {
    Ok(format!("{}\n{}", caller(context)?, params.name).into_bytes())
}

fn name() -> InputRequests {
    ask("user_name", "What is your name?", "name", "string")
}

fn three() -> InputRequests {
    let mut all = name();
    all.insert("greeting".to_owned(), sampling("Greet the user"));
    all.insert("client_roots".to_owned(), roots());
    all
}

fn asking(questions: InputRequests) -> CallToolResponse {
    InputRequiredResult::from_input_requests(questions).into()
}

fn done(text: String) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}
