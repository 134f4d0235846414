//! Long chats: what isn't sent any more is said, and the model can sum it up.

use super::{App, Command, conversation::Body};
use crate::failure::Failure;

/// What the model is asked for.
const SUM_UP: &str = "Sum up our conversation so far, so that it can go on from your summary alone: what I want, what was found out and decided, names, numbers and addresses as they are, and what is still open. Write nothing else.";

impl App {
    /// Has the model sum the chat up. What was said stays on screen; from then on, the summary is sent in
    /// its place.
    pub(super) fn compact(&mut self) -> Vec<Command> {
        let chat = self.current;
        let state = &self.chats[chat];
        if state.running.is_some() {
            self.note("wait for the answer to end, then /compact".into());
            return Vec::new();
        }
        let new = state.entries.iter().rev();
        let mut new = new.take_while(|e| !matches!(e.body, Body::Summary(_)));
        if !new.any(|e| matches!(e.body, Body::Answer(_))) {
            self.note("there is nothing to sum up yet".into());
            return Vec::new();
        }
        self.start_with(chat, Some(SUM_UP))
    }

    /// The model has summed the chat up.
    pub(super) fn summed_up(&mut self, chat: usize, text: &str) {
        if text.trim().is_empty() {
            let failure = Failure::Protocol("the model gave no summary; nothing changed".into());
            self.push(chat, Body::Trouble((&failure).into()));
            return;
        }
        self.chats[chat].left_out = 0;
        self.push(chat, Body::Summary(text.to_owned()));
    }

    /// Says when older messages begin to be left out, and not each time that it is one more.
    pub(super) fn leaves_out(&mut self, chat: usize, count: usize) {
        let before = std::mem::replace(&mut self.chats[chat].left_out, count);
        if before > 0 || count == 0 {
            return;
        }
        let messages = if count == 1 {
            "message isn't"
        } else {
            "messages aren't"
        };
        let text = format!(
            "{count} older {messages} sent any more: the model doesn't read so much. What is attached stays. /compact has the model sum them up"
        );
        self.push(chat, Body::Note(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::AgentEvent,
        app::tests::{agent, connected, reply, send},
        chat::Message,
    };

    fn answered(app: &mut App, question: &str, answer: &str) {
        let turn = send(app, question);
        agent(app, turn, reply(answer, Vec::new()));
        agent(app, turn, AgentEvent::Done);
    }

    fn sent(commands: &[Command]) -> &[Message] {
        let [Command::Start { ask, .. }, ..] = commands else {
            panic!("{commands:?}")
        };
        &ask.ask.messages
    }

    #[test]
    fn a_chat_is_summed_up_by_the_model_and_goes_on_from_there() {
        let mut app = connected();
        answered(&mut app, "who are you?", "a model");
        let commands = app.compact();
        assert!(
            sent(&commands)
                .last()
                .unwrap()
                .content
                .starts_with("Sum up")
        );
        let turn = app.chat().running.as_ref().unwrap().turn;
        let Command::Start { ask, .. } = &commands[0] else {
            panic!()
        };
        assert!(ask.offered.is_empty(), "no tool is called for it");
        agent(&mut app, turn, reply("They met.", Vec::new()));
        agent(&mut app, turn, AgentEvent::Done);
        let kept = |e: &crate::app::conversation::Entry| matches!(&e.body, Body::Answer(a) if a.text == "a model");
        assert!(
            app.chat().entries.iter().any(kept),
            "nothing is lost from the screen"
        );
        let commands = app.say(0, "and now?".into());
        let words: Vec<&str> = sent(&commands).iter().map(|m| m.content.as_str()).collect();
        assert_eq!(words.len(), 2, "{words:?}");
        assert!(words[0].ends_with("They met.") && words[1] == "and now?");
    }

    #[test]
    fn a_summary_that_fails_or_is_stopped_changes_nothing() {
        let mut app = connected();
        assert!(app.compact().is_empty(), "nothing to sum up");
        answered(&mut app, "one", "two");
        for end in [AgentEvent::Failed(Failure::Lost), reply("  ", Vec::new())] {
            app.compact();
            let turn = app.chat().running.as_ref().unwrap().turn;
            agent(&mut app, turn, end);
            app.stop_current();
            let has_summary = |app: &App| {
                let mut entries = app.chat().entries.iter();
                entries.any(|e| matches!(e.body, Body::Summary(_)))
            };
            assert!(!has_summary(&app));
        }
        let commands = app.say(0, "three".into());
        assert_eq!(sent(&commands).len(), 3);
    }

    #[test]
    fn it_is_said_once_that_older_messages_are_left_out() {
        let mut app = connected();
        let mut notes = 0;
        for left_out in [0, 2, 4, 6] {
            let turn = send(&mut app, "hi");
            agent(&mut app, turn, AgentEvent::Asking { left_out });
            agent(&mut app, turn, reply("ok", Vec::new()));
            agent(&mut app, turn, AgentEvent::Done);
            let entries = app.chat().entries.iter();
            notes = entries
                .filter(|e| matches!(&e.body, Body::Note(t) if t.contains("2 older")))
                .count();
        }
        assert_eq!((notes, app.chat().left_out), (1, 6));
    }
}
