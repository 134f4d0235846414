//! The same call in three versions of the protocol, side by side.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, Trouble};
use crate::raw;

/// What one version needed for one call.
struct Era {
    version: &'static str,
    requests: usize,
    sent: usize,
    received: usize,
    time: Duration,
    status: u16,
    session: bool,
    meta: bool,
}

pub(super) async fn play(bench: &mut Bench) -> Result<(), Trouble> {
    let Bench { story, talk, .. } = bench;
    if !talk.has_tool("echo").await {
        return Err(
            "this lab calls the tool echo, which this server doesn't offer: leave --url out".into(),
        );
    }
    let call = json!({ "name": "echo", "arguments": { "message": "hello" } });
    let mut eras = Vec::new();
    for (version, why, section) in [
        (
            "2024-11-05",
            "The first version. Its own transport for HTTP was HTTP+SSE (GET /sse for one direction, POST /messages for the other), or standard input and output; the messages are the ones you see here.",
            "2024-11-05/basic/lifecycle#initialization",
        ),
        (
            "2025-11-25",
            "The last version with sessions, over Streamable HTTP: one address, and a header that names the session. structuredContent in a result is part of the specification since 2025-06-18.",
            "2025-11-25/basic/transports#session-management",
        ),
    ] {
        story
            .step(&format!(
                "{version}: three messages before the first answer"
            ))
            .await;
        let mut era = Era::new(version);
        let opened = talk.open(story, version).await?;
        era.count(&raw::initialize(0, version), &opened);
        era.session = !opened.header("mcp-session-id").is_empty();
        let agreed = opened
            .result()
            .map_or(Value::Null, |result| result["protocolVersion"].clone());
        if agreed != version {
            return Err(format!(
                "this server doesn't speak {version}: it offers {agreed}"
            ));
        }
        let ready = talk.say(story, &raw::initialized()).await;
        era.count(&raw::initialized(), &ready);
        let message = talk.plain("tools/call", &call);
        let answer = talk.say(story, &message).await;
        era.count(&message, &answer);
        story.why(why, section);
        talk.close(story).await;
        eras.push(era);
    }

    story.step("2026-07-28: one message").await;
    let mut era = Era::new(raw::NEWEST);
    let message = talk.stateless("tools/call", &call);
    let answer = talk.say(story, &message).await;
    era.count(&message, &answer);
    era.meta = true;
    story.why(
        "Everything that the server must know stands in the message. Nothing is opened, so nothing is closed.",
        "2026-07-28/basic#statelessness",
    );
    eras.push(era);

    story.step("Side by side").await;
    story.lines(&table(&eras));
    story.tell("Time and bytes are those of the messages above, from the first to the answer of the call; headers aren't counted.");
    Ok(())
}

impl Era {
    fn new(version: &'static str) -> Self {
        Self {
            version,
            requests: 0,
            sent: 0,
            received: 0,
            time: Duration::ZERO,
            status: 0,
            session: false,
            meta: false,
        }
    }

    fn count(&mut self, message: &Value, answer: &raw::Answer) {
        self.requests += 1;
        self.sent += message.to_string().len();
        self.received += answer.text.len();
        self.time += answer.took;
        self.status = answer.status;
    }
}

/// A row for each property, a column for each version; within 80 columns.
fn table(eras: &[Era]) -> String {
    let row = |name: &str, of: &dyn Fn(&Era) -> String| {
        let cells: String = eras.iter().map(|era| format!(" {:>16}", of(era))).collect();
        format!("  {name:<24}{cells}\n")
    };
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    [
        row("", &|era| era.version.to_owned()),
        row("HTTP requests", &|era| era.requests.to_string()),
        row("bytes sent", &|era| era.sent.to_string()),
        row("bytes received", &|era| era.received.to_string()),
        row("time", &|era| {
            format!("{:.1} ms", era.time.as_secs_f64() * 1000.0)
        }),
        row("status of the call", &|era| era.status.to_string()),
        row("opens with", &|era| {
            if era.meta { "nothing" } else { "initialize" }.to_owned()
        }),
        row("session on the server", &|era| yes(era.session)),
        row("version stands in", &|era| {
            if era.meta {
                "each request"
            } else {
                "the handshake"
            }
            .to_owned()
        }),
        row("cancelled by", &|era| {
            if era.meta {
                "closing"
            } else {
                "a notification"
            }
            .to_owned()
        }),
    ]
    .concat()
}
