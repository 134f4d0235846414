//! Whole screens at three sizes. Time is the app's own, so nothing moves.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mcp_client::agent::{AgentEvent, Target, Wanted};
use mcp_client::app::{App, Phase};
use mcp_client::catalog::{Catalog, Hints, Models, Prompt, Resource, Tool};
use mcp_client::chat::{Context, Reply, ToolCall};
use mcp_client::command::Command;
use mcp_client::config::{Config, Given, ThemeName};
use mcp_client::event::Event;
use mcp_client::failure::Failure;
use mcp_client::link::LinkEvent;
use mcp_client::session::ToolResult;
use mcp_client::session::question::Question;
use mcp_client::tap::{Progress, ProgressKind};
use mcp_client::ui::View;
use mcp_client::ui::theme::Theme;
use mcp_client::wire::{Direction, WireLog};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

const SIZES: [(u16, u16); 3] = [(40, 12), (80, 24), (120, 40)];

fn tool(name: &str, description: &str) -> Tool {
    let schema = json!({"type": "object", "properties": {"message": {"type": "string", "description": "What to say back"}}, "required": ["message"]});
    Tool {
        name: name.into(),
        title: None,
        description: description.into(),
        schema: schema.as_object().unwrap().clone(),
        hints: Hints {
            read_only: Some(true),
            ..Hints::default()
        },
        scope: Some(format!("tools:{name}:call")),
    }
}

fn app() -> App {
    let mut app = App::new(&Config::load(&Given::default(), &|_| None).unwrap());
    let catalog = Catalog {
        protocol: "2026-07-28".into(),
        tools: vec![
            tool("echo", "Says the message back"),
            tool("weather-get", "The weather in a city"),
            tool("ollama-chat", "Chats"),
        ],
        resources: vec![Resource {
            uri: "config://server".into(),
            name: "server".into(),
            description: "The server's settings".into(),
            mime: None,
            template: false,
        }],
        prompts: vec![Prompt {
            name: "explain-concept".into(),
            description: "Explains one concept".into(),
            arguments: Vec::new(),
        }],
        models: Models {
            provider: "ollama".into(),
            default_model: Some("qwen3:8b".into()),
            models: Vec::new(),
        },
        ..Catalog::default()
    };
    app.update(Event::Link(
        0,
        LinkEvent::Ready(Box::new(catalog), Vec::new()),
    ));
    app
}

fn press(app: &mut App, code: KeyCode) -> Vec<Command> {
    app.update(Event::Key(code.into()))
}

fn say(app: &mut App, text: &str) -> u64 {
    app.update(Event::Paste(text.into()));
    press(app, KeyCode::Enter);
    app.chat().running.as_ref().unwrap().turn
}

fn agent(app: &mut App, turn: u64, event: AgentEvent) {
    let chat = app.chat().id;
    app.update(Event::Agent { chat, turn, event });
}

fn piece(app: &mut App, turn: u64, kind: ProgressKind, text: &str) {
    agent(
        app,
        turn,
        AgentEvent::Progress(Progress {
            kind,
            text: text.into(),
        }),
    );
}

fn draw(app: &App, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut view = View::new(Theme::named(ThemeName::Mono, true));
    terminal.draw(|frame| view.draw(frame, app)).unwrap();
    terminal.backend().to_string()
}

fn at_all_sizes(name: &str, app: &App) {
    for size in SIZES {
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), draw(app, size));
    }
}

fn answered(app: &mut App, turn: u64, text: &str) {
    let mut reply = Reply::read(None, text);
    (reply.provider, reply.model) = ("ollama".into(), "qwen3:8b".into());
    (reply.usage.completion_tokens, reply.timings.answer_ms) = (120, 2000.0);
    reply.context = Some(Context {
        used: 812,
        size: 8192,
    });
    agent(app, turn, AgentEvent::Answered(Box::new(reply)));
}

