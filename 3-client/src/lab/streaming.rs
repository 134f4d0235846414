//! An answer that arrives in pieces.

use serde_json::{Value, json};

use super::{Bench, Trouble};
use crate::untrusted::label;

/// What asks for a long answer.
pub(super) const QUESTION: &str =
    "What is MCP, what is a tool, what is a resource and what is a prompt?";
/// The tool that streams.
pub(super) const CHAT: &str = "ollama-chat";

/// A call of the chat that wants to hear of its progress.
pub(super) fn chat(token: &str) -> Value {
    json!({ "name": CHAT, "arguments": { "prompt": QUESTION }, "_meta": { "progressToken": token } })
}

/// How many pieces are shown one by one.
const SHOWN: usize = 8;

pub(super) async fn play(bench: &mut Bench) -> Result<(), Trouble> {
    let Bench { story, talk, .. } = bench;
    if !talk.has_tool(CHAT).await {
        return Err(format!(
            "this lab calls the tool {CHAT}, which this server doesn't offer: leave --url out"
        ));
    }
    story
        .step("A call that wants to hear of its progress")
        .await;
    let message = talk.stateless("tools/call", &chat("lab-1"));
    story.sent(
        "POST",
        talk.wire.url.path(),
        &talk.headers(&message),
        Some(&message),
    );
    story.why(
        "The progressToken in _meta invites the server to tell how far it is. It also decides the shape of the answer: no longer one JSON body, but a stream of server-sent events.",
        "2026-07-28/basic/patterns/progress#progress-flow",
    );

    story.step("The events, as they arrive").await;
    let mut pieces = 0;
    let mut first = None;
    let mut result = None;
    talk.listen(&message, |time, message| {
        let ms = time.as_secs_f64() * 1000.0;
        if message["method"] == "notifications/progress" {
            first.get_or_insert(ms);
            pieces += 1;
            if pieces <= SHOWN {
                let params = &message["params"];
                let text = params["message"].as_str().unwrap_or_default();
                story.tell(&format!(
                    "{ms:>8.1} ms  progress {}  {:?}",
                    params["progress"],
                    label(text, 40)
                ));
            } else if pieces == SHOWN + 1 {
                story.tell("             …");
            }
        } else {
            result = Some((ms, message.clone()));
        }
        true
    })
    .await?;
    let (last, result) = result.ok_or("the stream ended without a response")?;
    story.tell(&format!(
        "{last:>8.1} ms  the response, after {pieces} pieces"
    ));
    story.json(&result);
    story.why(
        "The protocol has no partial results. By a convention of this project each piece of the text travels in a progress notification, and the whole answer follows in the result. A client that missed every piece has lost nothing.",
        "2026-07-28/basic/transports/streamable-http#receiving-messages",
    );
    if let Some(first) = first {
        story.tell(&format!("First piece after {first:.0} ms, whole answer after {last:.0} ms: that difference is why one streams."));
    }
    Ok(())
}
