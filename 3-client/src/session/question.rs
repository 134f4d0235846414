//! A question that a server asks the person in the middle of a call (an *elicitation*).
//!
//! The older protocols send a request of their own for it; since 2026-07-28 the call is answered with
//! `input_required` and made again with the answers. Either way nothing is told to the server that a
//! person didn't write or choose, and no answer is a no.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    ElicitRequestParams, ElicitResult, ElicitationAction, InputRequest, InputRequiredResult,
    InputResponses,
};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Session;
use crate::failure::Failure;
use crate::untrusted::label;

/// A server that only wants to be asked again gets this much rest in between.
const REST: Duration = Duration::from_millis(250);

/// What a server wants to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The server's name in the configuration.
    pub server: String,
    /// Why it asks, in its words. Untrusted.
    pub message: String,
    /// What it wants to know, as JSON Schema.
    pub schema: Map<String, Value>,
}

/// What a person says to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// This.
    Accept(Map<String, Value>),
    /// No.
    Decline,
    /// Nothing: the question was put away.
    Dismiss,
}

/// A question on its way to the person.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub question: Question,
    /// Where the answer goes. Closed when the server no longer waits.
    pub reply: oneshot::Sender<Answer>,
}

/// Where questions go.
pub type Asker = mpsc::Sender<Asked>;

/// Whether there is somebody who can be asked this.
pub(super) fn can_be_asked(asker: &Option<Asker>, request: &ElicitRequestParams) -> bool {
    asker.is_some() && matches!(request, ElicitRequestParams::FormElicitationParams { .. })
}

/// One line for the person about a question that was answered with no in their place.
pub(super) fn declined(asker: &Option<Asker>, request: &ElicitRequestParams) -> String {
    let why = if asker.is_some() {
        "this client answers forms and nothing else"
    } else {
        "nobody is here to answer; do this in the chat (`mcp-client` without a command), where you are asked"
    };
    format!(
        "in the middle of a call {}. It was told no: {why}",
        asks(request)
    )
}

pub(super) fn dismissed() -> ElicitResult {
    ElicitResult::new(ElicitationAction::Cancel)
}

/// Asks the person, for as long as they may take.
pub(super) async fn ask(
    asker: &Option<Asker>,
    server: &Arc<str>,
    request: &ElicitRequestParams,
    patience: Duration,
) -> ElicitResult {
    let (
        Some(asker),
        ElicitRequestParams::FormElicitationParams {
            message,
            requested_schema,
            ..
        },
    ) = (asker, request)
    else {
        return ElicitResult::new(ElicitationAction::Decline);
    };
    let Ok(Value::Object(schema)) = serde_json::to_value(requested_schema) else {
        return ElicitResult::new(ElicitationAction::Decline);
    };
    let question = Question {
        server: server.to_string(),
        message: message.clone(),
        schema,
    };
    let (reply, answer) = oneshot::channel();
    let answered = async {
        asker.send(Asked { question, reply }).await.ok()?;
        answer.await.ok()
    };
    match tokio::time::timeout(patience, answered).await {
        Ok(Some(Answer::Accept(content))) => {
            ElicitResult::new(ElicitationAction::Accept).with_content(Value::Object(content))
        }
        Ok(Some(Answer::Decline)) => ElicitResult::new(ElicitationAction::Decline),
        Ok(Some(Answer::Dismiss) | None) | Err(_) => dismissed(),
    }
}

/// A question to the person, in words.
fn asks(request: &ElicitRequestParams) -> String {
    match request {
        ElicitRequestParams::FormElicitationParams { message, .. } => {
            format!("it asks “{}”", label(message, 200))
        }
        ElicitRequestParams::UrlElicitationParams { message, url, .. } => format!(
            "it asks you to open {} (“{}”)",
            label(url, 200),
            label(message, 200)
        ),
        _ => "it asks in a way that this client doesn't know".into(),
    }
}

/// What the server asked, in words.
fn words(request: &InputRequest) -> String {
    match request {
        InputRequest::Elicitation(request) => asks(&request.params),
        InputRequest::CreateMessage(_) => "it asks for this client's own language model".into(),
        InputRequest::ListRoots(_) => "it asks which folders this client works in".into(),
        _ => "it asks for something that this client doesn't know".into(),
    }
}

/// The failure that says what was asked where nothing can be answered.
pub(super) fn unanswered(wanted: &InputRequiredResult) -> Failure {
    let asked: Vec<String> = wanted
        .input_requests
        .iter()
        .flat_map(|requests| requests.values().take(4).map(words))
        .collect();
    Failure::Protocol(format!(
        "the server wants something before it answers: {}. Nothing was told to it; only forms in the middle of a tool call are answered, and only in the chat",
        if asked.is_empty() {
            "to be asked again".into()
        } else {
            asked.join("; ")
        }
    ))
}

impl Session {
    /// Answers what a call was answered with.
    pub(super) async fn answer(
        &self,
        wanted: InputRequiredResult,
        cancel: &CancellationToken,
    ) -> Result<(Option<InputResponses>, Option<String>), Failure> {
        let requests = wanted.input_requests.clone().unwrap_or_default();
        if requests.is_empty() {
            tokio::select! {
                () = cancel.cancelled() => return Err(Failure::Cancelled),
                () = tokio::time::sleep(REST) => return Ok((None, wanted.request_state)),
            }
        }
        let mut answers = InputResponses::new();
        // One after the other: a person reads one question at a time.
        for (key, request) in requests {
            let InputRequest::Elicitation(request) = &request else {
                return Err(unanswered(&wanted));
            };
            if !can_be_asked(&self.asker, &request.params) {
                return Err(unanswered(&wanted));
            }
            let asking = ask(
                &self.asker,
                &self.name,
                &request.params,
                self.limits.silence(),
            );
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Failure::Cancelled),
                result = asking => result,
            };
            let result = serde_json::to_value(result).map_err(|e| Failure::Here(e.to_string()))?;
            answers.insert(key, result);
        }
        Ok((Some(answers), wanted.request_state))
    }
}
