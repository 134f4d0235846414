//! Stopping a call: since 2026-07-28 by closing the stream, before that by a notification.

use serde_json::{Value, json};

use super::streaming::{CHAT, chat};
use super::{Bench, Trouble};
use crate::raw;

pub(super) async fn play(bench: &mut Bench) -> Result<(), Trouble> {
    let Bench {
        story,
        talk,
        server,
    } = bench;
    if !talk.has_tool(CHAT).await {
        return Err(format!(
            "this lab calls the tool {CHAT}, which this server doesn't offer: leave --url out"
        ));
    }
    story.step("The new way: close the stream").await;
    let message = talk.stateless("tools/call", &chat("lab-1"));
    story.sent(
        "POST",
        talk.wire.url.path(),
        &talk.headers(&message),
        Some(&message),
    );
    let mut heard = None;
    talk.listen(&message, |time, message| {
        heard = Some((time, message.clone()));
        false
    })
    .await?;
    let (time, event) = heard.ok_or("nothing arrived that could be cut off")?;
    story.tell(&format!(
        "The first event, after {:.1} ms:",
        time.as_secs_f64() * 1000.0
    ));
    story.json(&event);
    story.tell("Then the client closed the connection.");
    story.why(
        "Whoever closes the response stream no longer wants the answer: the server must stop the work behind it. Nothing else needs to be sent.",
        "2026-07-28/basic/patterns/cancellation#transport-specific-cancellation",
    );
    if let Some(server) = server {
        tell_record(story, server, &message).await;
    }

    story.step("The old way: a session, and a call in it").await;
    talk.open(story, raw::NEWEST_WITH_SESSIONS).await?;
    talk.say(story, &raw::initialized()).await;
    story.why(
        "As in the lab `handshake`.",
        "2025-11-25/basic/lifecycle#initialization",
    );

    story.step("The old way: notifications/cancelled").await;
    let message = talk.plain("tools/call", &chat("lab-2"));
    story.sent(
        "POST",
        talk.wire.url.path(),
        &talk.headers(&message),
        Some(&message),
    );
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": message["id"], "reason": "the lab has seen enough" } });
    let headers = talk.headers(&cancel);
    let notice = talk.request(&headers, &cancel);
    let (begun, begins) = tokio::sync::oneshot::channel();
    let mut begun = Some(begun);
    let mut events = 0_u32;
    let mut response = None;
    let listened = talk.listen(&message, |_, message| {
        events += 1;
        if let Some(begun) = begun.take() {
            // The other half waits in the same `join`.
            let _ = begun.send(());
        }
        if raw::is_response(message) {
            response = Some(message.clone());
        }
        true
    });
    let told = async {
        // A stream that ended without an event has nothing to cancel.
        if begins.await.is_err() {
            return None;
        }
        Some(notice.send().await)
    };
    // A cancelled request gets no response, so its stream may just end, or stay open.
    let (_, answer) = tokio::join!(
        tokio::time::timeout(std::time::Duration::from_secs(3), listened),
        told
    );
    let answer = answer.ok_or("nothing arrived that could be cancelled")?;
    story.tell("After the first event, on a connection of its own:");
    story.sent("POST", talk.wire.url.path(), &headers, Some(&cancel));
    story.got(&answer);
    match &response {
        Some(response) => {
            story.tell(&format!("The call's stream ended with a response, its message number {events}: it had come too far to be stopped."));
            story.json(response);
        }
        None => story.tell(&format!(
            "The call's stream brought {events} of its events and no response."
        )),
    }
    story.why(
        "Before 2026-07-28 a broken connection meant nothing, because a client might come back for the rest. So the wish to stop is a message of its own, and it names the request. It may come too late: both sides must bear that.",
        "2025-11-25/basic/utilities/cancellation#cancellation-flow",
    );
    if let Some(server) = server {
        tell_record(story, server, &message).await;
    }
    talk.close(story).await;
    Ok(())
}

async fn tell_record(story: &super::Story, server: &super::Started, message: &Value) {
    let id = format!("\"rpc_id\":\"{}\"", message["id"]);
    match server.record(&[&id, "tools/call"]).await {
        Some(line) => {
            story.tell("What the server's record says of it:");
            match serde_json::from_str(&line) {
                Ok(record) => story.json(&record),
                Err(_) => story.tell(&line),
            }
        }
        None => story.tell("The server's record says nothing of it yet."),
    }
}
