//! What a message means, in two sentences, and where the specification says so.

use super::{Direction, Entry, Kind};

/// An explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// Two sentences.
    pub text: &'static str,
    /// A page of the specification, below `modelcontextprotocol.io/specification/`.
    pub section: &'static str,
}

const fn say(text: &'static str, section: &'static str) -> Explanation {
    Explanation { text, section }
}

/// Explains a message.
#[must_use]
pub fn explain(entry: &Entry) -> Explanation {
    let method = entry.method.as_deref().unwrap_or_default();
    match entry.kind {
        Kind::Http => http(entry.status()),
        Kind::Error => error(&entry.body),
        Kind::Request => request(method, entry.direction),
        Kind::Response => response(method),
        Kind::Notification => notification(method),
    }
}

fn request(method: &str, direction: Direction) -> Explanation {
    match method {
        "server/discover" => say(
            "The client asks which protocol versions and features the server has. Since 2026-07-28 this replaces the handshake, and no session is opened.",
            "2026-07-28/server/discover#request",
        ),
        "initialize" => say(
            "The handshake of the versions before 2026-07-28: the client offers a version and says what it can do. The server answers with the version that both will use.",
            "2025-11-25/basic/lifecycle#initialization",
        ),
        "ping" => say(
            "One side asks whether the other is still there. Any answer will do.",
            "2025-11-25/basic/utilities/ping",
        ),
        "tools/list" => say(
            "The client asks which tools it may call. A server lists only what this caller is allowed to use, so two keys can see two lists.",
            "2026-07-28/server/tools#listing-tools",
        ),
        "tools/call" => say(
            "The client asks the server to run a tool with these arguments. The progressToken in _meta invites the server to send progress while it works.",
            "2026-07-28/server/tools#calling-tools",
        ),
        "resources/list" => say(
            "The client asks which resources there are: data that the server offers under URIs. Reading one is a request of its own.",
            "2026-07-28/server/resources#listing-resources",
        ),
        "resources/templates/list" => say(
            "The client asks for URI templates: resources whose address has a part to fill in. They aren't listed one by one because there may be endlessly many.",
            "2026-07-28/server/resources#resource-templates",
        ),
        "resources/read" => say(
            "The client asks for the contents behind a URI. The server decides by the caller's rights, not by whether the URI is known.",
            "2026-07-28/server/resources#reading-resources",
        ),
        "prompts/list" => say(
            "The client asks which prompts the server has prepared. A person picks one; a model never does.",
            "2026-07-28/server/prompts#listing-prompts",
        ),
        "prompts/get" => say(
            "The client asks for a prompt with these arguments filled in. The answer is a list of messages to start a conversation with.",
            "2026-07-28/server/prompts#getting-a-prompt",
        ),
        "completion/complete" => say(
            "The client asks how a half-typed argument might go on. Servers offer this for prompts and resource templates.",
            "2026-07-28/server/utilities/completion#requesting-completions",
        ),
        "subscriptions/listen" => say(
            "The client opens a stream on which the server may announce changes. It lasts until one side closes it.",
            "2026-07-28/basic/patterns/subscriptions#opening-a-stream",
        ),
        "sampling/createMessage" => say(
            "The server asks the client's model for text. This client has no model of its own, so it says no; the feature is deprecated since 2026-07-28.",
            "2026-07-28/client/sampling",
        ),
        "roots/list" => say(
            "The server asks which folders it may see. This client shows none; the feature is deprecated since 2026-07-28.",
            "2026-07-28/client/roots",
        ),
        "elicitation/create" => say(
            "The server asks the person for more input in the middle of a call; since 2026-07-28 it answers the call with input_required instead. This client shows the question as a form, and tells the server only what is written there.",
            "2026-07-28/client/elicitation",
        ),
        _ if direction == Direction::In => say(
            "A request from the server to the client. The client answers what it knows and says \"method not found\" to the rest.",
            "2026-07-28/basic#requests",
        ),
        _ => say(
            "A request: it has an id, and the answer will carry the same id. Several may be under way at once.",
            "2026-07-28/basic#requests",
        ),
    }
}