fn wanted(app: &App) -> AgentEvent {
    let catalog = &app.servers[0].catalog;
    let tool = catalog.tool("echo").unwrap();
    let call = ToolCall {
        id: "1".into(),
        name: "echo".into(),
        arguments: json!({"message": "good morning"})
            .as_object()
            .unwrap()
            .clone(),
    };
    let target = Target::Tool {
        server: 0,
        tool: "echo".into(),
        fingerprint: tool.fingerprint(&catalog.owner()),
        read_only: true,
    };
    AgentEvent::Wanted(Wanted {
        number: 1,
        call,
        target,
    })
}

#[test]
fn the_first_screen() {
    at_all_sizes("first", &app());
}

#[test]
fn an_answer_in_markdown_with_its_closing_line() {
    let mut app = app();
    let turn = say(&mut app, "what is MCP?");
    app.now = Duration::from_millis(240);
    piece(
        &mut app,
        turn,
        ProgressKind::Thinking,
        "Where do I begin?\n",
    );
    app.now = Duration::from_millis(2240);
    answered(&mut app, turn, include_str!("support/answer.md"));
    agent(&mut app, turn, AgentEvent::Done);
    at_all_sizes("answer", &app);
}

#[test]
fn the_states_of_a_turn_look_different() {
    let mut seen = Vec::new();
    for (kind, text) in [
        (ProgressKind::Queued, "2"),
        (ProgressKind::Loading, ""),
        (ProgressKind::Thinking, "hm"),
        (ProgressKind::Content, "Hi"),
        (ProgressKind::Tool, "weather-get"),
    ] {
        let mut app = app();
        let turn = say(&mut app, "hello");
        piece(&mut app, turn, kind, text);
        app.now = Duration::from_secs(3);
        seen.push(draw(&app, (80, 24)).lines().nth_back(1).unwrap().to_owned());
    }
    let mut app = app();
    let turn = say(&mut app, "hello");
    seen.push(draw(&app, (80, 24)).lines().nth_back(1).unwrap().to_owned());
    let ask = wanted(&app);
    agent(&mut app, turn, ask);
    assert_eq!(app.chat().running.as_ref().unwrap().phase, Phase::Deciding);
    seen.push(draw(&app, (80, 24)).lines().nth_back(1).unwrap().to_owned());
    insta::assert_snapshot!("states", seen.join("\n"));
}

#[test]
fn a_call_is_asked_for_with_its_full_arguments() {
    let mut app = app();
    let turn = say(&mut app, "echo good morning");
    let ask = wanted(&app);
    agent(&mut app, turn, ask);
    at_all_sizes("approval", &app);
}

#[test]
fn results_refusals_and_cut_answers() {
    let mut app = app();
    let turn = say(&mut app, "echo good morning");
    let ask = wanted(&app);
    agent(&mut app, turn, ask);
    agent(
        &mut app,
        turn,
        AgentEvent::Calling(
            1,
            json!({"message": "good morning"})
                .as_object()
                .unwrap()
                .clone(),
        ),
    );
    let text = (1..=9)
        .map(|n| format!("line {n}"))
        .collect::<Vec<_>>()
        .join("\n");
    agent(
        &mut app,
        turn,
        AgentEvent::Called(
            1,
            Ok(ToolResult {
                text,
                structured: None,
                is_error: false,
            }),
        ),
    );
    piece(&mut app, turn, ProgressKind::Content, "The tool said");
    agent(&mut app, turn, AgentEvent::Failed(Failure::Lost));
    let turn = say(&mut app, "again");
    let data = json!({"required_scopes": ["tools:ollama:chat"]});
    agent(
        &mut app,
        turn,
        AgentEvent::Failed(Failure::from_rpc(403, "this key may not chat", Some(&data))),
    );
    let turn = say(&mut app, "and again");
    agent(
        &mut app,
        turn,
        AgentEvent::Failed(Failure::from_rpc(
            429,
            "slow down",
            Some(&json!({"retry_after_ms": 4000})),
        )),
    );
    at_all_sizes("troubles", &app);
}

