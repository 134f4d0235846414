//! The Ollama provider against the fake: each rule of the wire, and each thing that goes wrong.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[path = "../../tests/support/fake_ollama/mod.rs"]
mod fake_ollama;
mod support;

use std::time::Duration;

use fake_ollama::{FakeModel, FakeOllama, Mode, Options};
use futures_util::StreamExt;
use mcp_llm::{
    ChatEvent, ChatRequest, ErrorKind, Message, Ollama, Provider, Role, Settings,
    chat::{Think, Usage},
    ollama::Host,
};
use serde_json::{Map, Value, json};
use support::{ask, collect, weather};

fn quick() -> Settings {
    Settings {
        connect_timeout_ms: 500,
        first_byte_timeout_ms: 500,
        idle_timeout_ms: 200,
        ..Settings::default()
    }
}

fn ollama(fake: &FakeOllama, settings: &Settings) -> Ollama {
    Ollama::new(Host::parse(&fake.url).unwrap(), settings, None).unwrap()
}

async fn chat(mode: Mode, request: ChatRequest) -> support::Heard {
    let fake = FakeOllama::start(mode).await;
    collect(&ollama(&fake, &quick()), request).await
}

const SAID: &str = "Hej på dig! You said “hi” — that is <fine> & good 🦙.";

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
async fn fields_that_are_left_out_and_empty_lines_do_no_harm() {
    let done = chat(Mode::Sparse, ask("hi")).await.done();
    assert_eq!(done.message.content, "Hej");
    assert_eq!(done.model, "llama3.2:latest");
    assert_eq!(
        (done.done_reason.as_str(), done.usage),
        ("", Usage::default())
    );
}

/// What a mode ends with: the error, and the text that came before it.
async fn fails(mode: Mode) -> (mcp_llm::ProviderError, String) {
    let heard = chat(mode, ask("hi")).await;
    let text = heard.contents.concat();
    (heard.end.unwrap_err(), text)
}

#[tokio::test]
async fn an_error_under_status_200_is_an_error_and_what_came_before_it_is_kept() {
    let (error, text) = fails(Mode::ErrorMidStream).await;
    assert_eq!(
        (error.kind, text.as_str()),
        (ErrorKind::Engine, "Hej på dig!")
    );
    assert!(
        error
            .internal()
            .contains("an error was encountered while running the model"),
        "{error:?}"
    );
    assert_eq!(fails(Mode::ErrorFirst).await.0.kind, ErrorKind::Engine);
}

#[tokio::test]
async fn an_end_without_done_is_a_cut_answer() {
    for mode in [Mode::Cut, Mode::Reset] {
        let (error, text) = fails(mode).await;
        assert_eq!(
            (error.kind, text.as_str()),
            (ErrorKind::Truncated, "Hej på dig!"),
            "{mode:?}"
        );
    }
}

#[tokio::test]
async fn no_first_byte_and_no_next_line_are_time_outs_each_with_its_own_limit() {
    let (error, _) = fails(Mode::Hang).await;
    assert_eq!(error.kind, ErrorKind::TimedOut);
    let (error, text) = fails(Mode::Stall).await;
    assert_eq!(
        (error.kind, text.as_str()),
        (ErrorKind::TimedOut, "Hej på dig!")
    );
    let (error, _) = fails(Mode::Drip).await;
    assert_eq!(
        error.kind,
        ErrorKind::TimedOut,
        "bytes that never become a line are no progress"
    );
}

#[tokio::test]
async fn a_slow_first_byte_within_its_limit_is_waited_for() {
    assert_eq!(
        chat(Mode::Slow, ask("hi")).await.done().message.content,
        SAID
    );
}

#[tokio::test]
async fn what_does_not_talk_like_ollama_is_named_as_that() {
    for mode in [Mode::Html, Mode::Garbage, Mode::Strings] {
        let (error, _) = fails(mode).await;
        assert_eq!(error.kind, ErrorKind::Engine, "{mode:?}");
        assert!(
            error.public.contains("doesn't talk like Ollama"),
            "{mode:?}: {error}"
        );
    }
    let (error, _) = fails(Mode::Strings).await;
    assert!(
        error.internal().contains("string \"15\""),
        "{}",
        error.internal()
    );
    let (error, _) = fails(Mode::Garbage).await;
    assert!(
        error.internal().contains("this is   no \u{fffd} json"),
        "{}",
        error.internal()
    );
}

#[tokio::test]
async fn a_line_without_end_is_refused_at_its_limit() {
    let settings = Settings {
        idle_timeout_ms: 20_000,
        first_byte_timeout_ms: 20_000,
        ..quick()
    };
    let fake = FakeOllama::start(Mode::LongLine).await;
    let error = collect(&ollama(&fake, &settings), ask("hi"))
        .await
        .end
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Engine);
    assert!(error.public.contains("16 MB"), "{error}");
    fake.until_cancelled(1).await;
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (mode, kind, next) in [
        (
            Mode::Unauthorized,
            ErrorKind::Unauthorized,
            "OLLAMA_API_KEY",
        ),
        (Mode::Crash, ErrorKind::Engine, "log"),
        (Mode::BadGateway, ErrorKind::Engine, "log"),
        (Mode::ContextFull, ErrorKind::ContextFull, "num_ctx"),
    ] {
        let (error, _) = fails(mode).await;
        assert_eq!(error.kind, kind, "{mode:?}");
        assert!(error.public.contains(next), "{mode:?}: {error}");
    }
}

