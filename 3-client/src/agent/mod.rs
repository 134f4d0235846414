//! The chat loop: ask the model, let a person decide on each call, make the call, tell the model.
//!
//! It runs here, in the host, because this is where the person is. The server's model only *asks* for
//! calls; each one is shown with its full arguments and goes through MCP like any other.

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::chat::{Ask, Message, Reply, ToolCall};
use crate::failure::Failure;
use crate::link::Hub;
use crate::session::ToolResult;
use crate::tap::Progress;

mod offers;

pub use offers::{Offered, READ_RESOURCE, Target, offers};

/// Characters of one tool result that the model is given. The person can see all of it.
const MAX_RESULT_FOR_MODEL: usize = 48_000;
/// Calls in one reply; a model that asks for more is told so.
const MAX_CALLS_PER_REPLY: usize = 16;
/// What the model is told when a person says no.
pub(crate) const REFUSED: &str =
    "The person refused this call. Don't repeat it; answer without it.";

/// Everything that one turn needs. The loop changes nothing outside itself.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The server that chats.
    pub server: usize,
    /// Its tool that answers.
    pub chat_tool: String,
    /// The conversation so far and the model.
    pub ask: Ask,
    /// What the model may ask for.
    pub offered: Vec<Offered>,
    /// URIs and the servers that have them.
    pub resources: Vec<(String, usize)>,
    /// Model calls before the loop is stopped.
    pub rounds: u32,
}

/// A call that waits for a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Counts up within the turn.
    pub number: u32,
    /// The call.
    pub call: ToolCall,
    /// Where it leads.
    pub target: Target,
}

/// What a person, or a rule, says to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Go ahead.
    Call,
    /// Go ahead with other arguments.
    CallWith(Map<String, Value>),
    /// No.
    Refuse,
}

/// What happens in a turn, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentEvent {
    /// The model is being asked.
    Asking,
    /// A piece of thinking or text, or a place in a queue.
    Progress(Progress),
    /// The model has said all it will in this round.
    Answered(Box<Reply>),
    /// The model wants a call: decide.
    Wanted(Wanted),
    /// The call was sent, with these arguments.
    Calling(u32, Map<String, Value>),
    /// The call is over.
    Called(u32, Result<ToolResult, Failure>),
    /// The turn ended badly.
    Failed(Failure),
    /// The turn ended.
    Done,
}

/// Runs one turn to its end. Each [`AgentEvent::Wanted`] waits for a decision with its number.
pub async fn run(
    hub: &Hub,
    mut turn: Turn,
    events: &mpsc::Sender<AgentEvent>,
    mut decisions: mpsc::Receiver<(u32, Decision)>,
    cancel: &CancellationToken,
) {
    let end = match rounds(hub, &mut turn, events, &mut decisions, cancel).await {
        Ok(()) => AgentEvent::Done,
        Err(failure) => AgentEvent::Failed(failure),
    };
    let _ = events.send(end).await;
}

async fn rounds(
    hub: &Hub,
    turn: &mut Turn,
    events: &mpsc::Sender<AgentEvent>,
    decisions: &mut mpsc::Receiver<(u32, Decision)>,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let mut number = 0;
    for _ in 0..turn.rounds {
        let reply = ask(hub, turn, events, cancel).await?;
        let calls: Vec<ToolCall> = reply
            .message
            .tool_calls
            .iter()
            .take(MAX_CALLS_PER_REPLY)
            .cloned()
            .collect();
        let mut said = reply.message.clone();
        said.tool_calls.clone_from(&calls);
        turn.ask.messages.push(said);
        let _ = events.send(AgentEvent::Answered(Box::new(reply))).await;
        if calls.is_empty() {
            return Ok(());
        }
        for call in calls {
            number += 1;
            let result =
                decide_and_call(hub, turn, number, &call, events, decisions, cancel).await?;
            turn.ask.messages.push(Message::result(&call, result));
        }
    }
    Err(Failure::Here(format!(
        "stopped after {} rounds of tool calls; send \"go on\" if it should continue",
        turn.rounds
    )))
}

