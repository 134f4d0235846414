use serde_json::{Map, json};

use super::conversation::{CallState, Ended};
use super::*;
use crate::catalog::{Catalog, Hints, Tool};
use crate::chat::{Message, Reply, Role, ToolCall};
use crate::config::Given;
use crate::link::LinkEvent;
use crate::session::ToolResult;
use crate::tap::Progress;

pub(crate) fn tool(name: &str) -> Tool {
    Tool {
        name: name.into(),
        title: None,
        description: "d".into(),
        schema: Map::new(),
        hints: Hints::default(),
        scope: None,
    }
}

/// An app that is connected to a server with a chat and an echo tool.
pub(crate) fn connected() -> App {
    let mut app = App::new(&Config::load(&Given::default(), &|_| None).unwrap());
    let catalog = Catalog {
        tools: vec![tool("echo"), tool("ollama-chat")],
        protocol: "2026-07-28".into(),
        ..Catalog::default()
    };
    app.update(Event::Link(
        0,
        LinkEvent::Ready(Box::new(catalog), Vec::new()),
    ));
    app
}

/// The server's list is another one now: tools of these names, those that were there as they were.
pub(crate) fn list(app: &mut App, names: &[&str]) {
    let mut catalog = app.servers[0].catalog.clone();
    catalog.tools = names.iter().map(|name| tool(name)).collect();
    let ready = LinkEvent::Ready(Box::new(catalog), Vec::new());
    app.update(Event::Link(0, ready));
}

pub(crate) fn press(app: &mut App, code: KeyCode) -> Vec<Command> {
    app.update(Event::Key(code.into()))
}

pub(crate) fn type_text(app: &mut App, text: &str) {
    for c in text.chars() {
        press(app, KeyCode::Char(c));
    }
}

pub(crate) fn send(app: &mut App, text: &str) -> u64 {
    type_text(app, text);
    let commands = press(app, KeyCode::Enter);
    let Some(Command::Start { turn, .. }) = commands.first() else {
        panic!("no turn was started: {commands:?}")
    };
    *turn
}

pub(crate) fn agent(app: &mut App, turn: u64, event: AgentEvent) -> Vec<Command> {
    let chat = app.chat().id;
    app.update(Event::Agent { chat, turn, event })
}

fn piece(app: &mut App, turn: u64, text: &str) {
    agent(
        app,
        turn,
        AgentEvent::Progress(Progress {
            kind: ProgressKind::Content,
            text: text.into(),
        }),
    );
}

pub(crate) fn reply(text: &str, calls: Vec<ToolCall>) -> AgentEvent {
    let mut reply = Reply::read(None, text);
    reply.message = Message {
        tool_calls: calls,
        ..Message::new(Role::Assistant, text)
    };
    AgentEvent::Answered(Box::new(reply))
}

pub(crate) fn wanted(app: &App) -> Wanted {
    let tool = app.servers[0].catalog.tool("echo").unwrap();
    let call = ToolCall {
        id: "c1".into(),
        name: "echo".into(),
        arguments: Map::new(),
    };
    Wanted {
        number: 1,
        call,
        target: Target::Tool {
            server: 0,
            tool: "echo".into(),
            fingerprint: tool.fingerprint(&app.servers[0].catalog.owner()),
            read_only: false,
        },
    }
}

#[test]
fn your_message_is_on_screen_before_the_server_says_anything() {
    let mut app = connected();
    send(&mut app, "hello");
    assert!(matches!(&app.chat().entries[0].body, Body::User { text, .. } if text == "hello"));
    assert!(app.chat().input.is_blank());
}

#[test]
fn the_final_result_replaces_the_preview_byte_for_byte() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    piece(&mut app, turn, "Hel");
    agent(&mut app, turn, reply("Hello!", Vec::new()));
    let Body::Answer(answer) = &app.chat().entries[1].body else {
        panic!()
    };
    assert_eq!(answer.text, "Hello!");
    assert!(matches!(answer.ended, Some(Ended::Whole(_))));
}

