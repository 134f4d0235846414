//! What each key does while nothing lies over the chat.

use super::*;

impl App {
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Command> {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        if ctrl && key.code == KeyCode::Char('c') {
            return self.ctrl_c();
        }
        if ctrl && key.code == KeyCode::Char('z') {
            return vec![Command::Suspend];
        }
        if !matches!(self.overlay, Overlay::None) {
            return self.overlay_key(key);
        }
        if let Some(commands) = self.pending_key(key) {
            return commands;
        }
        let types = matches!(
            key.code,
            KeyCode::Char(_) | KeyCode::Enter | KeyCode::Backspace | KeyCode::Delete
        );
        if types && !ctrl {
            self.typing();
        }
        match key.code {
            KeyCode::Esc => return self.stop_current(),
            KeyCode::F(1) => return self.named(Named::Help),
            KeyCode::F(2) => return self.named(Named::Wire),
            KeyCode::F(3) => return self.named(Named::Tools),
            KeyCode::Char('?') if self.chat().input.is_blank() => return self.named(Named::Help),
            KeyCode::Char('/') if self.chat().input.is_blank() => {
                self.overlay = Overlay::Pick(Picker::new(Pick::Commands));
            }
            KeyCode::Char('@') if self.at_word_start() => {
                self.overlay = Overlay::Pick(Picker::new(Pick::Attach));
            }
            KeyCode::Char('n') if ctrl => return self.named(Named::New),
            KeyCode::Char('f') if ctrl => return self.named(Named::Find),
            KeyCode::Char('g') if ctrl => return self.named(Named::Editor),
            KeyCode::Char('o') if ctrl => return self.named(Named::Copy),
            KeyCode::Char('p') if ctrl => return self.named(Named::Chats),
            KeyCode::Tab if self.chats.len() > 1 => {
                self.current = (self.current + 1) % self.chats.len();
            }
            KeyCode::PageUp => return vec![Command::Scroll(Scroll::Pages(-1))],
            KeyCode::PageDown => return vec![Command::Scroll(Scroll::Pages(1))],
            KeyCode::Home if ctrl => return vec![Command::Scroll(Scroll::Top)],
            KeyCode::End if ctrl => return vec![Command::Scroll(Scroll::Bottom)],
            KeyCode::Up if ctrl || alt => return vec![Command::Scroll(Scroll::Lines(-1))],
            KeyCode::Down if ctrl || alt => return vec![Command::Scroll(Scroll::Lines(1))],
            KeyCode::Enter if alt || key.modifiers.contains(KeyModifiers::SHIFT) => {
                self.chat_mut().input.insert("\n");
            }
            KeyCode::Char('j') if ctrl => self.chat_mut().input.insert("\n"),
            KeyCode::Char('d') if ctrl && self.chat().input.text().is_empty() => {
                return self.quit();
            }
            KeyCode::Char('r') if ctrl => return vec![Command::Reconnect(None)],
            KeyCode::Char('t') if ctrl => self.unfold_newest(),
            KeyCode::Enter => return self.submit(),
            _ => edit(&mut self.chat_mut().input, key, ctrl, alt),
        }
        Vec::new()
    }

    /// `@` inside a word is part of an address, not the beginning of an attachment.
    fn at_word_start(&self) -> bool {
        let input = &self.chat().input;
        let before = &input.text()[..input.cursor()];
        before.chars().next_back().is_none_or(char::is_whitespace)
            && self.servers.iter().any(|s| !s.catalog.resources.is_empty())
    }

    /// First stops what is running, then clears the input, then leaves.
    fn ctrl_c(&mut self) -> Vec<Command> {
        if self.chat().running.is_some() {
            return self.stop_current();
        }
        if !self.chat().input.text().is_empty() {
            self.chat_mut().input.set("");
            return Vec::new();
        }
        self.quit()
    }

    pub(super) fn quit(&mut self) -> Vec<Command> {
        self.quitting = true;
        vec![Command::Quit]
    }

    /// Folds or unfolds the newest thinking or tool result.
    fn unfold_newest(&mut self) {
        let chat = self.chat_mut();
        for entry in chat.entries.iter_mut().rev() {
            let unfolded = match &mut entry.body {
                Body::Answer(answer) if !answer.thinking.is_empty() => &mut answer.unfolded,
                Body::Call(card) => &mut card.unfolded,
                _ => continue,
            };
            *unfolded = !*unfolded;
            entry.rev = entry.rev.wrapping_add(1);
            return;
        }
    }

    fn submit(&mut self) -> Vec<Command> {
        if self.chat().input.is_blank() {
            return Vec::new();
        }
        let text = self.chat_mut().input.take();
        let current = self.current;
        if self.chat().running.is_some() || self.is_connecting() {
            if self.chat().queue.len() >= MAX_QUEUED {
                self.push(
                    current,
                    Body::Note(format!(
                        "{MAX_QUEUED} messages are waiting already; this one wasn't taken"
                    )),
                );
                self.chat_mut().input.set(text);
            } else {
                self.chat_mut().queue.push_back(text);
            }
            return Vec::new();
        }
        let mut commands = self.say(current, text);
        commands.push(Command::Scroll(Scroll::Bottom));
        commands
    }
}

/// The keys of a text field.
pub(super) fn edit(input: &mut Editor, key: KeyEvent, ctrl: bool, alt: bool) {
    match key.code {
        KeyCode::Char('a') if ctrl => input.to_edge(false),
        KeyCode::Char('e') if ctrl => input.to_edge(true),
        KeyCode::Char('w') if ctrl => input.delete_word(),
        KeyCode::Char('u') if ctrl => input.delete_to_start(),
        KeyCode::Char('b') if alt => input.step_word(false),
        KeyCode::Char('f') if alt => input.step_word(true),
        KeyCode::Char(c) if !ctrl && !alt => input.insert(c.encode_utf8(&mut [0; 4])),
        KeyCode::Backspace if ctrl || alt => input.delete_word(),
        KeyCode::Backspace => input.delete(false),
        KeyCode::Delete => input.delete(true),
        KeyCode::Left => {
            if ctrl {
                input.step_word(false);
            } else {
                input.step(false);
            }
        }
        KeyCode::Right => {
            if ctrl {
                input.step_word(true);
            } else {
                input.step(true);
            }
        }
        KeyCode::Up => input.vertical(false),
        KeyCode::Down => input.vertical(true),
        KeyCode::Home => input.to_edge(false),
        KeyCode::End => input.to_edge(true),
        _ => {}
    }
}
