//! Listing tools, calling one, and the two kinds of failure.

use serde_json::json;

use super::{Bench, Trouble};

pub(super) async fn play(bench: &mut Bench) -> Result<(), Trouble> {
    let Bench { story, talk, .. } = bench;
    story.step("Which tools are there?").await;
    let list = talk.stateless("tools/list", &json!({}));
    let answer = talk.say(story, &list).await;
    let tools = answer
        .result()
        .and_then(|result| result["tools"].as_array());
    let has_echo = tools.is_some_and(|tools| tools.iter().any(|tool| tool["name"] == "echo"));
    story.why(
        "Each tool has a name, a description for the model, a JSON Schema for its arguments, and hints such as readOnlyHint. All of it is the server's word: a host shows it to a person and pins it.",
        "2026-07-28/server/tools#listing-tools",
    );
    if !has_echo {
        return Err("the rest of this lab calls the tool echo, which this server doesn't offer: leave --url out".into());
    }

    story.step("A call").await;
    let call = talk.stateless(
        "tools/call",
        &json!({ "name": "echo", "arguments": { "message": "hello" } }),
    );
    talk.say(story, &call).await;
    story.why(
        "The result comes twice: content for people and models, structuredContent for programs, which follows the tool's outputSchema.",
        "2026-07-28/server/tools#structured-content",
    );

    story.step("A tool that fails").await;
    let call = talk.stateless(
        "tools/call",
        &json!({ "name": "echo", "arguments": { "text": "hello" } }),
    );
    talk.say(story, &call).await;
    story.why(
        "The call was good and the tool couldn't do it: the answer is a result with isError. The model reads it and can try again, here with the right argument.",
        "2026-07-28/server/tools#error-handling",
    );

    story.step("A call that fails").await;
    let call = talk.stateless(
        "tools/call",
        &json!({ "name": "no-such-tool", "arguments": {} }),
    );
    talk.say(story, &call).await;
    story.why(
        "There was no tool to fail, so the answer is a JSON-RPC error. A caller without the right to call it would get the same words for a tool that exists: a refusal must not tell what there is.",
        "2026-07-28/server/tools#error-handling",
    );
    Ok(())
}
