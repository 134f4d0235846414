//! Answers, each rule of the stream.

use axum::{Router, http::header::CONTENT_TYPE, routing::post};
use mcp_llm::chat::{Think, Usage};
use serde_json::{Map, Value, json};

use crate::{support::weather, *};

#[tokio::test]
async fn an_answer_streams_word_by_word_and_ends_with_the_whole_of_it() {
    let heard = chat(Mode::Normal, ask("hi")).await;
    assert_eq!(heard.contents.len(), 13);
    assert_eq!(heard.contents[..2], ["Hej", " på"]);
    let done = heard.done();
    assert_eq!(done.message.content, SAID);
    assert_eq!(
        (done.provider.as_str(), done.model.as_str()),
        ("ollama", "llama3.2:latest")
    );
    assert_eq!(done.done_reason, "stop");
    assert_eq!(done.usage.completion_tokens, 14);
    assert!(done.usage.prompt_tokens > 0);
    assert_eq!(done.timings.load, Duration::from_nanos(41_295_167));
    assert_eq!(done.timings.answer, Duration::from_nanos(115_959_084));
    assert!(done.timings.first_token > Duration::ZERO);
}

#[tokio::test]
async fn lines_split_inside_characters_give_the_same_answer() {
    assert_eq!(
        chat(Mode::Split, ask("hi")).await.done().message.content,
        SAID
    );
}

#[tokio::test]
async fn thinking_arrives_apart_from_the_answer() {
    let heard = chat(
        Mode::Thinking,
        ChatRequest {
            model: Some("qwen3".to_owned()),
            ..ask("hi")
        },
    )
    .await;
    assert_eq!(
        heard.thinking.concat(),
        "Okay, let me think about <that> & answer."
    );
    let done = heard.done();
    assert_eq!(done.message.content, SAID);
    assert_eq!(
        done.message.thinking.as_deref(),
        Some("Okay, let me think about <that> & answer.")
    );
}

#[tokio::test]
async fn a_tool_call_arrives_whole_with_its_arguments_as_an_object() {
    let request = ChatRequest {
        tools: vec![weather()],
        ..ask("what's the weather in Oslo?")
    };
    let heard = chat(Mode::Normal, request).await;
    let done = heard.done();
    assert_eq!(heard.calls, done.message.tool_calls);
    assert_eq!(heard.calls.len(), 1);
    assert_eq!(heard.calls[0].name, "weather-get");
    assert_eq!(
        Value::from(heard.calls[0].arguments.clone()),
        json!({"city": "Oslo"})
    );
    assert_eq!(heard.calls[0].id, "call_00000000");
}

#[tokio::test]
async fn tool_calls_in_the_done_line_are_not_lost() {
    let heard = chat(
        Mode::ToolsInDone,
        ChatRequest {
            tools: vec![weather()],
            ..ask("x in Rome")
        },
    )
    .await;
    assert_eq!(heard.calls[0].arguments["city"], "Rome");
    assert_eq!(heard.done().message.tool_calls, heard.calls);
}

#[tokio::test]
async fn text_in_the_done_line_is_not_lost() {
    let heard = chat(Mode::ContentInDone, ask("hi")).await;
    assert_eq!(heard.contents, [SAID]);
    assert_eq!(heard.done().message.content, SAID);
}

#[tokio::test]
async fn a_tools_result_goes_back_tied_to_its_call() {
    let fake = FakeOllama::start(Mode::Normal).await;
    let provider = ollama(&fake, &quick());
    let first = ChatRequest {
        tools: vec![weather()],
        ..ask("what's the weather in Oslo?")
    };
    let done = collect(&provider, first.clone()).await.done();
    let mut messages = first.messages.clone();
    messages.push(done.message.clone());
    messages.push(Message::tool_result(&done.message.tool_calls[0], "3 °C"));
    let done = collect(&provider, ChatRequest { messages, ..first })
        .await
        .done();
    assert_eq!(done.message.content, "weather-get says: 3 °C");
    let sent = &fake.chats()[1]["messages"];
    assert_eq!(
        sent[1]["tool_calls"][0]["function"]["arguments"],
        json!({"city": "Oslo"})
    );
    let result = json!({"role": "tool", "content": "3 °C", "tool_name": "weather-get", "tool_call_id": "call_00000000"});
    assert_eq!(sent[2], result);
}