#[test]
fn a_refused_key_a_throttle_and_an_absent_server_look_like_what_they_are() {
    let mut headers = Vec::new();
    for (failure, wait) in [
        (Failure::from_rpc(401, "unknown key", None), None),
        (
            Failure::from_rpc(429, "slow", None),
            Some(Duration::from_secs(9)),
        ),
        (
            Failure::Away("refused".into()),
            Some(Duration::from_secs(4)),
        ),
        (
            Failure::from_rpc(503, "busy", None),
            Some(Duration::from_secs(2)),
        ),
    ] {
        let mut app = app();
        app.update(Event::Link(0, LinkEvent::Down(failure, wait)));
        headers.push(draw(&app, (80, 24)).lines().next().unwrap().to_owned());
    }
    insta::assert_snapshot!("connections", headers.join("\n"));
}

#[test]
fn the_wire_pane_explains_the_message_under_the_cursor() {
    let mut app = app();
    let log = WireLog::default();
    log.record(
        &"local".into(),
        Direction::Out,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#,
        None,
    );
    log.record(
        &"local".into(),
        Direction::In,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":403,"message":"no"}}"#,
        None,
    );
    press(&mut app, KeyCode::F(2));
    app.update(Event::Wire(log.since(0)));
    let screen = draw(&app, (120, 40));
    assert!(
        screen.contains("tools/call echo")
            && screen.contains("no right to this")
            && screen.contains("insufficient-scope"),
        "{screen}"
    );
    assert!(
        screen.contains("\"code\": 403"),
        "the message itself is beside the list:\n{screen}"
    );
    for size in SIZES {
        assert!(draw(&app, size).contains("tools/call"));
    }
}

#[test]
fn the_servers_own_record_stands_beside_the_message_that_it_is_about() {
    let mut app = app();
    app.servers[0].catalog.resources[0].uri = "audit://me".into();
    let log = WireLog::default();
    let call = r#"{"id":3,"method":"tools/call","params":{"name":"echo"}}"#;
    log.record(&"local".into(), Direction::Out, call, None);
    let refusal = r#"{"id":3,"error":{"code":403,"message":"no"}}"#;
    log.record(&"local".into(), Direction::In, refusal, None);
    let sent = i64::try_from(log.since(0)[0].unix_ms).unwrap();
    let at = chrono::DateTime::from_timestamp_millis(sent).unwrap();
    press(&mut app, KeyCode::F(2));
    app.update(Event::Wire(log.since(0)));
    let record = json!({"records": [{"ts": at.to_rfc3339(), "request_id": "a-1", "rpc_id": "3", "identity": "key:abc", "name": "bob", "method": "tools/call", "target": "echo", "outcome": "FORBIDDEN", "denial": "this takes the scope tools:util:echo", "scopes": ["tools:util:echo"], "budget_left": 7, "duration_ms": 0.25}]});
    app.update(Event::Shown {
        server: 0,
        uri: "audit://me".into(),
        read: Ok(record.to_string()),
    });
    for size in [(80, 24), (120, 40)] {
        let screen = draw(&app, size);
        for part in [
            "server's record: FORBIDDEN · key:abc (bob) · takes tools:util:echo · 7 calls",
            "this takes the scope tools:util:echo",
        ] {
            assert!(screen.contains(part), "{part}\n{screen}");
        }
    }
    press(&mut app, KeyCode::Char('u'));
    assert!(draw(&app, (80, 24)).contains("tools/call echo #3"));
}

#[test]
fn a_servers_question_is_a_form_with_its_words() {
    let mut app = app();
    let schema = json!({"properties": {"size": {"type": "string", "description": "How large it is", "enum": ["s", "l"]}}, "required": ["size"]});
    app.update(Event::Asked {
        number: 1,
        question: Question {
            server: "local".into(),
            message: "Which size shall the shirt have?".into(),
            schema: schema.as_object().unwrap().clone(),
        },
    });
    at_all_sizes("question", &app);
}

