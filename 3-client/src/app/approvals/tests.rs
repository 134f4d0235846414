use serde_json::json;

use super::{
    super::tests::{agent, connected, press, send, type_text, wanted},
    *,
};
use crate::chat::ToolCall;

/// An app that asks about a call, a while after the last key.
fn asked() -> (App, u64) {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    app.now += Duration::from_secs(3);
    let ask = wanted(&app);
    agent(&mut app, turn, AgentEvent::Wanted(ask));
    (app, turn)
}

fn decision(commands: &[Command]) -> Option<&Decision> {
    match commands {
        [Command::Decide { decision, .. }] => Some(decision),
        _ => None,
    }
}

#[test]
fn no_sentence_answers_however_it_begins_and_none_of_its_letters_is_lost() {
    for sentence in [
        "what is this?",
        "are you sure",
        "always wondered",
        "yes but how",
        "no, wait",
        "explain",
        "can",
        "maybe",
        "cancel",
        "a y",
    ] {
        for pause in [0, 30, 450] {
            let (mut app, _) = asked();
            for c in sentence.chars() {
                let commands = press(&mut app, KeyCode::Char(c));
                assert!(commands.is_empty(), "{sentence}: {commands:?}");
                app.now += Duration::from_millis(pause);
            }
            assert_eq!(app.chat().input.text(), sentence);
            assert!(app.chat().approved.is_empty());
            // Sent like any message, it waits; the question is still there.
            app.now += Duration::from_secs(1);
            assert!(press(&mut app, KeyCode::Enter).is_empty());
            assert!(app.chat().pending.is_some() && app.chat().queue.len() == 1);
        }
    }
}

#[test]
fn a_letter_and_enter_answer_at_once_and_also_in_a_chain_of_calls() {
    let (mut app, turn) = asked();
    for number in 1..6 {
        assert!(press(&mut app, KeyCode::Char('y')).is_empty());
        let commands = press(&mut app, KeyCode::Enter);
        assert_eq!(decision(&commands), Some(&Decision::Call), "{number}");
        app.now += Duration::from_millis(3);
        let next = Wanted {
            number: number + 1,
            ..wanted(&app)
        };
        agent(&mut app, turn, AgentEvent::Wanted(next));
    }
    assert!(app.chat().input.text().is_empty());
}

#[test]
fn the_menu_begins_at_no_and_arrows_walk_through_it() {
    let (mut app, _) = asked();
    assert_eq!(
        decision(&press(&mut app, KeyCode::Enter)),
        Some(&Decision::Refuse)
    );
    let (mut app, _) = asked();
    press(&mut app, KeyCode::Right);
    assert_eq!(
        decision(&press(&mut app, KeyCode::Enter)),
        Some(&Decision::Call)
    );
    let (mut app, _) = asked();
    press(&mut app, KeyCode::Left);
    press(&mut app, KeyCode::Enter);
    assert!(matches!(app.overlay, Overlay::Fill(_)), "the arguments");
}

#[test]
fn the_enter_of_a_message_that_is_just_being_typed_answers_nothing() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    let ask = wanted(&app);
    agent(&mut app, turn, AgentEvent::Wanted(ask));
    assert!(press(&mut app, KeyCode::Enter).is_empty());
    assert!(app.chat().pending.is_some());
}

#[test]
fn with_a_draft_in_the_input_tab_lets_one_answer_and_the_draft_stays() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    type_text(&mut app, "next: ");
    let ask = wanted(&app);
    agent(&mut app, turn, AgentEvent::Wanted(ask));
    press(&mut app, KeyCode::Tab);
    press(&mut app, KeyCode::Right);
    let commands = press(&mut app, KeyCode::Enter);
    assert_eq!(decision(&commands), Some(&Decision::Call));
    assert_eq!(app.chat().input.text(), "next: ");
}

#[test]
fn what_is_pasted_while_a_letter_has_chosen_answers_nothing() {
    let (mut app, _) = asked();
    press(&mut app, KeyCode::Char('a'));
    app.update(Event::Paste("\n".into()));
    assert!(press(&mut app, KeyCode::Enter).is_empty());
    assert_eq!(app.chat().queue, ["a\n"], "it was a message");
    assert!(app.chat().approved.is_empty() && app.chat().pending.is_some());
}

#[test]
fn when_the_rounds_are_used_up_a_person_says_whether_it_goes_on() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    let more = |number| {
        AgentEvent::Wanted(Wanted {
            number,
            call: ToolCall {
                id: String::new(),
                name: String::new(),
                arguments: serde_json::Map::new(),
            },
            target: Target::MoreRounds(8),
        })
    };
    app.now += Duration::from_secs(3);
    assert!(agent(&mut app, turn, more(9)).is_empty());
    press(&mut app, KeyCode::Char('a'));
    let commands = press(&mut app, KeyCode::Enter);
    assert_eq!(decision(&commands), Some(&Decision::Call));
    let again = agent(&mut app, turn, more(18));
    assert_eq!(
        decision(&again),
        Some(&Decision::Call),
        "always, in this chat"
    );
    let sent = conversation::messages(None, &app.chat().entries);
    assert_eq!(sent.len(), 1, "the model hears nothing of it");
}

#[test]
fn always_for_a_resource_is_for_this_one_of_this_server() {
    let mut app = connected();
    let turn = send(&mut app, "hi");
    let owner = app.servers[0].catalog.owner();
    let read = |number: u32, uri: &str| Wanted {
        number,
        call: ToolCall {
            id: "c".into(),
            name: crate::agent::READ_RESOURCE.into(),
            arguments: json!({"uri": uri}).as_object().unwrap().clone(),
        },
        target: Target::Resource {
            server: 0,
            owner: owner.clone(),
        },
    };
    agent(&mut app, turn, AgentEvent::Wanted(read(1, "docs://a")));
    app.decide(Decision::Call, true);
    let again = agent(&mut app, turn, AgentEvent::Wanted(read(2, "docs://a")));
    assert_eq!(decision(&again), Some(&Decision::Call));
    let other = read(3, "file:///etc/shadow");
    assert!(agent(&mut app, turn, AgentEvent::Wanted(other)).is_empty());
    assert!(app.chat().pending.is_some());
}
