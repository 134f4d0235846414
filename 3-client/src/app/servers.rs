//! The servers, one by one: how each stands and why, what of it the model is offered, another try, a key,
//! and one more.

use super::{
    App, Command, Connection, Overlay, Server,
    form::Form,
    picker::{Choice, Item, Kind as Pick, Picker},
};
use crate::{
    agent::READ_RESOURCE,
    config::{Approve, Endpoint, MAX_SERVERS, Protocol, ServerConfig, check_name},
    failure::{Kind, seconds},
    http::check_url,
    secret::Secret,
    untrusted::name,
};

/// What can be done with one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Turn its tools on and off.
    Tools,
    /// Connect again.
    Reconnect,
    /// Give it a key.
    SignIn,
}

impl Server {
    /// How it stands, in a few words.
    #[must_use]
    pub fn standing(&self, now: std::time::Duration) -> String {
        match &self.connection {
            Connection::Connecting => "connecting…".into(),
            Connection::Ready if !self.held.items().is_empty() => {
                format!("{} held back: /changes", self.held.items().len())
            }
            Connection::Ready if self.has_key && self.in_the_clear => "key sent unencrypted".into(),
            Connection::Ready if self.has_key => "key sent".into(),
            Connection::Ready => "no key".into(),
            Connection::Down(failure, retry) => {
                let again = retry.map_or_else(String::new, |at| {
                    format!(", again in {}", seconds(at.saturating_sub(now)))
                });
                match failure.kind() {
                    Kind::SignedOut => "signed out: key refused".into(),
                    Kind::Forbidden => "not allowed".into(),
                    Kind::Held => "held back".into(),
                    Kind::Throttled => format!("throttled{again}"),
                    Kind::Away => format!("away{again}"),
                    Kind::Overloaded => format!("busy{again}"),
                    Kind::Cancelled | Kind::Broken => format!("can't connect{again}"),
                }
            }
        }
    }

    /// Everything that there is to know of it.
    fn about(&self, off: usize) -> String {
        let about = &self.catalog;
        let mut lines = Vec::new();
        if let Connection::Down(failure, _) = &self.connection {
            lines.push(failure.to_string());
            lines.extend(failure.advice());
        }
        lines.push(self.address.clone());
        if self.connection == Connection::Ready {
            let (name, version) = (&about.server_name, &about.server_version);
            lines.push(format!(
                "it says that it is {name} {version}, and speaks {}",
                about.protocol
            ));
            lines.push(format!(
                "tools: {}, of them off {off}, held back {} · resources: {} · prompts: {}",
                about.tools.len(),
                self.held.items().len(),
                about.resources.len(),
                about.prompts.len()
            ));
        }
        lines.push(
            match (&self.config.endpoint, self.has_key, self.in_the_clear) {
                (Endpoint::Stdio { .. }, ..) => "a child process; it inherits no key",
                (_, true, true) => {
                    "its key crosses the network unencrypted, as the configuration allows"
                }
                (_, true, false) => "has a key",
                (_, false, _) => "has no key",
            }
            .into(),
        );
        lines.join("\n")
    }
}

impl App {
    fn off(&self, server: &Server) -> usize {
        let tools = server.catalog.tools.iter();
        tools
            .filter(|t| self.pins.is_off(&server.address, &t.name))
            .count()
    }

    /// The list of servers, and one line to add another.
    pub(super) fn server_items(&self) -> Vec<Item> {
        let item = |(place, server): (usize, &Server)| {
            let chats = if place == 0 { " · chats" } else { "" };
            let tools = match &server.connection {
                Connection::Ready => format!(" · {} tools", server.catalog.tools.len()),
                Connection::Down(failure, _) => format!(" · {failure}"),
                Connection::Connecting => String::new(),
            };
            Item {
                name: server.name.clone(),
                about: format!("{}{tools}{chats}", server.standing(self.now)),
                detail: server.about(self.off(server)),
                choice: Choice::Server(place),
            }
        };
        let add = Item {
            name: "add a server".into(),
            about: "for this run; a configuration file keeps it".into(),
            detail: String::new(),
            choice: Choice::AddServer,
        };
        let servers = self.servers.iter().enumerate().map(item);
        servers.chain([add]).collect()
    }

    /// What can be done with one.
    pub(super) fn act_items(&self, place: usize) -> Vec<Item> {
        let Some(server) = self.servers.get(place) else {
            return Vec::new();
        };
        let item = |act, name: &str, about: String| Item {
            name: name.into(),
            about,
            detail: server.about(self.off(server)),
            choice: Choice::Act(place, act),
        };
        let off = self.off(server);
        let mut items = vec![
            item(
                Act::Tools,
                "tools",
                format!("turn them on and off; {off} are off"),
            ),
            item(
                Act::Reconnect,
                "reconnect",
                "connect to this one again".into(),
            ),
        ];
        if !matches!(server.config.endpoint, Endpoint::Stdio { .. }) {
            let about = "give it a key, for this run".into();
            items.push(item(Act::SignIn, "sign in", about));
        }
        items
    }

