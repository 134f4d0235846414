//! May this call be made? A rule decides, or a person does.
//!
//! A person's yes can't be typed by accident. The question is a menu: arrows or a letter choose, Enter
//! carries out. A letter counts only while the input is empty and nobody has just been typing, and when
//! more is typed after it, it was the beginning of a message: it goes there, and the choice is No again.

use super::{
    conversation::{CallCard, CallState},
    *,
};
use crate::config::Approve;

/// After a key of a message, this long, keys belong to the message.
const QUIET: Duration = Duration::from_millis(400);
/// A letter that chose becomes text when more is typed within this time.
const SENTENCE: Duration = Duration::from_secs(2);

/// What a person can say to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consent {
    /// Don't make it.
    #[default]
    No,
    /// Make this one.
    Once,
    /// Make it, and in this chat each other of exactly this tool, or of exactly this resource.
    Always,
    /// Change the arguments first.
    Edit,
}

impl Consent {
    /// In the order of the menu. What can't be taken back stands furthest from where it begins.
    pub const ALL: [Self; 4] = [Self::No, Self::Once, Self::Always, Self::Edit];

    fn of_letter(letter: char) -> Option<Self> {
        match letter {
            'n' => Some(Self::No),
            'y' => Some(Self::Once),
            'a' => Some(Self::Always),
            'e' => Some(Self::Edit),
            _ => None,
        }
    }

    pub(super) fn beside(self, step: usize) -> Self {
        let at = Self::ALL.iter().position(|c| *c == self).unwrap_or(0);
        Self::ALL[(at + step) % Self::ALL.len()]
    }
}

impl App {
    /// A call the model wants: a rule decides, or a person does.
    pub(super) fn wanted(&mut self, chat: usize, turn: u64, wanted: Wanted) -> Vec<Command> {
        let place = wanted.target.server();
        let server = place.and_then(|place| self.servers.get(place));
        let name = server.map(|s| s.name.clone());
        // Each server's own rule, whichever server chats.
        let default = server.map_or(Approve::None, |s| s.approve);
        let approved = default.allows(wanted.target.is_read_only())
            || approval_key(&wanted, name.as_deref())
                .is_some_and(|key| self.chats[chat].approved.contains(&key));
        let objection = self.objection(&wanted.target);
        if let Target::MoreRounds(rounds) = wanted.target {
            return self.more_rounds(chat, turn, wanted, rounds, approved);
        }
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
        let number = wanted.number;
        let decided = |decision| {
            vec![Command::Decide {
                turn,
                number,
                decision,
            }]
        };
        if let Some(why) = objection {
            return decided(Decision::Hold(why));
        }
        if approved {
            return decided(Decision::Call);
        }
        self.chats[chat].pending = Some(Pending::new(wanted, entry));
        self.phase(chat, Phase::Deciding);
        Vec::new()
    }

    /// The turn has used up its rounds: shall it go on?
    fn more_rounds(
        &mut self,
        chat: usize,
        turn: u64,
        wanted: Wanted,
        rounds: u32,
        approved: bool,
    ) -> Vec<Command> {
        if approved {
            return vec![Command::Decide {
                turn,
                number: wanted.number,
                decision: Decision::Call,
            }];
        }
        let text = format!("the model has had {rounds} rounds of calls");
        let entry = self.push(chat, Body::Note(text));
        self.chats[chat].pending = Some(Pending::new(wanted, entry));
        self.phase(chat, Phase::Deciding);
        Vec::new()
    }

    /// Whether nobody has just been typing a message.
    pub(super) fn is_quiet(&self) -> bool {
        self.typed.is_none_or(|at| self.now >= at + QUIET)
    }

    /// Text goes into the message; a letter that chose something belongs before it.
    pub(super) fn typing(&mut self) {
        let now = self.now;
        self.typed = Some(now);
        let chat = self.chat_mut();
        let Some(pending) = &mut chat.pending else {
            return;
        };
        pending.taken = false;
        if let Some((letter, at)) = pending.letter.take() {
            pending.consent = Consent::No;
            if now < at + SENTENCE {
                chat.input.insert(letter.encode_utf8(&mut [0; 4]));
            }
        }
    }

