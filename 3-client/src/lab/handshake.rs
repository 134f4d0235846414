//! How client and server meet: the handshake of the older versions, and what replaced it.

use serde_json::json;

use super::{Bench, Trouble};
use crate::raw;

pub(super) async fn play(bench: &mut Bench) -> Result<(), Trouble> {
    let Bench { story, talk, .. } = bench;
    story.step("Until 2025-11-25: initialize").await;
    talk.open(story, raw::NEWEST_WITH_SESSIONS).await?;
    story.why(
        "The client offers the newest version that it speaks, and says what it can do. The server answers with the version that both will use, its own abilities, and, in a header, the name of a session.",
        "2025-11-25/basic/lifecycle#initialization",
    );

    story.step("The client is ready").await;
    talk.say(story, &raw::initialized()).await;
    story.why(
        "A notification: it has no id, so nobody answers it, and HTTP says only 202 Accepted. From here on every request names the session.",
        "2025-11-25/basic/transports#session-management",
    );

    story.step("A request within the session").await;
    let list = talk.plain("tools/list", &json!({}));
    talk.say(story, &list).await;
    story.why(
        "The message itself is small: who the client is and which version it speaks, the server remembers. That memory is what makes a session worth stealing, so it must belong to the identity that opened it.",
        "2025-11-25/basic/transports#session-management",
    );

    story.step("The end of the session").await;
    talk.close(story).await;
    story.why(
        "The client gives the session back, so that the server can forget it.",
        "2025-11-25/basic/transports#session-management",
    );

    story.step("Since 2026-07-28: no handshake").await;
    let discover = talk.stateless("server/discover", &json!({}));
    talk.say(story, &discover).await;
    story.why(
        "One question instead of three messages: which versions, which abilities? It opens nothing. A client that knows the server already may skip it.",
        "2026-07-28/server/discover#when-to-call",
    );

    story.step("A request that is whole in itself").await;
    let list = talk.stateless("tools/list", &json!({}));
    talk.say(story, &list).await;
    story.why(
        "What the session remembered stands in _meta: version, client, abilities. Any server behind a load balancer can answer it, and there is no session to steal, to cap or to lose. The Mcp-* headers repeat the method for proxies; a server must refuse them where they disagree with the body.",
        "2026-07-28/basic/transports/streamable-http#standard-request-headers",
    );
    Ok(())
}