#[test]
fn esc_gives_the_input_back_at_once_and_keeps_the_part_that_came_marked_as_cut() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    piece(&mut app, turn, "Once upon");
    let commands = press(&mut app, KeyCode::Esc);
    assert!(matches!(commands[..], [Command::Stop { turn: t }] if t == turn));
    assert!(app.chat().running.is_none());
    let Body::Answer(answer) = &app.chat().entries[1].body else {
        panic!()
    };
    assert_eq!(answer.text, "Once upon");
    assert!(matches!(answer.ended, Some(Ended::Cut(_))));
    // What the stopped turn still sends changes nothing.
    piece(&mut app, turn, " a time");
    let Body::Answer(answer) = &app.chat().entries[1].body else {
        panic!()
    };
    assert_eq!(answer.text, "Once upon");
}

#[test]
fn a_server_lost_mid_answer_leaves_the_text_and_says_that_it_is_cut() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    piece(&mut app, turn, "half");
    agent(&mut app, turn, AgentEvent::Failed(Failure::Lost));
    let Body::Answer(answer) = &app.chat().entries[1].body else {
        panic!()
    };
    assert_eq!(answer.text, "half");
    assert_eq!(answer.ended, Some(Ended::Cut(String::new())));
    assert!(
        matches!(&app.chat().entries[2].body, Body::Trouble(t) if t.headline.contains("lost")),
        "why stands there once, with what to do"
    );
}

#[test]
fn what_is_typed_while_an_answer_streams_is_sent_when_it_ends() {
    let mut app = connected();
    let turn = send(&mut app, "one");
    type_text(&mut app, "two");
    assert!(press(&mut app, KeyCode::Enter).is_empty());
    assert_eq!(app.chat().queue.len(), 1);
    let commands = agent(&mut app, turn, AgentEvent::Done);
    assert!(matches!(&commands[..], [Command::Start { .. }]));
}

#[test]
fn no_call_is_made_without_a_yes() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    let ask = wanted(&app);
    assert!(
        agent(&mut app, turn, AgentEvent::Wanted(ask)).is_empty(),
        "nothing may be decided by itself"
    );
    app.now += Duration::from_secs(1);
    assert!(press(&mut app, KeyCode::Char('y')).is_empty());
    assert!(app.chat().pending.is_some(), "a letter only chooses");
    let commands = press(&mut app, KeyCode::Enter);
    assert!(matches!(
        &commands[..],
        [Command::Decide {
            decision: Decision::Call,
            ..
        }]
    ));
}

#[test]
fn a_no_is_shown_and_told() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    let ask = wanted(&app);
    agent(&mut app, turn, AgentEvent::Wanted(ask));
    app.now += Duration::from_secs(1);
    press(&mut app, KeyCode::Char('n'));
    let commands = press(&mut app, KeyCode::Enter);
    assert!(matches!(
        &commands[..],
        [Command::Decide {
            decision: Decision::Refuse,
            ..
        }]
    ));
    let Body::Call(card) = &app.chat().entries.last().unwrap().body else {
        panic!()
    };
    assert_eq!(card.state, CallState::Refused);
}

#[test]
fn always_belongs_to_one_definition_and_a_changed_one_is_asked_for_again() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    let ask = wanted(&app);
    agent(&mut app, turn, AgentEvent::Wanted(ask.clone()));
    app.now += Duration::from_secs(1);
    press(&mut app, KeyCode::Char('a'));
    press(&mut app, KeyCode::Enter);
    let commands = agent(
        &mut app,
        turn,
        AgentEvent::Wanted(Wanted { number: 2, ..ask }),
    );
    assert!(matches!(&commands[..], [Command::Decide { number: 2, .. }]));
    // The server describes it differently, and the person accepts that.
    let mut catalog = app.servers[0].catalog.clone();
    catalog.tools[0].description = "another".into();
    let ready = LinkEvent::Ready(Box::new(catalog), Vec::new());
    app.update(Event::Link(0, ready));
    let held = app.servers[0].held.items().to_vec();
    assert_eq!(app.accept(0, held), 1);
    let changed = Wanted {
        number: 3,
        ..wanted(&app)
    };
    assert!(agent(&mut app, turn, AgentEvent::Wanted(changed)).is_empty());
    assert!(app.chat().pending.is_some());
}

