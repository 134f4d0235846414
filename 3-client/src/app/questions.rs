//! Questions of servers: shown as a form, answered, refused, or put away. One is asked at a time, and
//! none pops up over something else.

use crossterm::event::{KeyCode, KeyEvent};

use super::form::{Form, Purpose};
use super::{App, Overlay, TYPING_GUARD};
use crate::command::Command;
use crate::session::question::{Answer, Question};
use crate::untrusted::label;

/// Questions that may wait; one more is put away at once.
const MAX_WAITING: usize = 8;

/// A question that waits for the person.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its number.
    pub number: u64,
    /// What is asked.
    pub question: Question,
}

impl App {
    /// A server asks something.
    pub(super) fn asked(&mut self, number: u64, question: Question) -> Vec<Command> {
        if self.questions.len() >= MAX_WAITING {
            let text = format!(
                "{} asks too much at once; one question was put away",
                question.server
            );
            self.note(text);
            return vec![Command::Answer {
                number,
                answer: Answer::Dismiss,
            }];
        }
        self.questions.push_back(Waiting { number, question });
        Vec::new()
    }

    /// Puts the oldest question on screen when nothing is in its way.
    pub(super) fn ask_next(&mut self) {
        if !matches!(self.overlay, Overlay::None) || self.chat().pending.is_some() {
            return;
        }
        // Not under the fingers of somebody who is writing a message.
        if !self.is_quiet() {
            return;
        }
        if let Some(next) = self.questions.front() {
            let mut form = Form::for_question(next.number, &next.question);
            form.armed = self.now + TYPING_GUARD;
            self.overlay = Overlay::Fill(form);
        }
    }

    /// The server no longer waits.
    pub(super) fn withdrawn(&mut self, number: u64) {
        let Some(question) = self.take_question(number) else {
            return;
        };
        if matches!(&self.overlay, Overlay::Fill(form) if form.purpose == Purpose::Answer { number })
        {
            self.overlay = Overlay::None;
        }
        self.note(format!(
            "{} asked “{}” and no longer waits for an answer",
            question.server,
            label(&question.message, 200)
        ));
    }

    fn take_question(&mut self, number: u64) -> Option<Question> {
        let place = self.questions.iter().position(|w| w.number == number)?;
        self.questions.remove(place).map(|waiting| waiting.question)
    }

    /// Keys that mean something else than in other forms. `None` hands the key on.
    pub(super) fn question_key(
        &mut self,
        form: &Form,
        key: KeyEvent,
        ctrl: bool,
    ) -> Option<Vec<Command>> {
        let Purpose::Answer { number } = form.purpose else {
            return None;
        };
        if self.now < form.armed {
            // Somebody was typing when the question appeared: their keys belong to the message.
            if matches!(key.code, KeyCode::Char(_)) {
                super::keys::edit(&mut self.chat_mut().input, key, ctrl, false);
            }
            self.overlay = Overlay::Fill(form.clone());
            return Some(Vec::new());
        }
        match key.code {
            KeyCode::Esc => Some(self.answer(number, Answer::Dismiss)),
            KeyCode::Char('n') if ctrl => Some(self.answer(number, Answer::Decline)),
            _ => None,
        }
    }

