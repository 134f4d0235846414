//! The chat loop: ask the model, let a person decide on each call, make the call, tell the model.
//!
//! It runs here, in the host, because this is where the person is. The server's model only *asks* for
//! calls; each one is shown with its full arguments and goes through MCP like any other.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::chat::{Ask, Message, Reply, ToolCall};
use crate::failure::Failure;
use crate::link::Hub;
use crate::session::ToolResult;
use crate::tap::Progress;

mod budget;
mod offers;

pub use offers::{Offered, READ_RESOURCE, Source, Target, offers};

/// Characters of one tool result that the model is given. The person can see all of it.
const MAX_RESULT_FOR_MODEL: usize = 48_000;
/// Calls in one reply; a model that asks for more is told so.
const MAX_CALLS_PER_REPLY: usize = 16;
/// Bytes of a conversation that are sent. More than that no model reads, and no server takes.
const MAX_CONVERSATION: usize = 16 * 1024 * 1024;
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
    /// The hash of that tool and of who offers it: the conversation goes to nobody else.
    pub chat_fingerprint: String,
    /// The conversation so far and the model.
    pub ask: Ask,
    /// How many tokens the model reads, when it has said so.
    pub window: Option<u64>,
    /// What the model may ask for.
    pub offered: Vec<Offered>,
    /// Model calls before the loop is stopped.
    pub rounds: u32,
    /// What the model and the tools may take together. A person's time to decide isn't counted.
    pub time: Duration,
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
    /// Nobody was asked, because it isn't what was looked at. Says why.
    Hold(String),
}

/// What happens in a turn, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentEvent {
    /// The model is being asked.
    Asking {
        /// Older messages that aren't sent, because the model doesn't read so much.
        left_out: usize,
    },
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
    let mut left = turn.time;
    let mut rounds = turn.rounds;
    loop {
        let mut reply = within(&mut left, cancel, async |cancel| {
            ask(hub, turn, events, cancel).await
        })
        .await?;
        if turn.offered.is_empty() {
            // What it asks for without being offered anything leads nowhere, however often it asks.
            reply.message.tool_calls.clear();
        }
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
            let result = decide_and_call(
                hub, turn, &mut left, number, &call, events, decisions, cancel,
            )
            .await?;
            turn.ask.messages.push(Message::result(&call, result));
        }
        rounds = rounds.saturating_sub(1);
        if rounds == 0 {
            number += 1;
            rounds = more_rounds(turn, number, events, decisions, cancel).await?;
        }
    }
}

/// The rounds are used up: shall it go on? With a no, the model answers with what it has.
async fn more_rounds(
    turn: &mut Turn,
    number: u32,
    events: &mpsc::Sender<AgentEvent>,
    decisions: &mut mpsc::Receiver<(u32, Decision)>,
    cancel: &CancellationToken,
) -> Result<u32, Failure> {
    let wanted = Wanted {
        number,
        call: ToolCall {
            id: String::new(),
            name: String::new(),
            arguments: Map::new(),
        },
        target: Target::MoreRounds(turn.rounds),
    };
    let _ = events.send(AgentEvent::Wanted(wanted)).await;
    match decided(number, decisions, cancel).await? {
        Decision::Call | Decision::CallWith(_) => Ok(turn.rounds),
        Decision::Refuse => {
            turn.offered.clear();
            Ok(1)
        }
        Decision::Hold(why) => Err(Failure::Here(why)),
    }
}

/// Waits for the decision with this number.
async fn decided(
    number: u32,
    decisions: &mut mpsc::Receiver<(u32, Decision)>,
    cancel: &CancellationToken,
) -> Result<Decision, Failure> {
    loop {
        let decision = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Failure::Cancelled),
            decision = decisions.recv() => decision,
        };
        match decision {
            // Nobody is left who could decide; no answer is a no.
            None => return Err(Failure::Cancelled),
            Some((n, decision)) if n == number => return Ok(decision),
            Some(_) => {}
        }
    }
}

