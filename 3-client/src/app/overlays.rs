//! What lies over the chat, and what its keys do.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::changes::Shown;
use super::conversation::{Attachment, Body};
use super::form::Form;
use super::picker::{Choice, Item, Kind, Named, Picker};
use super::wire_pane::WirePane;
use super::{App, Chat};
use crate::command::{Command, Find, Scroll};
use crate::untrusted::label;

/// A text to read, and perhaps to accept.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// What it is.
    pub title: String,
    /// The text.
    pub text: String,
    /// Another number for each text, so that what was folded once is known again.
    pub rev: u64,
    /// Lines that are scrolled away.
    pub scroll: usize,
    /// How many can be. The screen notes it as it draws: nobody else knows where lines are folded.
    pub end: Cell<usize>,
    /// Two columns; where there is no room for them, they become one.
    pub columns: bool,
    /// With `y`, these changes of a server are accepted.
    pub accept: Option<Shown>,
    /// The server's place and the resource that this is, which may change while it is read.
    pub source: Option<(usize, String)>,
}

impl Text {
    /// A text to read.
    #[must_use]
    pub fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            rev: next_rev(),
            scroll: 0,
            end: Cell::new(usize::MAX),
            columns: false,
            accept: None,
            source: None,
        }
    }

    /// It is another text now.
    pub fn replace(&mut self, text: String) {
        (self.text, self.rev) = (text, next_rev());
    }
}

fn next_rev() -> u64 {
    static NEWEST: AtomicU64 = AtomicU64::new(0);
    NEWEST.fetch_add(1, Ordering::Relaxed)
}

/// The keys.
const HELP: &str = "\
Enter                 send; while an answer streams: queue
Alt-Enter, Ctrl-J     new line
Esc                   stop the answer; the server is told
Ctrl-C                stop, then clear the input, then leave
Ctrl-D                leave, when the input is empty
PageUp, PageDown      scroll (also Ctrl-Up, Ctrl-Down)
Ctrl-Home, Ctrl-End   first line, last line
Up, Down              line, then earlier messages
/                     commands, when the input is empty
@                     attach a resource
F2                    the wire: every message, explained
F3                    tools
Tab                   next chat; or answer a waiting call
y a n e, then Enter   yes once, always in this chat, no, edit the arguments
Ctrl-T                fold or unfold the newest thinking or result
Ctrl-N, Ctrl-P        new chat, list of chats
Ctrl-F                find in this chat
Ctrl-O                copy a message or a code block
Ctrl-G                write in $EDITOR
Ctrl-R                connect again
Ctrl-Z                back to the shell; fg comes back
Ctrl-W, Ctrl-U        delete a word, to the line's start
? or F1               this page";

/// What lies over the chat.
#[derive(Debug, Default)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The wire pane; its state is in [`App::wire`].
    Wire,
    /// A list.
    Pick(Picker),
    /// A form.
    Fill(Form),
    /// A text.
    Read(Text),
    /// Text that is looked for in the transcript.
    Find(String),
}

impl App {
    /// A key while something lies over the chat.
    pub(super) fn overlay_key(&mut self, key: KeyEvent) -> Vec<Command> {
        match std::mem::take(&mut self.overlay) {
            Overlay::None => Vec::new(),
            Overlay::Wire => match self.wire.key(key) {
                Some(commands) => {
                    self.overlay = Overlay::Wire;
                    commands
                }
                None => {
                    self.wire = WirePane::default();
                    Vec::new()
                }
            },
            Overlay::Pick(picker) => self.picker_key(picker, key),
            Overlay::Fill(form) => self.form_key(form, key),
            Overlay::Read(text) => self.text_key(text, key),
            Overlay::Find(needle) => self.find_key(needle, key),
        }
    }

    fn text_key(&mut self, mut text: Text, key: KeyEvent) -> Vec<Command> {
        match key.code {
            KeyCode::Esc | KeyCode::Char('q') => return Vec::new(),
            KeyCode::Char('y') => {
                if let Some(shown) = text.accept.take() {
                    self.accept_change(shown);
                    return Vec::new();
                }
            }
            KeyCode::Up | KeyCode::Char('k') => text.scroll = text.scroll.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => {
                text.scroll = (text.scroll + 1).min(text.end.get());
            }
            KeyCode::PageUp => text.scroll = text.scroll.saturating_sub(10),
            KeyCode::PageDown | KeyCode::Char(' ') => {
                text.scroll = (text.scroll + 10).min(text.end.get());
            }
            KeyCode::Home => text.scroll = 0,
            KeyCode::End => text.scroll = text.end.get(),
            KeyCode::Char('c') => {
                let copied = text.text.clone();
                self.overlay = Overlay::Read(text);
                return vec![Command::Copy(copied)];
            }
            _ => {}
        }
        self.overlay = Overlay::Read(text);
        Vec::new()
    }