    /// Keys while a call waits. `None` hands the key on to the input.
    pub(super) fn pending_key(&mut self, key: KeyEvent) -> Option<Vec<Command>> {
        let (now, quiet) = (self.now, self.is_quiet());
        let is_empty = self.chat().input.text().is_empty();
        let pending = self.chat_mut().pending.as_mut()?;
        let plain = !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let has_keys = is_empty || pending.taken;
        let page = pending.reading.get();
        match key.code {
            KeyCode::Char(c) if plain => {
                let chosen =
                    Consent::of_letter(c).filter(|_| is_empty && quiet && pending.letter.is_none());
                pending.consent = chosen?;
                pending.letter = Some((c, now));
            }
            // With a draft in the input, Tab changes hands; without one, it goes through the menu.
            KeyCode::Tab if !is_empty => pending.taken = !pending.taken,
            KeyCode::Enter if plain && has_keys => {
                // The Enter of a message that was just being typed is no answer.
                if quiet || pending.taken || pending.letter.is_some() {
                    let consent = pending.consent;
                    return Some(self.consent(consent));
                }
            }
            KeyCode::Left | KeyCode::BackTab if has_keys => pending.choose(3),
            KeyCode::Right | KeyCode::Tab if has_keys => pending.choose(1),
            KeyCode::Backspace if is_empty && pending.letter.is_some() => {
                pending.letter = None;
                pending.consent = Consent::No;
            }
            KeyCode::Up if plain && has_keys => pending.scroll = pending.scroll.saturating_sub(1),
            KeyCode::Down if plain && has_keys => {
                pending.scroll = (pending.scroll + 1).min(page.end());
            }
            KeyCode::PageUp if has_keys => {
                pending.scroll = pending.scroll.saturating_sub(page.room());
            }
            KeyCode::PageDown if has_keys => {
                pending.scroll = (pending.scroll + page.room()).min(page.end());
            }
            KeyCode::Home if plain && has_keys => pending.scroll = 0,
            KeyCode::End if plain && has_keys => pending.scroll = page.end(),
            _ => return None,
        }
        Some(Vec::new())
    }

    /// Carries out what a person said to the call that waits.
    pub(super) fn consent(&mut self, consent: Consent) -> Vec<Command> {
        match consent {
            Consent::No => self.decide(Decision::Refuse, false),
            Consent::Once => self.decide(Decision::Call, false),
            Consent::Always => self.decide(Decision::Call, true),
            Consent::Edit => {
                let Some(pending) = &self.chat().pending else {
                    return Vec::new();
                };
                if matches!(pending.wanted.target, Target::MoreRounds(_)) {
                    self.note("there are no arguments to edit".into());
                    return Vec::new();
                }
                let call = &pending.wanted.call;
                let form = form::Form::for_arguments(pending.entry, &call.name, &call.arguments);
                match form {
                    Some(form) => self.overlay = Overlay::Fill(form),
                    None => self.note("these arguments are too long to be edited here".into()),
                }
                Vec::new()
            }
        }
    }

    pub(super) fn decide(&mut self, decision: Decision, always: bool) -> Vec<Command> {
        self.decide_in(self.current, decision, always)
    }

    pub(super) fn decide_in(
        &mut self,
        chat: usize,
        decision: Decision,
        always: bool,
    ) -> Vec<Command> {
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
            let place = pending.wanted.target.server();
            let server = place.and_then(|place| self.servers.get(place));
            if let Some(key) = approval_key(&pending.wanted, server.map(|s| s.name.as_str())) {
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

/// What an approval belongs to: exactly this definition on this server, or exactly this resource of it.
fn approval_key(wanted: &Wanted, server: Option<&str>) -> Option<(String, String)> {
    let what = match &wanted.target {
        Target::Tool { fingerprint, .. } => fingerprint.clone(),
        Target::Resource { owner, .. } => {
            let uri = wanted.call.arguments.get("uri")?.as_str()?;
            format!("resource {owner}\n{uri}")
        }
        // In this chat, whatever server it asks.
        Target::MoreRounds(_) => return Some((String::new(), "more rounds".into())),
        Target::Unknown => return None,
    };
    Some((server?.to_owned(), what))
}

#[cfg(test)]
mod tests;