    /// Answers, and says in the chat what was told to whom.
    pub(super) fn answer(&mut self, number: u64, answer: Answer) -> Vec<Command> {
        let Some(question) = self.take_question(number) else {
            return Vec::new();
        };
        let told = match &answer {
            Answer::Accept(content) => format!(
                "you answered {}",
                serde_json::to_string(content).unwrap_or_default()
            ),
            Answer::Decline => "you said no".to_owned(),
            Answer::Dismiss => "you put the question away".to_owned(),
        };
        self.note(format!(
            "{} asked “{}”: {told}",
            question.server,
            label(&question.message, 200)
        ));
        vec![Command::Answer { number, answer }]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::app::conversation::Body;
    use crate::app::tests::connected;
    use crate::event::Event;

    fn ask(app: &mut App, number: u64, message: &str) -> Vec<Command> {
        let schema = json!({"properties": {"size": {"type": "string"}}});
        let question = Question {
            server: "shop".into(),
            message: message.into(),
            schema: schema.as_object().unwrap().clone(),
        };
        app.update(Event::Asked { number, question })
    }

    fn press(app: &mut App, key: impl Into<KeyEvent>) -> Vec<Command> {
        app.update(Event::Key(key.into()))
    }

    fn told(app: &App) -> String {
        let Some(Body::Note(text)) = app.chat().entries.last().map(|e| &e.body) else {
            panic!("nothing was told")
        };
        text.clone()
    }

    #[test]
    fn what_is_written_into_the_form_is_the_answer_and_the_chat_says_so() {
        let mut app = connected();
        ask(&mut app, 1, "Which size?");
        app.now += Duration::from_secs(1);
        press(&mut app, KeyCode::Char('l'));
        let commands = press(&mut app, KeyCode::Enter);
        let [
            Command::Answer {
                number: 1,
                answer: Answer::Accept(content),
            },
        ] = &commands[..]
        else {
            panic!("{commands:?}")
        };
        assert_eq!(content["size"], "l");
        assert!(told(&app).contains("Which size?") && told(&app).contains(r#"{"size":"l"}"#));
        assert!(matches!(app.overlay, Overlay::None));
    }

    #[test]
    fn a_no_and_a_question_put_away_are_told_apart() {
        for (key, expected) in [
            (
                KeyEvent::new(KeyCode::Char('n'), crossterm::event::KeyModifiers::CONTROL),
                Answer::Decline,
            ),
            (KeyCode::Esc.into(), Answer::Dismiss),
        ] {
            let mut app = connected();
            ask(&mut app, 1, "?");
            app.now += Duration::from_secs(1);
            let commands = press(&mut app, key);
            assert!(
                matches!(&commands[..], [Command::Answer { answer, .. }] if *answer == expected),
                "{commands:?}"
            );
        }
    }

    #[test]
    fn a_question_that_pops_up_under_somebodys_fingers_takes_none_of_their_keys() {
        let mut app = connected();
        ask(&mut app, 1, "?");
        assert!(press(&mut app, KeyCode::Char('h')).is_empty());
        assert!(press(&mut app, KeyCode::Enter).is_empty());
        assert_eq!(app.chat().input.text(), "h");
        assert_eq!(app.questions.len(), 1, "it still waits");
    }

    #[test]
    fn a_second_question_waits_for_the_first_and_for_whatever_else_is_open() {
        let mut app = connected();
        press(&mut app, KeyCode::F(2));
        ask(&mut app, 1, "first");
        ask(&mut app, 2, "second");
        assert!(matches!(app.overlay, Overlay::Wire));
        let on_screen = |app: &App| match &app.overlay {
            Overlay::Fill(form) => form.about.lines().next().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        press(&mut app, KeyCode::Esc);
        assert_eq!(on_screen(&app), "first");
        app.now += Duration::from_secs(1);
        press(&mut app, KeyCode::Esc);
        assert_eq!(on_screen(&app), "second");
    }

    #[test]
    fn a_question_that_the_server_takes_back_leaves_the_screen() {
        let mut app = connected();
        ask(&mut app, 1, "?");
        app.update(Event::Withdrawn(1));
        assert!(matches!(app.overlay, Overlay::None));
        assert!(told(&app).contains("no longer waits"));
    }

    #[test]
    fn a_server_that_asks_without_end_is_put_off() {
        let mut app = connected();
        for number in 0..MAX_WAITING as u64 {
            assert!(ask(&mut app, number, "?").is_empty());
        }
        let commands = ask(&mut app, 99, "?");
        assert!(matches!(
            commands[..],
            [Command::Answer {
                number: 99,
                answer: Answer::Dismiss
            }]
        ));
    }
}
