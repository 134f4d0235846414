//! What keys do in a form, and where its values go.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::form::{Form, Purpose};
use super::{App, Overlay};
use crate::agent::Decision;
use crate::command::Command;
use crate::session::Completing;
use crate::session::question::Answer;

impl App {
    pub(super) fn form_key(&mut self, mut form: Form, key: KeyEvent) -> Vec<Command> {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        if let Some(commands) = self.question_key(&form, key, ctrl) {
            return commands;
        }
        let last = form.fields.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => return Vec::new(),
            KeyCode::Enter if !alt && !ctrl => match form.arguments() {
                Ok(arguments) => return self.submit_form(&form, arguments),
                Err(error) => form.error = Some(error),
            },
            KeyCode::Tab | KeyCode::Down if form.fields.len() > 1 => {
                form.focus = if form.focus == last {
                    0
                } else {
                    form.focus + 1
                };
                form.proposals.clear();
            }
            KeyCode::BackTab | KeyCode::Up if form.fields.len() > 1 => {
                form.focus = form.focus.checked_sub(1).unwrap_or(last);
                form.proposals.clear();
            }
            // A server's question may be longer than there is room for.
            KeyCode::PageDown => {
                let page = form.reading.get();
                form.scroll = (form.scroll + page.room()).min(page.end());
            }
            KeyCode::PageUp => {
                let page = form.reading.get();
                form.scroll = form.scroll.saturating_sub(page.room());
            }
            // The next of the values that there are, or that the server proposed.
            KeyCode::Char(' ') if ctrl => {
                let proposals = form.proposals.clone();
                if let Some(field) = form.current() {
                    let choices = if field.choices.is_empty() {
                        &proposals
                    } else {
                        &field.choices
                    };
                    let next = choices
                        .iter()
                        .position(|c| c == field.editor.text())
                        .map_or(0, |at| at + 1);
                    if let Some(choice) = choices.get(next).or_else(|| choices.first()).cloned() {
                        field.editor.set(choice);
                    }
                }
            }
            _ => {
                form.error = None;
                let json = form
                    .current()
                    .is_some_and(|f| f.kind == super::form::Kind::Json);
                if let Some(field) = form.current() {
                    if key.code == KeyCode::Enter || (ctrl && key.code == KeyCode::Char('j')) {
                        field.editor.insert("\n");
                    } else if json || !matches!(key.code, KeyCode::Up | KeyCode::Down) {
                        super::keys::edit(&mut field.editor, key, ctrl, alt);
                    }
                }
            }
        }
        let of = match &form.purpose {
            Purpose::Prompt { server, prompt } => {
                Some((*server, Completing::Prompt(prompt.clone())))
            }
            Purpose::Template { server, uri } => Some((*server, Completing::Template(uri.clone()))),
            Purpose::Call { .. }
            | Purpose::Approve { .. }
            | Purpose::SignIn { .. }
            | Purpose::AddServer
            | Purpose::Answer { .. } => None,
        };
        let ask = match (of, form.fields.get(form.focus), key.code) {
            (
                Some((server, of)),
                Some(field),
                KeyCode::Char(_) | KeyCode::Backspace | KeyCode::Tab | KeyCode::BackTab,
            ) => vec![Command::Complete {
                server,
                of,
                argument: field.name.clone(),
                typed: field.editor.text().to_owned(),
            }],
            _ => Vec::new(),
        };
        self.overlay = Overlay::Fill(form);
        ask
    }

    fn submit_form(
        &mut self,
        form: &Form,
        arguments: serde_json::Map<String, serde_json::Value>,
    ) -> Vec<Command> {
        match form.purpose.clone() {
            Purpose::Call { server, tool } => vec![Command::Call {
                server,
                tool,
                arguments,
            }],
            Purpose::Prompt { server, prompt } => vec![Command::Prompt {
                server,
                prompt,
                arguments,
            }],
            Purpose::Template { server, uri } => vec![Command::Read {
                server,
                uri: form.uri(&uri),
                attach: false,
            }],
            Purpose::SignIn { server } => {
                let key = arguments.get("key").and_then(serde_json::Value::as_str);
                self.sign_in(server, key.unwrap_or_default())
            }
            Purpose::AddServer => {
                let text = |name: &str| arguments.get(name).and_then(serde_json::Value::as_str);
                let (name, place) = (text("name"), text("address"));
                match self.add_server(name.unwrap_or_default(), place.unwrap_or_default()) {
                    Ok(commands) => commands,
                    Err(error) => {
                        let mut form = form.clone();
                        form.error = Some(error);
                        self.overlay = Overlay::Fill(form);
                        Vec::new()
                    }
                }
            }
            Purpose::Answer { number } => self.answer(number, Answer::Accept(arguments)),
            Purpose::Approve { entry } => {
                let waiting = self.chat().pending.as_ref().map(|p| p.entry);
                if waiting == Some(entry) {
                    return self.decide(Decision::CallWith(arguments), false);
                }
                self.note("that call no longer waits; nothing was sent".into());
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::connected;
    use crate::catalog::Resource;
    use crate::event::Event;

    #[test]
    fn a_templates_parts_are_completed_by_the_server_and_late_proposals_go_nowhere() {
        let mut app = connected();
        let template = Resource {
            uri: "docs://{page}".into(),
            name: String::new(),
            description: String::new(),
            mime: None,
            template: true,
        };
        app.overlay = Overlay::Fill(Form::for_template(0, &template));
        let commands = app.update(Event::Key(KeyCode::Char('g').into()));
        let [
            Command::Complete {
                of,
                argument,
                typed,
                ..
            },
        ] = &commands[..]
        else {
            panic!("{commands:?}")
        };
        assert_eq!(*of, Completing::Template("docs://{page}".into()));
        assert_eq!((argument.as_str(), typed.as_str()), ("page", "g"));
        for (argument, expected) in [("another", 0), ("page", 1)] {
            app.update(Event::Proposals {
                argument: argument.into(),
                values: vec!["glossary".into()],
            });
            let Overlay::Fill(form) = &app.overlay else {
                panic!()
            };
            assert_eq!(form.proposals.len(), expected);
        }
    }
}