    /// The tools of one that the model is offered, or would be.
    pub(super) fn switch_items(&self, place: usize) -> Vec<Item> {
        let Some(server) = self.servers.get(place) else {
            return Vec::new();
        };
        let offered = server.catalog.tools.iter();
        let offered = offered.filter(|t| !t.name.starts_with("ollama-"));
        let names = offered.map(|t| (t.name.clone(), t.description.clone()));
        let reads = !server.catalog.resources.is_empty();
        let reading = (READ_RESOURCE.to_owned(), "reads its resources".to_owned());
        let names = names.chain(reads.then_some(reading));
        names
            .map(|(tool, about)| {
                let is_off = self.pins.is_off(&server.address, &tool);
                let held = if server.held.covers(&tool) {
                    "held back · "
                } else {
                    ""
                };
                Item {
                    name: format!("{} {tool}", if is_off { "off" } else { "on " }),
                    about: format!("{held}{}", about.lines().next().unwrap_or_default()),
                    detail: String::new(),
                    choice: Choice::Switch(place, tool),
                }
            })
            .collect()
    }

    /// Turns a tool off, or on again. That is kept for the next time.
    pub(super) fn switch(&mut self, place: usize, tool: &str) {
        if let Some(server) = self.servers.get(place) {
            self.pins.switch(&server.address, tool);
            self.pins_unsaved = true;
        }
    }

    pub(super) fn act(&mut self, place: usize, act: Act) -> Vec<Command> {
        match act {
            Act::Tools => self.overlay = Overlay::Pick(Picker::new(Pick::Switches(place))),
            Act::Reconnect => return vec![Command::Reconnect(Some(place))],
            Act::SignIn => {
                if let Some(server) = self.servers.get(place) {
                    self.overlay = Overlay::Fill(Form::for_key(place, &server.name));
                }
            }
        }
        Vec::new()
    }

    /// Gives a server a key, unless others could read it on the way.
    pub(super) fn sign_in(&mut self, place: usize, key: &str) -> Vec<Command> {
        let (Some(server), Some(key)) = (self.servers.get_mut(place), Secret::new(key)) else {
            return Vec::new();
        };
        let config = ServerConfig {
            key: Some(key.clone()),
            ..server.config.clone()
        };
        if let Err(why) = config.check_key() {
            self.warn(why);
            return Vec::new();
        }
        (server.has_key, server.in_the_clear) = (true, config.is_in_the_clear());
        vec![Command::SignIn { server: place, key }]
    }

    /// Adds a server for this run.
    ///
    /// # Errors
    /// What is wrong with its name or its place.
    pub(super) fn add_server(&mut self, called: &str, place: &str) -> Result<Vec<Command>, String> {
        let (called, place) = (called.trim(), place.trim());
        check_name(called)?;
        if self.servers.iter().any(|s| s.name == called) {
            return Err(format!("there is a server named {called} already"));
        }
        if self.servers.len() >= MAX_SERVERS {
            return Err(format!("at most {MAX_SERVERS} servers at once"));
        }
        let config = ServerConfig {
            name: called.to_owned(),
            endpoint: endpoint(place)?,
            key: None,
            protocol: Protocol::Auto,
            approve: Approve::None,
            allow_http: false,
        };
        self.servers.push(Server::new(&config));
        Ok(vec![Command::AddServer(Box::new(config))])
    }
}

/// An address, or a program with its arguments. No shell sees them.
fn endpoint(place: &str) -> Result<Endpoint, String> {
    if place.contains("://") {
        check_url(place).map_err(|e| e.to_string())?;
        return Ok(Endpoint::of_url(place));
    }
    let mut words = place.split_whitespace().map(str::to_owned);
    let command = words.next().ok_or("write its address, or its program")?;
    Ok(Endpoint::Stdio {
        command,
        args: words.collect(),
        env: std::collections::BTreeMap::new(),
    })
}