#[test]
fn what_is_looked_for_is_found_upwards_from_the_end_and_marked() {
    let mut app = app();
    let turn = say(&mut app, "long");
    let lines = |n: u32| match n {
        3 | 30 => format!("a Needle in line {n}\n\n"),
        n => format!("hay {n}\n\n"),
    };
    let text: String = (0..60).map(lines).collect();
    piece(&mut app, turn, ProgressKind::Content, &text);
    let mut terminal = Terminal::new(TestBackend::new(60, 12)).unwrap();
    let mut view = View::new(Theme::named(ThemeName::Terminal, false));
    let mut keys = |app: &mut App, keys: &[KeyEvent]| {
        for key in keys {
            for command in app.update(Event::Key(*key)) {
                if let Command::Find { needle, step } = command {
                    view.find(app.chat().id, needle, step);
                }
            }
            terminal.draw(|f| view.draw(f, app)).unwrap();
        }
        let buffer = terminal.backend().buffer().clone();
        let plain = buffer[(5, 0)].style();
        let marked = buffer.content.iter().filter(|c| c.style() != plain);
        let marked: String = marked.map(ratatui::buffer::Cell::symbol).collect();
        (terminal.backend().to_string(), marked)
    };
    let typed: Vec<KeyEvent> = "needle".chars().map(|c| KeyCode::Char(c).into()).collect();
    keys(
        &mut app,
        &[KeyEvent::new(KeyCode::Char('f'), KeyModifiers::CONTROL)],
    );
    let (screen, marked) = keys(&mut app, &typed);
    assert!(screen.contains("Needle in line 30"), "{screen}");
    assert!(marked.contains("Needle"), "{marked}");
    let (screen, _) = keys(&mut app, &[KeyCode::Enter.into()]);
    assert!(screen.contains("Needle in line 3 "), "{screen}");
    let (screen, _) = keys(&mut app, &[KeyCode::Enter.into()]);
    assert!(
        screen.contains("Needle in line 3 "),
        "there is no older one:\n{screen}"
    );
    let (screen, _) = keys(&mut app, &[KeyCode::Down.into()]);
    assert!(screen.contains("Needle in line 30"), "{screen}");
    let (screen, _) = keys(&mut app, &[KeyCode::Char('x').into()]);
    assert!(screen.contains("not in this chat"), "{screen}");
}

#[test]
fn lists_forms_and_the_keys_at_all_sizes() {
    let mut app = app();
    press(&mut app, KeyCode::Char('/'));
    at_all_sizes("commands", &app);
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::F(3));
    at_all_sizes("tools", &app);
    press(&mut app, KeyCode::Enter);
    press(&mut app, KeyCode::Enter);
    at_all_sizes("form", &app);
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('?'));
    at_all_sizes("keys", &app);
}

#[test]
fn a_text_that_goes_on_says_so_and_a_key_past_its_end_costs_no_key_back() {
    let mut app = app();
    let mut view = View::new(Theme::named(ThemeName::Mono, true));
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let mut drawn = |app: &App| {
        terminal.draw(|f| view.draw(f, app)).unwrap();
        terminal.backend().to_string()
    };
    press(&mut app, KeyCode::Char('?'));
    let screen = drawn(&app);
    assert!(screen.contains("↓ 4 more lines: PageDown") && !screen.contains("this page"));
    for _ in 0..5 {
        press(&mut app, KeyCode::PageDown);
        drawn(&app);
    }
    let end = drawn(&app);
    assert!(end.contains("this page") && !end.contains("more line"));
    press(&mut app, KeyCode::Up);
    assert!(drawn(&app).contains("↓ 1 more line: PageDown"));
}

#[test]
fn a_tools_schema_that_does_not_fit_below_the_list_can_be_read_whole() {
    let mut app = app();
    press(&mut app, KeyCode::F(3));
    let mut view = View::new(Theme::named(ThemeName::Mono, true));
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|f| view.draw(f, &app)).unwrap();
    assert!(!terminal.backend().to_string().contains("\"required\": ["));
    press(&mut app, KeyCode::Right);
    terminal.draw(|f| view.draw(f, &app)).unwrap();
    let whole = terminal.backend().to_string();
    assert!(
        whole.contains("\"required\": [") && !whole.contains("more line"),
        "{whole}"
    );
}

