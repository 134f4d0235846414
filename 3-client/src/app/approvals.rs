//! May this call be made? A rule decides, or a person does.

use super::conversation::{CallCard, CallState};
use super::*;
use crate::config::Approve;

impl App {
    /// A call the model wants: a rule decides, or a person does.
    pub(super) fn wanted(&mut self, chat: usize, turn: u64, wanted: Wanted) -> Vec<Command> {
        let server = match &wanted.target {
            Target::Tool { server, .. } => self.servers.get(*server),
            Target::Resource => self.chat_server().and_then(|place| self.servers.get(place)),
            Target::Unknown => None,
        };
        let name = server.map(|s| s.name.clone());
        let default = server.map_or(Approve::None, |s| s.approve);
        let approved = default.allows(wanted.target.is_read_only())
            || approval_key(&wanted.target, name.as_deref())
                .is_some_and(|key| self.chats[chat].approved.contains(&key));
        let card = CallCard {
            call: wanted.call.clone(),
            server: name,
            state: CallState::Waiting,
            unfolded: false,
        };
        let entry = self.push(chat, Body::Call(card));
        let now = self.now;
        if let Some(running) = &mut self.chats[chat].running {
            running.calls.push((wanted.number, entry, now));
        }
        if wanted.target == Target::Unknown {
            return Vec::new();
        }
        if approved {
            return vec![Command::Decide {
                turn,
                number: wanted.number,
                decision: Decision::Call,
            }];
        }
        let state = &mut self.chats[chat];
        state.pending = Some(Pending {
            wanted,
            entry,
            focused: state.input.is_blank(),
            armed: now + TYPING_GUARD,
            scroll: 0,
        });
        self.phase(chat, Phase::Deciding);
        Vec::new()
    }

    /// Keys while a call waits. `None` hands the key on to the input.
    pub(super) fn pending_key(&mut self, key: KeyEvent) -> Option<Vec<Command>> {
        let now = self.now;
        let pending = self.chat_mut().pending.as_mut()?;
        if key.code == KeyCode::Tab {
            pending.focused = !pending.focused;
            return Some(Vec::new());
        }
        if !pending.focused {
            return None;
        }
        if now < pending.armed {
            // Somebody was typing when the question appeared: their keys belong to the input.
            if matches!(key.code, KeyCode::Char(_)) {
                pending.focused = false;
            }
            return None;
        }
        match key.code {
            KeyCode::Char('y') => Some(self.decide(Decision::Call, false)),
            KeyCode::Char('a') => Some(self.decide(Decision::Call, true)),
            KeyCode::Up | KeyCode::Down => {
                pending.scroll = if key.code == KeyCode::Down {
                    pending.scroll + 1
                } else {
                    pending.scroll.saturating_sub(1)
                };
                Some(Vec::new())
            }
            KeyCode::Char('n') => Some(self.decide(Decision::Refuse, false)),
            KeyCode::Char('e') => {
                let form = form::Form::for_arguments(
                    &pending.wanted.call.name,
                    &pending.wanted.call.arguments,
                );
                self.overlay = Overlay::Fill(form);
                Some(Vec::new())
            }
            // Anything else that would type goes nowhere, so that a slip can't approve.
            KeyCode::Char(_) | KeyCode::Enter => Some(Vec::new()),
            _ => None,
        }
    }

    pub(super) fn decide(&mut self, decision: Decision, always: bool) -> Vec<Command> {
        let chat = self.current;
        let Some(pending) = self.chats[chat].pending.take() else {
            return Vec::new();
        };
        let Some(turn) = self.chats[chat].running.as_ref().map(|r| r.turn) else {
            return Vec::new();
        };
        if decision == Decision::Refuse
            && let Some(Entry {
                body: Body::Call(card),
                rev,
                ..
            }) = self.entry_mut(chat, pending.entry)
        {
            card.state = CallState::Refused;
            *rev += 1;
        }
        if always {
            let name = match &pending.wanted.target {
                Target::Tool { server, .. } => self.servers.get(*server).map(|s| s.name.clone()),
                Target::Resource | Target::Unknown => self
                    .chat_server()
                    .map(|place| self.servers[place].name.clone()),
            };
            if let Some(key) = approval_key(&pending.wanted.target, name.as_deref()) {
                self.chats[chat].approved.insert(key);
            }
        }
        self.phase(chat, Phase::Sent);
        vec![Command::Decide {
            turn,
            number: pending.wanted.number,
            decision,
        }]
    }
}

/// What an approval belongs to: exactly this definition on this server.
fn approval_key(target: &Target, server: Option<&str>) -> Option<(String, String)> {
    match target {
        Target::Tool { fingerprint, .. } => Some((server?.to_owned(), fingerprint.clone())),
        Target::Resource => Some((server?.to_owned(), crate::agent::READ_RESOURCE.to_owned())),
        Target::Unknown => None,
    }
}