/// What a call leads to, in the one way in which things are named: `server/tool`.
pub(super) fn full(server: &str, tool: &str) -> String {
    format!("{server}/{}", name(tool))
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyCode;

    use super::*;
    use crate::app::{
        conversation::Body,
        tests::{connected, press, send, type_text, wanted},
    };
    use crate::{
        agent::{AgentEvent, Decision},
        event::Event,
        failure::Failure,
        link::LinkEvent,
    };

    fn open(app: &mut App, what: &str) {
        press(app, KeyCode::Char('/'));
        type_text(app, what);
        press(app, KeyCode::Enter);
    }

    fn offered(app: &mut App) -> Vec<String> {
        let commands = app.say(0, "hi".into());
        let [Command::Start { ask, .. }] = &commands[..] else {
            panic!("{commands:?}")
        };
        let names = ask.offered.iter().map(|o| o.offer.name.clone()).collect();
        app.stop_current();
        names
    }

    #[test]
    fn each_server_says_how_it_stands_and_why() {
        let mut app = connected();
        app.add_server("files", "no-such-program --flag").unwrap();
        let gone = LinkEvent::Down(Failure::Away("can't start no-such-program".into()), None);
        app.update(Event::Link(1, gone));
        let items = app.server_items();
        assert!(
            items[0].about.contains("no key · 2 tools · chats"),
            "{items:?}"
        );
        assert!(
            items[1].about.contains("can't start no-such-program"),
            "{items:?}"
        );
        assert!(items[1].detail.contains(r#"["no-such-program","--flag"]"#));
        assert_eq!(items[2].choice, Choice::AddServer);
    }

    #[test]
    fn a_tool_that_is_off_is_not_offered_not_called_and_stays_off() {
        let mut app = connected();
        assert_eq!(offered(&mut app), ["echo"]);
        let turn = send(&mut app, "hi");
        open(&mut app, "servers");
        for _ in 0..3 {
            // The server, its tools, the tool.
            press(&mut app, KeyCode::Enter);
        }
        assert!(app.pins_unsaved);
        assert!(
            matches!(&app.overlay, Overlay::Pick(_)),
            "one can go on switching"
        );
        press(&mut app, KeyCode::Esc);
        let ask = wanted(&app);
        let chat = app.chat().id;
        let event = AgentEvent::Wanted(ask);
        let commands = app.update(Event::Agent { chat, turn, event });
        assert!(
            matches!(&commands[..], [Command::Decide { decision: Decision::Hold(why), .. }] if why.contains("turned off")),
            "{commands:?}"
        );
        app.stop_current();
        assert!(offered(&mut app).is_empty());
        let kept = serde_json::to_string(&app.pins).unwrap();
        app.pins = serde_json::from_str(&kept).unwrap();
        assert!(offered(&mut app).is_empty());
        app.switch(0, "echo");
        assert_eq!(offered(&mut app), ["echo"]);
    }

    #[test]
    fn one_server_is_connected_again_and_the_others_are_left_alone() {
        let mut app = connected();
        app.add_server("other", "http://127.0.0.1:9/mcp").unwrap();
        let commands = app.act(1, Act::Reconnect);
        assert!(matches!(commands[..], [Command::Reconnect(Some(1))]));
    }

    #[test]
    fn a_key_that_is_typed_is_shown_nowhere_and_kept_from_plain_networks() {
        let mut app = connected();
        app.act(0, Act::SignIn);
        type_text(&mut app, "s3cret");
        assert!(!format!("{:?}", app.overlay).contains("s3cret"));
        let commands = press(&mut app, KeyCode::Enter);
        assert!(
            matches!(&commands[..], [Command::SignIn { server: 0, key }] if key.expose() == "s3cret")
        );
        assert!(!format!("{commands:?}").contains("s3cret") && app.servers[0].has_key);
        app.add_server("far", "http://192.0.2.1/mcp").unwrap();
        assert!(app.sign_in(1, "s3cret").is_empty());
        let last = app.chat().entries.last().map(|e| &e.body);
        assert!(matches!(last, Some(Body::Trouble(t)) if t.headline.contains("allow_http")));
        assert!(!app.servers[1].has_key);
    }

    #[test]
    fn a_server_is_added_by_address_or_program_and_a_wrong_one_says_what_is_wrong() {
        let mut app = connected();
        for (name, place) in [
            ("local", "http://127.0.0.1:1/mcp"),
            ("a b", "http://127.0.0.1:1/mcp"),
            ("x", "ftp://y"),
            ("x", "http://me:s3cret@host/mcp"),
            ("x", " "),
        ] {
            let error = app.add_server(name, place).unwrap_err();
            assert!(!error.is_empty() && !error.contains("s3cret"), "{error}");
        }
        open(&mut app, "servers");
        press(&mut app, KeyCode::Down);
        press(&mut app, KeyCode::Enter);
        type_text(&mut app, "old");
        press(&mut app, KeyCode::Tab);
        type_text(&mut app, "http://127.0.0.1:1/sse");
        let commands = press(&mut app, KeyCode::Enter);
        let [Command::AddServer(config)] = &commands[..] else {
            panic!("{commands:?}")
        };
        assert_eq!(
            config.endpoint,
            Endpoint::Sse("http://127.0.0.1:1/sse".into())
        );
        assert_eq!(app.servers[1].name, "old");
        assert_eq!(app.servers[1].connection, Connection::Connecting);
    }
}