#[tokio::test]
async fn everything_that_was_asked_for_is_sent() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = ollama(
        &fake,
        &Settings {
            num_ctx: Some(8192),
            ..quick()
        },
    );
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let mut request = ask("hi");
    request.messages[0].images.push("aGVq".to_owned());
    request.model = Some("qwen3".to_owned());
    request.think = Some(Think::Level("low".to_owned()));
    request.format = Some(schema.clone());
    request.options = Map::from_iter([("seed".to_owned(), json!(7))]);
    request.keep_alive = Some(json!("5m"));
    request.caller = "key:0123456789ab".to_owned();
    let done = collect(&provider, request).await.done();
    assert_eq!(done.message.content, r#"{"n":7}"#);
    let sent = &fake.chats()[0];
    let mut expected = json!({"model": "qwen3", "stream": true, "think": "low", "format": schema,
        "options": {"num_ctx": 8192, "seed": 7}, "keep_alive": "5m",
        "messages": [{"role": "user", "content": "hi", "images": ["aGVq"]}]});
    assert_eq!(*sent, expected.take());
}

#[tokio::test]
async fn a_whole_conversation_keeps_its_roles() {
    let fake = FakeOllama::start(Mode::Normal).await;
    let messages = vec![Message::new(Role::System, "be short"), Message::user("hi")];
    collect(
        &ollama(&fake, &quick()),
        ChatRequest {
            messages,
            ..ChatRequest::default()
        },
    )
    .await
    .done();
    assert_eq!(
        fake.chats()[0]["messages"][0],
        json!({"role": "system", "content": "be short"})
    );
}

#[tokio::test]
async fn fields_that_are_left_out_and_empty_lines_do_no_harm() {
    let done = chat(Mode::Sparse, ask("hi")).await.done();
    assert_eq!(done.message.content, "Hej");
    assert_eq!(done.model, "llama3.2:latest");
    assert_eq!(
        (done.done_reason.as_str(), done.usage),
        ("", Usage::default())
    );
}

#[tokio::test]
async fn a_chat_that_names_no_model_takes_one_with_tools_and_else_any_that_can_chat() {
    let with = async |models: Vec<FakeModel>| {
        let fake = FakeOllama::with(Options {
            models,
            ..Options::default()
        })
        .await
        .unwrap();
        collect(&ollama(&fake, &quick()), ask("hi"))
            .await
            .end
            .map(|done| done.model)
    };
    let embed = || FakeModel::new("all-minilm", &["embedding"]);
    let tiny = || FakeModel::new("tinyllama", &["completion"]);
    let full = || FakeModel::new("llama3.2", &["completion", "tools"]);
    assert_eq!(
        with(vec![embed(), tiny(), full()]).await.unwrap(),
        "llama3.2:latest"
    );
    assert_eq!(
        with(vec![embed(), tiny()]).await.unwrap(),
        "tinyllama:latest"
    );
    let error = with(vec![embed()]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ModelNotFound);
    assert!(error.public.contains("ollama pull llama3.2"), "{error}");
}

#[tokio::test]
async fn a_whole_answer_can_be_had_at_once() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = ollama(&fake, &quick());
    assert_eq!(
        provider.complete(ask("hi")).await.unwrap().message.content,
        SAID
    );
    let cut = ChatRequest {
        model: Some("fake-cut".to_owned()),
        ..ask("hi")
    };
    assert_eq!(
        provider.complete(cut).await.unwrap_err().kind,
        ErrorKind::Truncated
    );
}

