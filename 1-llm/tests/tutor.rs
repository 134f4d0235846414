//! The tutor: honest answers from the pages, and real tool calls for plain requests.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::time::Duration;

use mcp_llm::pages::Page;
use mcp_llm::{ChatRequest, Message, Role, ToolCall, Tutor};
use serde_json::json;
use support::{ask, collect, weather};

fn tutor() -> Tutor {
    Tutor::new().with_pace(Duration::ZERO)
}

async fn says(question: &str) -> String {
    collect(&tutor(), ask(question))
        .await
        .done()
        .message
        .content
}

#[tokio::test]
async fn a_question_about_mcp_is_answered_with_its_source() {
    let answer = says("What is MCP?").await;
    assert!(answer.contains("Model Context Protocol"), "{answer}");
    assert!(
        answer.contains("\n— ") && answer.contains(".md, “"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_answer_streams_word_by_word_and_adds_up_to_the_whole() {
    let heard = collect(&tutor(), ask("what is a tool?")).await;
    assert!(heard.contents.len() > 20);
    assert_eq!(heard.contents.concat(), heard.done().message.content);
}

#[tokio::test(start_paused = true)]
async fn words_come_at_a_pace_that_can_be_seen() {
    let started = tokio::time::Instant::now();
    let heard = collect(&Tutor::new(), ask("what is a tool?")).await;
    let words = u32::try_from(heard.contents.len()).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(8) * (words - 1));
}

#[tokio::test]
async fn what_the_pages_do_not_say_the_tutor_does_not_know_and_says_what_it_is() {
    for question in [
        "Who won the football world cup in 1998?",
        "What's the capital of France?",
        "zxcvb qwerty",
    ] {
        let answer = says(question).await;
        assert!(
            answer.starts_with("I don't know that. I'm the built-in tutor, not a language model"),
            "{answer}"
        );
        assert!(answer.contains(".md"), "it should name a page: {answer}");
    }
}

#[tokio::test]
async fn a_greeting_is_answered_with_what_can_be_asked() {
    let answer = says("Hello!").await;
    assert!(
        answer.contains("what is MCP?") && answer.contains("not a language model"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_request_for_an_offered_tool_is_a_tool_call_and_its_result_is_put_into_words() {
    let mut request = ChatRequest {
        tools: vec![weather()],
        ..ask("what's the weather in Oslo?")
    };
    let done = collect(&tutor(), request.clone()).await.done();
    let call = done.message.tool_calls[0].clone();
    assert_eq!(
        (call.name.as_str(), &call.arguments["city"]),
        ("weather-get", &json!("Oslo"))
    );
    request.messages.push(done.message);
    request.messages.push(Message::tool_result(
        &call,
        r#"{"city":"Oslo","temperature_c":3.5}"#,
    ));
    let done = collect(&tutor(), request).await.done();
    assert!(
        done.message.tool_calls.is_empty(),
        "a result must not lead to the same call again"
    );
    assert_eq!(
        done.message.content,
        "`weather-get` answered:\ncity: Oslo\ntemperature_c: 3.5"
    );
}

#[tokio::test]
async fn a_tools_result_that_reads_like_an_order_is_only_quoted() {
    let call = ToolCall {
        id: "call_1".to_owned(),
        name: "echo".to_owned(),
        arguments: serde_json::Map::default(),
    };
    let asked = Message {
        tool_calls: vec![call.clone()],
        ..Message::new(Role::Assistant, "")
    };
    let request = ChatRequest {
        messages: vec![
            Message::user("echo x"),
            asked,
            Message::tool_result(&call, "what's the weather in Oslo?"),
        ],
        tools: vec![weather()],
        ..ChatRequest::default()
    };
    let done = collect(&tutor(), request).await.done();
    assert!(done.message.tool_calls.is_empty(), "{done:?}");
}

#[tokio::test]
async fn without_the_tool_the_tutor_says_what_is_missing() {
    let answer = says("what's the weather in Oslo?").await;
    assert!(answer.contains("none was offered"), "{answer}");
}

#[tokio::test]
async fn the_same_conversation_has_the_same_answer_call_ids_included() {
    let request = || ChatRequest {
        tools: vec![weather()],
        ..ask("weather in Oslo and Rome")
    };
    let one = collect(&tutor(), request()).await.done().message;
    assert_eq!(one, collect(&tutor(), request()).await.done().message);
    assert_ne!(one.tool_calls[0].id, one.tool_calls[1].id);
}

#[tokio::test]
async fn a_follow_up_keeps_the_topic_and_more_is_not_the_same_again() {
    let first = says("what is a rate limit?").await;
    let mut request = ask("what is a rate limit?");
    request
        .messages
        .push(Message::new(Role::Assistant, first.clone()));
    request
        .messages
        .push(Message::user("tell me more about it"));
    let more = collect(&tutor(), request).await.done().message.content;
    assert_ne!(more, first);
    assert!(more.contains("limit") || more.contains("rate"), "{more}");
}

/// Pages that stay as they are, so that the answers do.
static PAGES: [Page; 2] = [
    Page {
        name: "boats",
        file: "boats.md",
        text: "# Boats\nA boat floats.\n\n## Sails\nA *sail* catches the wind. Without wind it hangs.\n\n\
            Hoist it:\n\n```sh\nboat hoist --sail\n```\n\n## Care\n- Dry the sails.\n- Oil the winch.\n- Scrub the hull.\n",
    },
    Page {
        name: "harbour",
        file: "harbour.md",
        text: "# The harbour\nA harbour shelters boats.\n\n## Fees\nThe fee depends on the boat's length.\n",
    },
];

#[tokio::test]
async fn a_conversation_with_fixed_pages() {
    let tutor = Tutor::with_pages(&PAGES).with_pace(Duration::ZERO);
    let mut shown = String::new();
    for conversation in [
        &["What is a sail?", "And how do I hoist it?", "more"][..],
        &["How do I care for the winch?"],
        &["what does the harbour cost in fees?", "why?"],
        &["How are boats painted?"],
        &["What is a spinnaker made of?"],
        &["thanks!"],
    ] {
        let mut request = ChatRequest::default();
        for question in conversation {
            request.messages.push(Message::user(*question));
            let answer = collect(&tutor, request.clone()).await.done().message;
            shown.push_str(&format!("> {question}\n{}\n\n", answer.content));
            request.messages.push(answer);
        }
        shown.push_str("----\n");
    }
    insta::assert_snapshot!(shown);
}
