//! Lists to choose from: tools, resources, prompts, models, chats, commands, things to copy.

use super::{App, Connection, servers::Act};
use super::{conversation::Body, pins::What};
use crate::fuzzy;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tools, to look at and to run.
    Tools,
    /// Resources, to read.
    Resources,
    /// Resources, to put into the message.
    Attach,
    /// Prompts.
    Prompts,
    /// Models.
    Models,
    /// Chats, open and saved.
    Chats,
    /// What can be copied.
    Copy,
    /// Commands.
    Commands,
    /// What is held back until it was looked at.
    Changes,
    /// The servers.
    Servers,
    /// What can be done with one of them.
    Server(usize),
    /// Its tools, on and off.
    Switches(usize),
}

/// What choosing an item does.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// A server's tool.
    Tool(usize, String),
    /// A server's resource.
    Resource(usize, String),
    /// A server's prompt.
    Prompt(usize, String),
    /// A model.
    Model(String),
    /// An open chat.
    Chat(u64),
    /// A saved chat.
    Saved(String),
    /// Text for the clipboard.
    Copy(String),
    /// A command.
    Command(Named),
    /// A server.
    Server(usize),
    /// Something to do with one.
    Act(usize, Act),
    /// A tool to turn on or off.
    Switch(usize, String),
    /// One more server.
    AddServer,
    /// Something of a server that is held back, or all of it.
    Change(usize, Option<What>),
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What the filter looks at.
    pub name: String,
    /// Beside it.
    pub about: String,
    /// Below, when it is under the cursor.
    pub detail: String,
    /// What choosing it does.
    pub choice: Choice,
}

/// A list with a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picker {
    /// What is listed.
    pub kind: Kind,
    /// What was typed.
    pub filter: String,
    /// The line under the cursor.
    pub selected: usize,
}

/// A command by name; [`COMMANDS`] says what each does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the table below is their documentation, and the program's own"
)]
pub enum Named {
    Tools,
    Resources,
    Prompts,
    Attach,
    Wire,
    Find,
    Models,
    New,
    Chats,
    Rename,
    Copy,
    Retry,
    EditLast,
    Editor,
    Export,
    ExportJson,
    Changes,
    Servers,
    Compact,
    Reconnect,
    Help,
    Quit,
}

/// The commands, in the order of the list.
pub const COMMANDS: [(Named, &str, &str); 22] = [
    (Named::Tools, "tools", "look at tools and run one by hand"),
    (Named::Resources, "resources", "browse and read resources"),
    (Named::Prompts, "prompts", "fill in a prompt of the server"),
    (
        Named::Attach,
        "attach",
        "put a resource into the message (also @)",
    ),
    (Named::Wire, "wire", "every message, explained (F2)"),
    (Named::Find, "find", "find text in this chat (Ctrl-F)"),
    (Named::Models, "model", "choose a model"),
    (Named::New, "new", "a new chat (Ctrl-N)"),
    (
        Named::Chats,
        "chats",
        "switch chats, open a saved one, search",
    ),
    (
        Named::Rename,
        "rename",
        "name this chat after what is in the input",
    ),
    (Named::Copy, "copy", "copy a message or a code block"),
    (Named::Retry, "retry", "ask again for the last answer"),
    (
        Named::EditLast,
        "edit",
        "change your last message and send it again",
    ),
    (Named::Editor, "editor", "write in $EDITOR (Ctrl-G)"),
    (
        Named::Compact,
        "compact",
        "have the model sum the chat up, and go on from there",
    ),
    (Named::Export, "export", "write this chat as Markdown"),
    (Named::ExportJson, "export-json", "write this chat as JSON"),
    (
        Named::Changes,
        "changes",
        "what is new or different at a server, and held back",
    ),
    (
        Named::Servers,
        "servers",
        "each server: state, tools on and off, key; add one",
    ),
    (Named::Reconnect, "reconnect", "connect again now (Ctrl-R)"),
    (Named::Help, "help", "the keys"),
    (Named::Quit, "quit", "leave"),
];

impl Picker {
    /// An unfiltered list.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            filter: String::new(),
            selected: 0,
        }
    }

    /// The lines that match, best first.
    #[must_use]
    pub fn items(&self, app: &App) -> Vec<Item> {
        let all = all(self.kind, app);
        let places = fuzzy::find(&self.filter, all.iter().map(|item| item.name.as_str()));
        let mut slots: Vec<Option<Item>> = all.into_iter().map(Some).collect();
        places
            .into_iter()
            .filter_map(|place| slots.get_mut(place).and_then(Option::take))
            .collect()
    }
}