#[test]
fn scrolled_up_the_view_holds_still_while_lines_are_added() {
    let mut app = app();
    let turn = say(&mut app, "long");
    let mut terminal = Terminal::new(TestBackend::new(60, 12)).unwrap();
    let mut view = View::new(Theme::named(ThemeName::Mono, true));
    let lines = |from: u32, to: u32| {
        (from..to)
            .map(|n| format!("line {n}\n\n"))
            .collect::<String>()
    };
    piece(&mut app, turn, ProgressKind::Content, &lines(0, 40));
    terminal.draw(|f| view.draw(f, &app)).unwrap();
    for command in app.update(Event::Key(KeyEvent::new(
        KeyCode::PageUp,
        KeyModifiers::NONE,
    ))) {
        let Command::Scroll(scroll) = command else {
            continue;
        };
        view.scroll(app.chat().id, scroll);
    }
    terminal.draw(|f| view.draw(f, &app)).unwrap();
    let body = |screen: String| {
        screen
            .lines()
            .skip(1)
            .take(7)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = body(terminal.backend().to_string());
    piece(&mut app, turn, ProgressKind::Content, &lines(40, 46));
    terminal.draw(|f| view.draw(f, &app)).unwrap();
    let after = terminal.backend().to_string();
    assert_eq!(body(after.clone()), before);
    assert!(after.contains("12 new lines"), "{after}");
}

#[test]
fn no_screen_is_too_small_to_be_drawn() {
    let mut app = app();
    let turn = say(&mut app, "hello 日本 👩‍👩‍👧‍👦");
    let ask = wanted(&app);
    agent(&mut app, turn, ask);
    for width in 1..45 {
        for height in 1..14 {
            draw(&app, (width, height));
        }
    }
}

#[test]
fn hostile_text_from_everywhere_reaches_no_cell() {
    let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}abc\u{200b}\u{e0041}";
    let mut app = App::new(&Config::load(&Given::default(), &|_| None).unwrap());
    let mut evil_tool = tool("echo", evil);
    evil_tool.name = format!("echo{evil}");
    let catalog = Catalog {
        protocol: evil.into(),
        tools: vec![evil_tool.clone(), tool("ollama-chat", "Chats")],
        models: Models {
            provider: evil.into(),
            default_model: Some(evil.into()),
            models: Vec::new(),
        },
        resources: vec![Resource {
            uri: evil.into(),
            name: evil.into(),
            description: evil.into(),
            mime: Some(evil.into()),
            template: false,
        }],
        ..Catalog::default()
    };
    app.update(Event::Link(
        0,
        LinkEvent::Ready(Box::new(catalog), vec![Failure::Protocol(evil.into())]),
    ));
    let turn = say(&mut app, evil);
    piece(&mut app, turn, ProgressKind::Queued, evil);
    piece(&mut app, turn, ProgressKind::Thinking, evil);
    piece(
        &mut app,
        turn,
        ProgressKind::Content,
        &format!("{evil}\n\n| {evil} |\n|---|\n\n```{evil}\n{evil}\n```\n[{evil}]({evil})"),
    );
    let call = ToolCall {
        id: evil.into(),
        name: evil_tool.name.clone(),
        arguments: json!({evil: evil}).as_object().unwrap().clone(),
    };
    let target = Target::Tool {
        server: 0,
        fingerprint: evil_tool.fingerprint(&app.servers[0].catalog.owner()),
        tool: evil_tool.name,
        read_only: true,
    };
    agent(
        &mut app,
        turn,
        AgentEvent::Wanted(Wanted {
            number: 1,
            call,
            target,
        }),
    );
    let mut screens = vec![draw(&app, (80, 40))];
    agent(
        &mut app,
        turn,
        AgentEvent::Calling(1, json!({"x": evil}).as_object().unwrap().clone()),
    );
    agent(
        &mut app,
        turn,
        AgentEvent::Called(
            1,
            Ok(ToolResult {
                text: evil.into(),
                structured: None,
                is_error: true,
            }),
        ),
    );
    agent(
        &mut app,
        turn,
        AgentEvent::Failed(Failure::from_rpc(
            403,
            evil,
            Some(&json!({"required_scopes": [evil], "reason": evil})),
        )),
    );
    screens.push(draw(&app, (80, 40)));
    for key in [KeyCode::F(3), KeyCode::Enter] {
        press(&mut app, key);
        screens.push(draw(&app, (80, 40)));
    }
    press(&mut app, KeyCode::Esc);
    let log = WireLog::default();
    log.record(
        &"local".into(),
        Direction::In,
        &format!("{{\"method\":{}}}", json!(evil)),
        None,
    );
    log.record(&"local".into(), Direction::In, evil, None);
    press(&mut app, KeyCode::F(2));
    app.update(Event::Wire(log.since(0)));
    screens.push(draw(&app, (120, 40)));
    press(&mut app, KeyCode::Up);
    screens.push(draw(&app, (120, 40)));
    for screen in screens {
        let bad = screen.chars().find(|c| {
            (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{200b}' | '\u{e0041}')
        });
        assert_eq!(bad, None, "{screen}");
        assert!(
            !screen.contains('\u{FFFD}'),
            "caught only by the last line of defence:\n{screen}"
        );
    }
}

#[test]
fn the_screen_in_the_readme_is_one_that_the_program_draws() {
    // As the tutor's server has it, with which `record-screen.sh` records the real program.
    let mut app = app();
    let catalog = &mut app.servers[0].catalog;
    catalog.models.provider = "tutor".into();
    catalog.tools[0].hints = Hints {
        read_only: Some(true),
        idempotent: Some(true),
        open_world: Some(false),
        destructive: None,
    };
    let turn = say(&mut app, "echo good morning");
    let ask = wanted(&app);
    agent(&mut app, turn, ask);
    let screen = draw(&app, (80, 24));
    let mut lines: Vec<&str> = screen
        .lines()
        .map(|l| l.trim_matches('"').trim_end())
        .collect();
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    let screen = lines.join("\n");
    assert!(
        include_str!("../README.md").contains(&screen),
        "put this into README.md:\n{screen}"
    );
}

#[test]
fn with_several_servers_each_is_shown_and_the_wire_says_whose_each_message_is() {
    let mut app = app();
    press(&mut app, KeyCode::Char('/'));
    for c in "servers".chars() {
        press(&mut app, KeyCode::Char(c));
    }
    press(&mut app, KeyCode::Enter);
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    for c in "files".chars() {
        press(&mut app, KeyCode::Char(c));
    }
    press(&mut app, KeyCode::Tab);
    for c in "no-such-program --root /tmp".chars() {
        press(&mut app, KeyCode::Char(c));
    }
    let commands = press(&mut app, KeyCode::Enter);
    assert!(
        matches!(commands[..], [Command::AddServer(_)]),
        "{commands:?}"
    );
    let screen = draw(&app, (80, 24));
    for part in [
        "local: http://127.0.0.1:8080/mcp",
        "files: no-such-program",
        "1/2 servers",
    ] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    let gone = Failure::NotStarted("can't start no-such-program".into());
    app.update(Event::Link(1, LinkEvent::Down(gone, None)));
    let screen = draw(&app, (80, 24));
    assert!(
        screen.contains("files: can't start no-such-program"),
        "{screen}"
    );
    assert!(screen.contains("Check its command"), "at once: {screen}");
    press(&mut app, KeyCode::Char('/'));
    for c in "servers".chars() {
        press(&mut app, KeyCode::Char(c));
    }
    press(&mut app, KeyCode::Enter);
    press(&mut app, KeyCode::Down);
    at_all_sizes("servers", &app);
    press(&mut app, KeyCode::Esc);
    let log = WireLog::default();
    for server in ["local", "files"] {
        let call = r#"{"id":6,"method":"tools/list"}"#;
        log.record(&server.into(), Direction::Out, call, None);
    }
    press(&mut app, KeyCode::F(2));
    app.update(Event::Wire(log.since(0)));
    let screen = draw(&app, (80, 24));
    for whose in ["local → tools/list #6", "files → tools/list #6"] {
        assert!(screen.contains(whose), "{screen}");
    }
}

#[test]
fn a_key_that_is_typed_is_dots() {
    let mut app = app();
    for key in ["/servers\n\n", "sign\n", "s3cret"] {
        for c in key.chars() {
            press(
                &mut app,
                if c == '\n' {
                    KeyCode::Enter
                } else {
                    KeyCode::Char(c)
                },
            );
        }
    }
    let screen = draw(&app, (80, 24));
    assert!(
        screen.contains("sign in to local") && screen.contains("••••••"),
        "{screen}"
    );
    assert!(!screen.contains("s3cret"), "{screen}");
}