fn response(method: &str) -> Explanation {
    match method {
        "server/discover" => say(
            "The server tells its versions, its features and its name. The client picks the newest version that both know and puts it into every later request.",
            "2026-07-28/server/discover#response",
        ),
        "initialize" => say(
            "The server picked the version and told its features. An Mcp-Session-Id header, if there is one, names the session from here on.",
            "2025-11-25/basic/lifecycle#initialization",
        ),
        "tools/list" => say(
            "The tools that this caller may use, each with a JSON Schema for its arguments. Descriptions and hints are the server's claims; this client pins them and asks again when they change.",
            "2026-07-28/server/tools#listing-tools",
        ),
        "tools/call" => say(
            "The tool ran. isError: true means that the tool itself failed, which the model should know; a refusal would have been a JSON-RPC error instead.",
            "2026-07-28/server/tools#tool-result",
        ),
        "subscriptions/listen" => say(
            "The stream of changes is over, and the server closed it in order, as when this caller's rights changed. The client may open another.",
            "2026-07-28/basic/patterns/subscriptions#graceful-closure",
        ),
        "resources/read" => say(
            "The contents of the resource, as text or as base64. ttlMs and cacheScope say whether and for whom they may be kept.",
            "2026-07-28/server/resources#reading-resources",
        ),
        _ => say(
            "The answer to the request with the same id. A result means that the server did what was asked.",
            "2026-07-28/basic#responses",
        ),
    }
}

fn notification(method: &str) -> Explanation {
    match method {
        "notifications/progress" => say(
            "News about a running call, linked to it by the progressToken. The protocol has no partial results; by a convention of this project an answer's words travel here, and the whole answer follows in the result.",
            "2026-07-28/basic/patterns/progress#progress-flow",
        ),
        "notifications/cancelled" => say(
            "One side no longer wants an answer. Since 2026-07-28 it is for stdio only: over HTTP, closing the response stream says the same.",
            "2026-07-28/basic/patterns/cancellation#transport-specific-cancellation",
        ),
        "notifications/initialized" => say(
            "The client is ready: the handshake of the older versions is complete. Only now may other requests follow.",
            "2025-11-25/basic/lifecycle#initialization",
        ),
        "notifications/tools/list_changed"
        | "notifications/resources/list_changed"
        | "notifications/prompts/list_changed" => say(
            "One of the server's lists is no longer what the client read. The client reads it again.",
            "2026-07-28/basic/patterns/subscriptions#receiving-notifications",
        ),
        "notifications/resources/updated" => say(
            "A resource that this client watches has changed. The notification doesn't carry the new contents: the client reads them.",
            "2026-07-28/server/resources#subscriptions",
        ),
        "notifications/subscriptions/acknowledged" => say(
            "The first message on a stream of changes: which of the requested changes the server will announce on it. Its _meta names the request that opened the stream.",
            "2026-07-28/basic/patterns/subscriptions#acknowledgment",
        ),
        "notifications/message" => say(
            "A line of the server's log. The feature is deprecated since 2026-07-28.",
            "2026-07-28/server/utilities/logging",
        ),
        _ => say(
            "A notification: it has no id, and nobody answers it. What a receiver doesn't know, it ignores.",
            "2026-07-28/basic#notifications",
        ),
    }
}