#[tokio::test]
async fn an_unknown_model_names_the_pull_that_would_fix_it() {
    let heard = chat(
        Mode::Normal,
        ChatRequest {
            model: Some("zzz".to_owned()),
            ..ask("hi")
        },
    )
    .await;
    let error = heard.end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ModelNotFound);
    assert!(error.public.contains("ollama pull zzz"), "{error}");
    // A name that would do something in a shell isn't offered for pasting.
    let heard = chat(
        Mode::Normal,
        ChatRequest {
            model: Some("x;rm -rf ~".to_owned()),
            ..ask("hi")
        },
    )
    .await;
    let error = heard.end.unwrap_err();
    assert!(error.public.contains("ollama pull MODEL"), "{error}");
}

#[tokio::test]
async fn a_capability_that_the_model_lacks_is_named() {
    let tiny = || Some("tinyllama".to_owned());
    let tools = ChatRequest {
        model: tiny(),
        tools: vec![weather()],
        ..ask("hi")
    };
    let think = ChatRequest {
        model: tiny(),
        think: Some(Think::Switch(true)),
        ..ask("hi")
    };
    for (request, what) in [(tools, "tools"), (think, "thinking")] {
        let error = chat(Mode::Normal, request).await.end.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(
            error.public.contains(&format!("doesn't support {what}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_option_of_the_wrong_type_is_an_invalid_request() {
    let mut request = ask("hi");
    request.options.insert("seed".to_owned(), json!("seven"));
    let error = chat(Mode::Normal, request).await.end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.public.contains("\"seed\""), "{error}");
}

#[tokio::test]
async fn nothing_listening_says_how_to_start_it_and_where_it_was_sought() {
    let fake = FakeOllama::start(Mode::Normal).await;
    let url = fake.url.clone();
    let host = Host::find(None, "OLLAMA_HOST", &|_| Some(url.clone())).unwrap();
    drop(fake);
    tokio::task::yield_now().await;
    let error = loop {
        // The listener closes when its task has been dropped, a moment later.
        match Ollama::new(host.clone(), &quick(), None)
            .unwrap()
            .health()
            .await
        {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ErrorKind::Unreachable);
    let expected =
        format!("Ollama isn't answering at {url} (from OLLAMA_HOST). Start it with: ollama serve");
    assert_eq!(error.public, expected);
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let fake = FakeOllama::start(Mode::Stall).await;
    let mut stream = ollama(&fake, &Settings::default())
        .chat(ask("hi"))
        .await
        .unwrap();
    assert!(matches!(
        stream.next().await,
        Some(Ok(ChatEvent::Content(_)))
    ));
    assert_eq!(fake.cancelled(), 0);
    drop(stream);
    tokio::time::timeout(Duration::from_secs(5), fake.until_cancelled(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_goes_nowhere_else() {
    let other = FakeOllama::start(Mode::Normal).await;
    let options = Options {
        mode: Mode::Redirect,
        redirect_to: other.url.clone(),
        ..Options::default()
    };
    let fake = FakeOllama::with(options).await.unwrap();
    let provider = Ollama::new(Host::parse(&fake.url).unwrap(), &quick(), Some("s3cret")).unwrap();
    let error = collect(&provider, ask("hi")).await.end.unwrap_err();
    assert!(
        error.public.contains("redirects aren't followed"),
        "{error}"
    );
    assert!(other.requests().is_empty());
    let sent = fake.requests();
    assert!(
        sent.iter()
            .all(|request| request.headers["authorization"] == "Bearer s3cret")
    );
    assert!(
        !format!("{provider:?} {error:?}").contains("s3cret"),
        "{provider:?}"
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
async fn models_and_health_tell_what_is_there() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = ollama(&fake, &quick());
    let models = provider.models().await.unwrap();
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "llama3.2:latest",
            "qwen3:latest",
            "tinyllama:latest",
            "all-minilm:latest"
        ]
    );
    assert_eq!(
        (
            models[0].parameters.as_str(),
            models[0].quantization.as_str()
        ),
        ("3.2B", "Q4_K_M")
    );
    assert_eq!(models[1].capabilities, ["completion", "tools", "thinking"]);
    let health = provider.health().await.unwrap();
    assert_eq!(
        (health.provider.as_str(), health.version.as_str()),
        ("ollama", "0.32.15")
    );
    assert_eq!(health.default_model, "llama3.2:latest");
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
async fn a_busy_engine_is_asked_again_before_anything_was_said() {
    let fake = FakeOllama::start(Mode::Busy).await;
    let done = collect(&ollama(&fake, &quick()), ask("hi")).await.done();
    assert_eq!(done.message.content, SAID);
    assert_eq!(fake.chats().len(), 3);
}

#[tokio::test]
async fn an_engine_that_stays_busy_is_reported_with_a_time_to_try_again() {
    let fake = FakeOllama::start(Mode::Full).await;
    let error = collect(&ollama(&fake, &quick()), ask("hi"))
        .await
        .end
        .unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::Busy { retry_after } if retry_after >= Duration::from_secs(1)),
        "{error:?}"
    );
    assert_eq!(fake.chats().len(), 4, "once, and three times more");
}

#[tokio::test]
async fn an_answer_that_has_begun_is_never_asked_for_again() {
    for mode in [Mode::ErrorMidStream, Mode::Cut, Mode::Reset, Mode::Stall] {
        let fake = FakeOllama::start(mode).await;
        collect(&ollama(&fake, &quick()), ask("hi"))
            .await
            .end
            .unwrap_err();
        assert_eq!(fake.chats().len(), 1, "{mode:?}");
    }
}

#[tokio::test]
async fn a_model_that_is_not_in_memory_is_said_to_be_loading_and_one_that_is_is_not() {
    let options = || Options {
        mode: Mode::Slow,
        delay: Duration::from_millis(450),
        ..Options::default()
    };
    let fake = FakeOllama::with(options()).await.unwrap();
    let named = || ChatRequest {
        model: Some("llama3.2".to_owned()),
        ..ask("hi")
    };
    let patient = Settings::default();
    // The fake loads the model when the chat arrives, as a fast Ollama would: so here it is loaded.
    assert!(!collect(&ollama(&fake, &patient), named()).await.loading);
    let fake = FakeOllama::with(Options {
        loads_at_once: false,
        ..options()
    })
    .await
    .unwrap();
    let heard = collect(&ollama(&fake, &patient), named()).await;
    assert!(heard.loading);
    assert_eq!(heard.done().message.content, SAID);
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

#[tokio::test]
async fn show_tells_what_a_model_can_and_how_long_its_context_may_be() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let shown = ollama(&fake, &quick()).show("qwen3").await.unwrap();
    assert_eq!(shown.capabilities, ["completion", "tools", "thinking"]);
    assert_eq!(shown.longest_context(), Some(131_072));
    assert_eq!(shown.details.family, "llama");
    let error = ollama(&fake, &quick()).show("zzz").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ModelNotFound);
}

#[tokio::test]
async fn a_model_is_loaded_ahead_with_the_configured_context_and_unloaded_again() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = ollama(
        &fake,
        &Settings {
            num_ctx: Some(8192),
            ..quick()
        },
    );
    provider.preload("qwen3", Some("10m")).await.unwrap();
    let loaded = provider.loaded().await.unwrap();
    assert_eq!(
        (loaded[0].name.as_str(), loaded[0].context_length),
        ("qwen3:latest", 8192)
    );
    assert_eq!(fake.chats()[0]["keep_alive"], "10m");
    provider.unload("qwen3").await.unwrap();
    assert_eq!(provider.loaded().await.unwrap(), []);
}

#[tokio::test]
async fn embeddings_come_one_for_each_text() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let texts = ["a".to_owned(), "bb".to_owned()];
    let made = ollama(&fake, &quick())
        .embed("all-minilm", &texts)
        .await
        .unwrap();
    assert_eq!(made.embeddings, [[0.01, -0.25, 0.5], [0.02, -0.25, 0.5]]);
    let error = ollama(&fake, &quick())
        .embed("llama3.2", &texts)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_pull_reports_its_steps_and_the_model_is_there_then_and_can_be_deleted() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = ollama(&fake, &quick());
    let steps: Vec<_> = provider.pull("gemma3").map(Result::unwrap).collect().await;
    assert_eq!(steps[0].status, "pulling manifest");
    assert_eq!((steps[1].total, steps[1].completed), (2_019_377_376, 0));
    assert_eq!(steps[4].completed, steps[4].total);
    assert_eq!(steps.last().unwrap().status, "success");
    let there = async || {
        provider
            .models()
            .await
            .unwrap()
            .iter()
            .any(|model| model.name == "gemma3:latest")
    };
    assert!(there().await);
    provider.delete("gemma3").await.unwrap();
    assert!(!there().await);
    assert_eq!(
        provider.delete("gemma3").await.unwrap_err().kind,
        ErrorKind::ModelNotFound
    );
}

#[tokio::test]
async fn a_pull_of_what_is_not_there_says_where_to_look() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let steps: Vec<_> = ollama(&fake, &quick()).pull("fake-missing").collect().await;
    let error = steps.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind, ErrorKind::ModelNotFound);
    assert!(error.public.contains("ollama.com/library"), "{error}");
}

#[tokio::test]
async fn the_heartbeat_needs_no_model_and_no_version() {
    let fake = FakeOllama::start(Mode::ByModel).await;
    let provider = ollama(&fake, &quick());
    provider.heartbeat().await.unwrap();
    assert_eq!(
        (
            fake.requests()[0].method.as_str(),
            fake.requests()[0].path.as_str()
        ),
        ("HEAD", "/")
    );
    assert_eq!(provider.version().await.unwrap(), "0.32.15");
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