fn all(kind: Kind, app: &App) -> Vec<Item> {
    let several = app.servers.len() > 1;
    let full = |server: &str, name: &str| {
        if several {
            format!("{server}/{name}")
        } else {
            name.to_owned()
        }
    };
    let servers = || {
        app.servers
            .iter()
            .enumerate()
            .filter(|(_, s)| s.connection == Connection::Ready)
    };
    match kind {
        Kind::Tools => servers()
            .flat_map(|(place, s)| {
                s.catalog.tools.iter().map(move |t| {
                    let scope = t
                        .scope
                        .as_deref()
                        .map(|s| format!("\nneeds the scope {s}"))
                        .unwrap_or_default();
                    let held = if s.held.covers(&t.name) {
                        "\nHELD BACK: it is new or different; see /changes"
                    } else {
                        ""
                    };
                    Item {
                        name: full(&s.name, &t.name),
                        about: t.description.lines().next().unwrap_or_default().to_owned(),
                        detail: format!(
                            "{}{scope}{held}\n{}\n{}",
                            t.description,
                            t.hints.words(),
                            serde_json::to_string_pretty(&t.schema).unwrap_or_default()
                        ),
                        choice: Choice::Tool(place, t.name.clone()),
                    }
                })
            })
            .collect(),
        Kind::Resources | Kind::Attach => servers()
            .flat_map(|(place, s)| {
                s.catalog.resources.iter().map(move |r| Item {
                    name: full(&s.name, &r.uri),
                    about: r.description.lines().next().unwrap_or_default().to_owned(),
                    detail: format!(
                        "{}\n{}\n{}",
                        r.name,
                        r.mime.as_deref().unwrap_or("type unknown"),
                        r.description
                    ),
                    choice: Choice::Resource(place, r.uri.clone()),
                })
            })
            .collect(),
        Kind::Prompts => servers()
            .flat_map(|(place, s)| {
                s.catalog.prompts.iter().map(move |p| Item {
                    name: full(&s.name, &p.name),
                    about: p.description.lines().next().unwrap_or_default().to_owned(),
                    detail: p
                        .arguments
                        .iter()
                        .map(|a| {
                            format!(
                                "{}{}: {}",
                                a.name,
                                if a.required { " (needed)" } else { "" },
                                a.description
                            )
                        })
                        .collect::<Vec<_>>()
                        .join("\n"),
                    choice: Choice::Prompt(place, p.name.clone()),
                })
            })
            .collect(),
        Kind::Models => app.chat_server().map_or_else(Vec::new, |place| {
            let models = &app.servers[place].catalog.models;
            models
                .models
                .iter()
                .map(|m| {
                    let facts = [m.parameters.as_deref(), m.quantization.as_deref()]
                        .into_iter()
                        .flatten()
                        .collect::<Vec<_>>()
                        .join(" ");
                    let default = if models.default_model.as_deref() == Some(&m.name) {
                        " · default"
                    } else {
                        ""
                    };
                    Item {
                        name: m.name.clone(),
                        about: format!("{facts}{default}"),
                        detail: m.capabilities.join(", "),
                        choice: Choice::Model(m.name.clone()),
                    }
                })
                .collect()
        }),
        Kind::Chats => chats(app),
        Kind::Servers => app.server_items(),
        Kind::Server(place) => app.act_items(place),
        Kind::Switches(place) => app.switch_items(place),
        Kind::Copy => copyable(app),
        Kind::Commands => COMMANDS
            .iter()
            .map(|(command, name, about)| Item {
                name: (*name).to_owned(),
                about: (*about).to_owned(),
                detail: String::new(),
                choice: Choice::Command(*command),
            })
            .collect(),
        Kind::Changes => app
            .servers
            .iter()
            .enumerate()
            .flat_map(|(place, s)| held(place, s))
            .collect(),
    }
}

/// What is held back of one server; when there is more than one thing, all of it comes first.
fn held(place: usize, server: &super::Server) -> Vec<Item> {
    let item = |what: &str, about: String, choice| Item {
        name: format!("{}/{what}", server.name),
        about,
        detail: String::new(),
        choice: Choice::Change(place, choice),
    };
    let items = server.held.items();
    let all = (items.len() > 1).then(|| {
        let about = format!("{} things to look at", items.len());
        item("everything", about, None)
    });
    let each = items
        .iter()
        .map(|held| item(held.name(), held.about().into(), Some(held.what.clone())));
    all.into_iter().chain(each).collect()
}

/// The first words of a chat, by which it is found again.
fn gist(entries: &[super::Entry]) -> String {
    let text: String = entries
        .iter()
        .filter_map(|e| match &e.body {
            Body::User { text, .. } => Some(text.as_str()),
            Body::Answer(a) => Some(a.text.as_str()),
            _ => None,
        })
        .flat_map(|t| t.chars().take(400).chain([' ']))
        .take(4000)
        .collect();
    text.replace('\n', " ")
}

fn chats(app: &App) -> Vec<Item> {
    let open = app.chats.iter().map(|c| Item {
        name: format!("{}  {}", c.name, gist(&c.entries)),
        about: if c.running.is_some() {
            "open, answering".into()
        } else {
            "open".into()
        },
        detail: String::new(),
        choice: Choice::Chat(c.id),
    });
    let saved = app
        .saved
        .iter()
        .filter(|s| !app.chats.iter().any(|c| c.key == s.key))
        .map(|s| Item {
            name: format!("{}  {}", s.name, s.gist),
            about: format!("saved {}", s.when),
            detail: String::new(),
            choice: Choice::Saved(s.key.clone()),
        });
    open.chain(saved).collect()
}

/// Newest first: the code blocks of an answer, then the whole of it.
fn copyable(app: &App) -> Vec<Item> {
    let mut items = Vec::new();
    for entry in app.chat().entries.iter().rev().take(40) {
        let (who, text) = match &entry.body {
            Body::Answer(answer) if !answer.text.is_empty() => ("answer", answer.text.as_str()),
            Body::User { text, .. } => ("message", text.as_str()),
            _ => continue,
        };
        for block in crate::markdown::code_blocks(text) {
            let first = block.lines().next().unwrap_or_default().to_owned();
            items.push(Item {
                name: format!("code  {first}"),
                about: format!("{} lines", block.lines().count()),
                detail: String::new(),
                choice: Choice::Copy(block),
            });
        }
        let first = text.lines().next().unwrap_or_default();
        items.push(Item {
            name: format!("{who}  {first}"),
            about: format!("{} lines", text.lines().count()),
            detail: String::new(),
            choice: Choice::Copy(text.to_owned()),
        });
    }
    items
}