fn error(body: &str) -> Explanation {
    let code = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|v| v["error"]["code"].as_i64());
    match code {
        Some(401) => say(
            "The server doesn't accept the key. No tool was reached; the HTTP status is 401 as well.",
            "2026-07-28/basic/authorization#error-handling",
        ),
        Some(403) => say(
            "The key is known but has no right to this. data.required_scopes names everything that would have been enough.",
            "2026-07-28/basic/authorization#runtime-insufficient-scope-errors",
        ),
        Some(408) => say(
            "The server gave up because the call took too long. The call was stopped there too.",
            "2026-07-28/basic#error-codes",
        ),
        Some(413) => say(
            "The request is larger than the server accepts. Nothing of it was read by a tool.",
            "2026-07-28/basic#error-codes",
        ),
        Some(429) => say(
            "Too many calls by this identity. data.retry_after_ms, or the Retry-After header, says when the next one may come.",
            "2026-07-28/basic#error-codes",
        ),
        Some(503) => say(
            "The server is up but can't take this now. The same call may work in a moment.",
            "2026-07-28/basic#error-codes",
        ),
        Some(-32700) => say(
            "The server could not read the message as JSON. Nothing was done.",
            "2026-07-28/basic#error-codes",
        ),
        Some(-32600) => say(
            "The message is JSON but no valid request. Nothing was done.",
            "2026-07-28/basic#error-codes",
        ),
        Some(-32601) => say(
            "The server doesn't know this method. Older servers answer server/discover like this, and the client goes on with initialize.",
            "2026-07-28/basic#error-codes",
        ),
        Some(-32602) => say(
            "The method is known but the arguments don't fit. An unknown tool name is told like this too.",
            "2026-07-28/basic#error-codes",
        ),
        Some(-32603) => say(
            "Something broke inside the server. What exactly is in its log, not here.",
            "2026-07-28/basic#error-codes",
        ),
        Some(-32020) => say(
            "The Mcp-* headers and the body disagree. A server must refuse that, or a proxy could be shown one call and the server another.",
            "2026-07-28/basic/transports/streamable-http#server-validation",
        ),
        Some(-32022) => say(
            "The server doesn't speak the version that was asked for. data.supported names those that it does.",
            "2026-07-28/basic/versioning#protocol-version-negotiation",
        ),
        _ => say(
            "An error instead of a result: the request was not carried out as asked. The code says why; codes outside −32768…−32000 are the server's own.",
            "2026-07-28/basic#error-codes",
        ),
    }
}

fn http(status: Option<u16>) -> Explanation {
    match status {
        Some(202 | 204) => say(
            "The server accepted a notification. It has no answer, so the HTTP reply is empty.",
            "2026-07-28/basic/transports/streamable-http#sending-messages",
        ),
        Some(404) => say(
            "The server no longer knows the session. The client has to initialize again; it doesn't repeat the call by itself.",
            "2025-11-25/basic/transports#session-management",
        ),
        Some(401) => say(
            "The HTTP edge refuses the credential before any message is read. Check the key.",
            "2026-07-28/basic/authorization#access-token-usage",
        ),
        _ => say(
            "An HTTP reply without a JSON-RPC message in it. The status and the headers are all there is.",
            "2026-07-28/basic/transports/streamable-http",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::WireLog;
    use super::*;

    #[test]
    fn every_explanation_is_at_most_two_sentences() {
        let mut all: Vec<Explanation> = Vec::new();
        for method in [
            "server/discover",
            "initialize",
            "ping",
            "tools/list",
            "tools/call",
            "resources/read",
            "prompts/get",
            "x",
        ] {
            all.extend([
                request(method, Direction::Out),
                response(method),
                notification(method),
            ]);
        }
        for code in [
            401, 403, 408, 413, 429, 503, -32700, -32600, -32601, -32602, -32603, -32020, -32022, 1,
        ] {
            all.push(error(&format!(r#"{{"error":{{"code":{code}}}}}"#)));
        }
        for explanation in all {
            let sentences = explanation.text.matches(['.', '?', '!']).count();
            let numbers =
                explanation.text.matches("._").count() + explanation.text.matches("data.").count();
            assert!(sentences <= 2 + numbers, "{}", explanation.text);
            // Whether there is such a page, a test of the whole project looks up.
            assert!(
                explanation.section.starts_with("20"),
                "{}",
                explanation.section
            );
        }
    }

    #[test]
    fn a_response_is_explained_by_the_request_that_it_answers() {
        let log = WireLog::default();
        log.record(
            &"s".into(),
            Direction::Out,
            r#"{"id":1,"method":"tools/call"}"#,
            None,
        );
        log.record(
            &"s".into(),
            Direction::In,
            r#"{"id":1,"result":{"isError":true}}"#,
            None,
        );
        assert!(explain(&log.since(0)[1]).text.contains("isError"));
    }
}