/// One model call, its pieces passed on as they come.
async fn ask(
    hub: &Hub,
    turn: &Turn,
    events: &mpsc::Sender<AgentEvent>,
    cancel: &CancellationToken,
) -> Result<Reply, Failure> {
    let _ = events.send(AgentEvent::Asking).await;
    let link = hub.link(turn.server)?;
    let session = link.session()?;
    let (sender, mut pieces) = mpsc::channel(64);
    let mut ask = turn.ask.clone();
    ask.tools = turn.offered.iter().map(|o| o.offer.clone()).collect();
    let arguments = ask.arguments();
    let pass_on = async {
        while let Some(piece) = pieces.recv().await {
            let _ = events.send(AgentEvent::Progress(piece)).await;
        }
    };
    let call = async {
        // Moved in, so that the channel closes with the call and `pass_on` ends.
        let sender = sender;
        session
            .call(&turn.chat_tool, arguments, Some(&sender), cancel)
            .await
    };
    let (result, ()) = tokio::join!(call, pass_on);
    let result = result.inspect_err(|failure| link.report(failure))?;
    if result.is_error {
        return Err(Failure::Protocol(crate::untrusted::label(
            &result.text,
            400,
        )));
    }
    Ok(Reply::read(result.structured.as_ref(), &result.text))
}

/// What the model is told about one call.
async fn decide_and_call(
    hub: &Hub,
    turn: &Turn,
    number: u32,
    call: &ToolCall,
    events: &mpsc::Sender<AgentEvent>,
    decisions: &mut mpsc::Receiver<(u32, Decision)>,
    cancel: &CancellationToken,
) -> Result<String, Failure> {
    let target = turn
        .offered
        .iter()
        .find(|o| o.offer.name == call.name)
        .map_or(Target::Unknown, |o| o.target.clone());
    let unknown = target == Target::Unknown;
    let _ = events
        .send(AgentEvent::Wanted(Wanted {
            number,
            call: call.clone(),
            target: target.clone(),
        }))
        .await;
    if unknown {
        // Nothing to decide: there is nothing to call.
        let failure = Failure::Here(format!(
            "there is no tool named {:?}",
            crate::untrusted::label(&call.name, 80)
        ));
        let told = failure.to_string();
        let _ = events.send(AgentEvent::Called(number, Err(failure))).await;
        return Ok(told);
    }
    let arguments = loop {
        let decision = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Failure::Cancelled),
            decision = decisions.recv() => decision,
        };
        match decision {
            // Nobody is left who could decide; no answer is a no.
            None => return Err(Failure::Cancelled),
            Some((n, _)) if n != number => {}
            Some((_, Decision::Call)) => break call.arguments.clone(),
            Some((_, Decision::CallWith(arguments))) => break arguments,
            Some((_, Decision::Refuse)) => return Ok(REFUSED.into()),
        }
    };
    let _ = events
        .send(AgentEvent::Calling(number, arguments.clone()))
        .await;
    let result = perform(hub, turn, &target, arguments, cancel).await;
    if result == Err(Failure::Cancelled) {
        return Err(Failure::Cancelled);
    }
    let told = match &result {
        Ok(result) if result.is_error => format!("The tool failed: {}", for_model(&result.text)),
        Ok(result) => for_model(&result.text),
        Err(failure) => format!("The call failed: {failure}"),
    };
    let _ = events.send(AgentEvent::Called(number, result)).await;
    Ok(told)
}

async fn perform(
    hub: &Hub,
    turn: &Turn,
    target: &Target,
    arguments: Map<String, Value>,
    cancel: &CancellationToken,
) -> Result<ToolResult, Failure> {
    match target {
        Target::Tool { server, tool, .. } => {
            let link = hub.link(*server)?;
            link.session()?
                .call(tool, arguments, None, cancel)
                .await
                .inspect_err(|failure| link.report(failure))
        }
        Target::Resource => {
            let uri = arguments
                .get("uri")
                .and_then(Value::as_str)
                .ok_or_else(|| Failure::Here("read-resource needs a \"uri\"".into()))?;
            let server = turn
                .resources
                .iter()
                .find(|(known, _)| known == uri)
                .map_or(turn.server, |(_, server)| *server);
            let link = hub.link(server)?;
            let text = link
                .session()?
                .read(uri, cancel)
                .await
                .inspect_err(|failure| link.report(failure))?;
            Ok(ToolResult {
                text,
                structured: None,
                is_error: false,
            })
        }
        Target::Unknown => Err(Failure::Here("there is no such tool".into())),
    }
}

/// Cuts a result to what a model can take, and says so: a model that doesn't know would make it up.
pub(crate) fn for_model(text: &str) -> String {
    if text.len() <= MAX_RESULT_FOR_MODEL {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_RESULT_FOR_MODEL);
    format!(
        "{}\n[cut here: {end} of {} bytes]",
        &text[..end],
        text.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_giant_result_is_cut_for_the_model_and_says_so() {
        let told = for_model(&"é".repeat(MAX_RESULT_FOR_MODEL));
        assert!(told.len() < MAX_RESULT_FOR_MODEL + 100 && told.ends_with("bytes]"));
    }
}