    fn picker_key(&mut self, mut picker: Picker, key: KeyEvent) -> Vec<Command> {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => {
                // What was typed to get here may have been meant as text.
                if picker.kind == Kind::Attach {
                    self.chat_mut().input.insert(&format!("@{}", picker.filter));
                }
                return Vec::new();
            }
            KeyCode::Up => picker.selected = picker.selected.saturating_sub(1),
            KeyCode::Down => picker.selected += 1,
            KeyCode::PageUp => picker.selected = picker.selected.saturating_sub(10),
            KeyCode::PageDown => picker.selected += 10,
            KeyCode::Backspace
                if picker.filter.is_empty()
                    && matches!(picker.kind, Kind::Commands | Kind::Attach) =>
            {
                return Vec::new();
            }
            KeyCode::Backspace => {
                picker.filter.pop();
                picker.selected = 0;
            }
            KeyCode::Char(c) if !ctrl && picker.filter.len() < 200 => {
                picker.filter.push(c);
                picker.selected = 0;
            }
            // What stands below the list, whole: a long schema doesn't fit there.
            KeyCode::Right => {
                let item = picker.items(self).into_iter().nth(picker.selected);
                if let Some(item) = item.filter(|item| !item.detail.is_empty()) {
                    self.overlay = Overlay::Read(Text::new(item.name, item.detail));
                    return Vec::new();
                }
            }
            KeyCode::Enter | KeyCode::Tab => {
                let items = picker.items(self);
                return match items.into_iter().nth(picker.selected) {
                    // One after the other, without opening the list again each time.
                    Some(Item {
                        choice: Choice::Switch(place, tool),
                        ..
                    }) => {
                        self.switch(place, &tool);
                        self.overlay = Overlay::Pick(picker);
                        Vec::new()
                    }
                    Some(item) => self.choose(picker.kind, item.choice),
                    // "/etc/passwd" is no command but a text that begins with a slash.
                    None if picker.kind == Kind::Commands => {
                        self.chat_mut().input.insert(&format!("/{}", picker.filter));
                        Vec::new()
                    }
                    None => {
                        self.overlay = Overlay::Pick(picker);
                        Vec::new()
                    }
                };
            }
            _ => {}
        }
        let count = picker.items(self).len();
        picker.selected = picker.selected.min(count.saturating_sub(1));
        self.overlay = Overlay::Pick(picker);
        Vec::new()
    }

    fn choose(&mut self, kind: Kind, choice: Choice) -> Vec<Command> {
        match choice {
            Choice::Tool(server, name) => {
                let tool = self.servers.get(server).and_then(|s| s.catalog.tool(&name));
                if let Some(form) = tool.map(|tool| Form::for_tool(server, tool)) {
                    self.overlay = Overlay::Fill(form);
                }
            }
            Choice::Resource(server, uri) => {
                let resource = self
                    .servers
                    .get(server)
                    .and_then(|s| s.catalog.resources.iter().find(|r| r.uri == uri));
                match resource {
                    Some(resource) if resource.template => {
                        self.overlay = Overlay::Fill(Form::for_template(server, resource));
                    }
                    _ => {
                        return vec![Command::Read {
                            server,
                            uri,
                            attach: kind == Kind::Attach,
                        }];
                    }
                }
            }
            Choice::Prompt(server, name) => {
                let prompt = self
                    .servers
                    .get(server)
                    .and_then(|s| s.catalog.prompts.iter().find(|p| p.name == name));
                if let Some(prompt) = prompt {
                    let form = Form::for_prompt(server, prompt);
                    if form.fields.is_empty() {
                        return vec![Command::Prompt {
                            server,
                            prompt: name,
                            arguments: serde_json::Map::new(),
                        }];
                    }
                    self.overlay = Overlay::Fill(form);
                }
            }
            Choice::Model(name) => self.chat_mut().model = Some(name),
            Choice::Chat(id) => {
                if let Some(place) = self.chats.iter().position(|c| c.id == id) {
                    self.current = place;
                }
            }
            Choice::Saved(key) => return vec![Command::Open(key)],
            Choice::Copy(text) => {
                self.note(format!("copied {} characters", text.chars().count()));
                return vec![Command::Copy(text)];
            }
            Choice::Command(command) => return self.named(command),
            Choice::Server(place) => {
                self.overlay = Overlay::Pick(Picker::new(Kind::Server(place)));
            }
            Choice::Act(place, act) => return self.act(place, act),
            Choice::Switch(place, tool) => self.switch(place, &tool),
            Choice::AddServer => self.overlay = Overlay::Fill(Form::for_server()),
            Choice::Change(server, what) => self.show_change(server, what.as_ref()),
        }
        Vec::new()
    }

    /// Carries a command out.
    pub(super) fn named(&mut self, command: Named) -> Vec<Command> {
        let pick = |kind| Overlay::Pick(Picker::new(kind));
        match command {
            Named::Tools => self.overlay = pick(Kind::Tools),
            Named::Resources => self.overlay = pick(Kind::Resources),
            Named::Prompts => self.overlay = pick(Kind::Prompts),
            Named::Attach => self.overlay = pick(Kind::Attach),
            Named::Models => self.overlay = pick(Kind::Models),
            Named::Chats => self.overlay = pick(Kind::Chats),
            Named::Copy => self.overlay = pick(Kind::Copy),
            Named::Changes => self.overlay = pick(Kind::Changes),
            Named::Servers => self.overlay = pick(Kind::Servers),
            Named::Wire => self.overlay = Overlay::Wire,
            Named::Find => self.overlay = Overlay::Find(String::new()),
            Named::Help => {
                self.overlay = Overlay::Read(Text {
                    columns: true,
                    ..Text::new("Keys", HELP)
                });
            }
            Named::New => {
                let model = self.chat().model.clone();
                self.add_chat(model);
            }
            Named::Rename => {
                let name = label(self.chat_mut().input.take().trim(), 40);
                if name.is_empty() {
                    self.note("write the new name into the input first, then /rename".into());
                } else {
                    self.chat_mut().name = name;
                    self.chat_mut().unsaved = true;
                }
            }
            Named::Compact => return self.compact(),
            Named::Retry => return self.retry(),
            Named::EditLast => return self.edit_last(),
            Named::Editor => return vec![Command::Editor(self.chat().input.text().to_owned())],
            Named::Export => {
                return vec![Command::Export {
                    name: self.chat().name.clone(),
                    extension: "md",
                    text: super::export::markdown(self.chat()),
                }];
            }
            Named::ExportJson => {
                return vec![Command::Export {
                    name: self.chat().name.clone(),
                    extension: "json",
                    text: super::export::json(self.chat()),
                }];
            }
            Named::Reconnect => return vec![Command::Reconnect(None)],
            Named::Quit => return self.quit(),
        }
        Vec::new()
    }

    /// Asks again for what was answered last.
    fn retry(&mut self) -> Vec<Command> {
        let chat = self.current;
        if self.chats[chat].running.is_some() {
            return Vec::new();
        }
        let Some(last) = self.chats[chat]
            .entries
            .iter()
            .rposition(|e| matches!(e.body, Body::User { .. }))
        else {
            return Vec::new();
        };
        self.chats[chat].entries.truncate(last + 1);
        let mut commands = self.start(chat);
        commands.push(Command::Scroll(Scroll::Bottom));
        commands
    }

    /// Takes the last message back into the input.
    fn edit_last(&mut self) -> Vec<Command> {
        let chat = self.chat_mut();
        if chat.running.is_some() {
            return Vec::new();
        }
        if let Some(last) = chat
            .entries
            .iter()
            .rposition(|e| matches!(e.body, Body::User { .. }))
        {
            let taken = chat.entries.split_off(last).into_iter().next();
            if let Some(Body::User { text, attached }) = taken.map(|e| e.body) {
                chat.input.set(text);
                chat.attached = attached;
            }
            chat.unsaved = true;
        }
        Vec::new()
    }

    /// A resource was read.
    pub(super) fn resource_read(&mut self, server: usize, uri: String, text: String, attach: bool) {
        if attach {
            let from = self.servers.get(server).map(|s| s.name.clone());
            let from = from.unwrap_or_default();
            let chat: &mut Chat = self.chat_mut();
            let is_there = |a: &Attachment| (&a.server, &a.uri) == (&from, &uri);
            if chat.attached.len() < 16 && !chat.attached.iter().any(is_there) {
                chat.attached.push(Attachment {
                    server: from,
                    uri,
                    text,
                });
            }
        } else {
            let mut text = Text::new(uri.clone(), text);
            text.source = Some((server, uri));
            self.overlay = Overlay::Read(text);
        }
    }

    fn find_key(&mut self, mut needle: String, key: KeyEvent) -> Vec<Command> {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let step = match key.code {
            KeyCode::Esc => return Vec::new(),
            KeyCode::Enter | KeyCode::Up => Find::Older,
            KeyCode::Char('f') if ctrl => Find::Older,
            KeyCode::Down => Find::Newer,
            KeyCode::Backspace => {
                needle.pop();
                Find::Newest
            }
            KeyCode::Char(c) if !ctrl && needle.len() < 200 => {
                needle.push(c);
                Find::Newest
            }
            _ => {
                self.overlay = Overlay::Find(needle);
                return Vec::new();
            }
        };
        self.overlay = Overlay::Find(needle.clone());
        vec![Command::Find { needle, step }]
    }
}