/// Does a part of the turn within the time that is left of it. What runs too long is cancelled, so that
/// the server hears of it.
async fn within<T>(
    left: &mut Duration,
    cancel: &CancellationToken,
    work: impl AsyncFnOnce(&CancellationToken) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (began, over) = (Instant::now(), cancel.child_token());
    let work = work(&over);
    tokio::pin!(work);
    let done = tokio::select! {
        done = &mut work => done,
        () = tokio::time::sleep(*left) => {
            over.cancel();
            let _ = work.await;
            Err(Failure::TooMuch(
                "the turn took longer than limits.turn_secs allows, your time to decide not counted".into(),
            ))
        }
    };
    *left = left.saturating_sub(began.elapsed());
    done
}

/// Whether the conversation can be sent.
fn check_size(messages: &[Message]) -> Result<(), Failure> {
    let size: usize = messages.iter().map(budget::size).sum();
    if size <= MAX_CONVERSATION {
        return Ok(());
    }
    Err(Failure::TooMuch(format!(
        "what was said in this turn is {} MiB long, and at most {} MiB are sent; attach less, or begin a new chat",
        size >> 20,
        MAX_CONVERSATION >> 20
    )))
}

/// One model call, its pieces passed on as they come.
async fn ask(
    hub: &Hub,
    turn: &Turn,
    events: &mpsc::Sender<AgentEvent>,
    cancel: &CancellationToken,
) -> Result<Reply, Failure> {
    let mut ask = turn.ask.clone();
    ask.tools = turn.offered.iter().map(|o| o.offer.clone()).collect();
    let beside = serde_json::to_string(&ask.tools).map_or(0, |tools| tools.len());
    let left_out;
    (ask.messages, left_out) = budget::fit(&turn.ask.messages, turn.window, beside);
    check_size(&ask.messages)?;
    let _ = events.send(AgentEvent::Asking { left_out }).await;
    let link = hub.link(turn.server)?;
    let session = link.session()?;
    link.vouch(&turn.chat_tool, &turn.chat_fingerprint).await?;
    let (sender, mut pieces) = mpsc::channel(64);
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
        return Err(Failure::Model(crate::untrusted::label(&result.text, 400)));
    }
    Ok(Reply::read(result.structured.as_ref(), &result.text))
}

/// What the model is told about one call.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one loop, lent for one call"
)]
async fn decide_and_call(
    hub: &Hub,
    turn: &Turn,
    left: &mut Duration,
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
    let arguments = match decided(number, decisions, cancel).await? {
        Decision::Call => call.arguments.clone(),
        Decision::CallWith(arguments) => arguments,
        Decision::Refuse => return Ok(REFUSED.into()),
        Decision::Hold(why) => {
            let failure = Failure::Held(why);
            let told = format!("The call wasn't made: {failure}");
            let _ = events.send(AgentEvent::Called(number, Err(failure))).await;
            return Ok(told);
        }
    };
    let _ = events
        .send(AgentEvent::Calling(number, arguments.clone()))
        .await;
    let result = within(left, cancel, async |cancel| {
        perform(hub, &target, arguments, cancel).await
    })
    .await;
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
    target: &Target,
    arguments: Map<String, Value>,
    cancel: &CancellationToken,
) -> Result<ToolResult, Failure> {
    match target {
        Target::Tool {
            server,
            tool,
            fingerprint,
            ..
        } => {
            let link = hub.link(*server)?;
            let session = link.session()?;
            // The list may have changed while the model wrote, or while a person read.
            link.vouch(tool, fingerprint).await?;
            session
                .call(tool, arguments, None, cancel)
                .await
                .inspect_err(|failure| link.report(failure))
        }
        Target::Resource { server, owner } => {
            let uri = arguments
                .get("uri")
                .and_then(Value::as_str)
                .ok_or_else(|| Failure::Here("read-resource needs a \"uri\"".into()))?;
            let link = hub.link(*server)?;
            let session = link.session()?;
            link.vouch_owner(owner).await?;
            let text = session
                .read(uri, cancel)
                .await
                .inspect_err(|failure| link.report(failure))?;
            Ok(ToolResult {
                text,
                structured: None,
                is_error: false,
            })
        }
        Target::Unknown | Target::MoreRounds(_) => {
            Err(Failure::Here("there is no such tool".into()))
        }
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