#[test]
fn a_results_text_reaches_the_next_turn() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    let ask = wanted(&app);
    agent(&mut app, turn, reply("", vec![ask.call.clone()]));
    agent(&mut app, turn, AgentEvent::Wanted(ask));
    agent(
        &mut app,
        turn,
        AgentEvent::Calling(1, json!({"message": "x"}).as_object().unwrap().clone()),
    );
    let result = ToolResult {
        text: "echoed".into(),
        structured: None,
        is_error: false,
    };
    agent(&mut app, turn, AgentEvent::Called(1, Ok(result)));
    agent(&mut app, turn, AgentEvent::Done);
    type_text(&mut app, "more");
    let commands = press(&mut app, KeyCode::Enter);
    let Some(Command::Start { ask, .. }) = commands.first() else {
        panic!()
    };
    assert!(
        ask.ask
            .messages
            .iter()
            .any(|m| m.role == Role::Tool && m.content == "echoed")
    );
}

#[test]
fn a_paste_is_never_sent() {
    let mut app = connected();
    assert!(app.update(Event::Paste("rm -rf /\n".into())).is_empty());
    assert_eq!(app.chat().input.text(), "rm -rf /\n");
    assert!(app.chat().entries.is_empty());
}

#[test]
fn ctrl_c_stops_then_clears_then_leaves() {
    let mut app = connected();
    send(&mut app, "hi");
    type_text(&mut app, "draft");
    let ctrl_c = || Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(matches!(app.update(ctrl_c())[..], [Command::Stop { .. }]));
    assert!(app.update(ctrl_c()).is_empty());
    assert!(app.chat().input.is_blank());
    assert!(matches!(app.update(ctrl_c())[..], [Command::Quit]));
}

#[test]
fn without_a_server_a_message_stays_and_the_reason_is_shown() {
    let mut app = App::new(&Config::load(&Given::default(), &|_| None).unwrap());
    app.update(Event::Link(
        0,
        LinkEvent::Down(Failure::from_rpc(401, "bad key", None), None),
    ));
    type_text(&mut app, "hi");
    press(&mut app, KeyCode::Enter);
    let troubles: Vec<&Trouble> = app
        .chat()
        .entries
        .iter()
        .filter_map(|e| match &e.body {
            Body::Trouble(trouble) => Some(trouble),
            _ => None,
        })
        .collect();
    assert_eq!(
        troubles.len(),
        2,
        "at once, and again where it answers a message"
    );
    for trouble in troubles {
        assert!(trouble.advice.as_ref().unwrap().contains("MCP_CLIENT_KEY"));
    }
    // Another attempt that fails in the same way says nothing new.
    let before = app.chat().entries.len();
    app.update(Event::Link(
        0,
        LinkEvent::Down(Failure::from_rpc(401, "bad key", None), None),
    ));
    assert_eq!(app.chat().entries.len(), before);
}

#[test]
fn a_message_sent_while_connecting_goes_out_when_the_server_is_there() {
    let mut app = App::new(&Config::load(&Given::default(), &|_| None).unwrap());
    type_text(&mut app, "early");
    assert!(press(&mut app, KeyCode::Enter).is_empty());
    assert!(app.chat().entries.is_empty());
    let catalog = connected().servers[0].catalog.clone();
    let ready = LinkEvent::Ready(Box::new(catalog), Vec::new());
    let commands = app.update(Event::Link(0, ready));
    assert!(
        matches!(&commands[..], [Command::Start { .. }]),
        "{commands:?}"
    );
    assert!(matches!(&app.chat().entries[0].body, Body::User { text, .. } if text == "early"));
}