#[tokio::test]
async fn the_answer_tells_how_full_the_context_is_and_warns_before_it_overflows() {
    let fake = FakeOllama::start(Mode::Normal).await;
    let provider = ollama(
        &fake,
        &Settings {
            num_ctx: Some(400),
            ..quick()
        },
    );
    let done = collect(&provider, ask("hi")).await.done();
    let context = done.context.unwrap();
    assert_eq!(
        (context.size, context.used),
        (400, done.usage.prompt_tokens + done.usage.completion_tokens)
    );
    assert!(done.warnings.is_empty(), "{:?}", done.warnings);
    let done = collect(&provider, ask(&"word ".repeat(250))).await.done();
    assert!(
        done.warnings[0].contains("nearly full"),
        "{:?}",
        done.warnings
    );
    let done = collect(&provider, ask(&"word ".repeat(2_500))).await.done();
    assert!(
        done.warnings[0].contains("cut its beginning off"),
        "{:?}",
        done.warnings
    );
}

#[tokio::test]
async fn a_connection_is_used_again_after_an_answer() {
    let fake = FakeOllama::start(Mode::Normal).await;
    let provider = ollama(&fake, &quick());
    for _ in 0..5 {
        collect(&provider, ask("hi")).await.done();
    }
    assert_eq!(fake.cancelled(), 0, "a whole answer isn't a cancelled one");
    assert!(
        fake.connections() <= 2,
        "{} connections",
        fake.connections()
    );
}

/// A server that answers a chat with these bytes, and knows nothing else.
async fn sends(content_type: &'static str, body: Vec<u8>) -> String {
    serves(Router::new().route(
        "/api/chat",
        post(move || async move { ([(CONTENT_TYPE, content_type)], body) }),
    ))
    .await
}

async fn heard(content_type: &'static str, body: impl Into<Vec<u8>>) -> support::Heard {
    let url = sends(content_type, body.into()).await;
    let request = ChatRequest {
        model: Some("m".to_owned()),
        ..ask("hi")
    };
    collect(&at(&url), request).await
}

#[tokio::test]
async fn several_calls_in_one_line_and_in_several_are_all_passed_on() {
    let call = |name: &str| json!({"id": name, "function": {"index": 0, "name": name, "arguments": {"a": 1}}});
    let line = |calls: Value, done: bool| {
        format!(
            "{}\n",
            json!({"message": {"role": "assistant", "content": "", "tool_calls": calls}, "done": done})
        )
    };
    let stream = [
        line(json!([call("one"), call("two")]), false),
        line(json!([call("three")]), false),
        line(json!([call("four"), call("five")]), true),
    ]
    .concat();
    let heard = heard("application/x-ndjson", stream).await;
    let names: Vec<&str> = heard.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "three", "four", "five"]);
    assert_eq!(heard.done().message.tool_calls, heard.calls);
}

#[tokio::test]
async fn thinking_in_the_done_line_is_not_lost_and_a_length_is_told() {
    let line = r#"{"message":{"content":"","thinking":"Hm"},"done":true,"done_reason":"length"}"#;
    let heard = heard("application/x-ndjson", format!("{line}\n")).await;
    assert_eq!(heard.thinking, ["Hm"]);
    let done = heard.done();
    assert_eq!(done.message.thinking.as_deref(), Some("Hm"));
    assert_eq!(done.done_reason, "length");
}

#[tokio::test]
async fn an_answer_that_a_proxy_has_put_together_is_read_as_one_line() {
    let whole = r#"{"model":"m","message":{"role":"assistant","content":"Hej"},"done":true,"done_reason":"stop"}"#;
    let heard = heard("application/json; charset=utf-8", whole).await;
    assert_eq!(
        (heard.contents.concat(), heard.done().message.content),
        ("Hej".to_owned(), "Hej".to_owned())
    );
}

#[tokio::test]
async fn a_line_as_long_as_ollama_itself_takes_arrives_whole() {
    let text = "å".repeat(4 << 20);
    let line = format!("{{\"message\":{{\"content\":\"{text}\"}},\"done\":true}}\n");
    assert_eq!(
        heard("application/x-ndjson", line)
            .await
            .done()
            .message
            .content,
        text
    );
}
