//! What a connection's coming and going does to the chats.

use super::conversation::{Body, Trouble};
use super::{App, Connection};
use crate::command::Command;
use crate::failure::Kind;
use crate::link::LinkEvent;

impl App {
    pub(super) fn link(&mut self, place: usize, event: LinkEvent) -> Vec<Command> {
        let now = self.now;
        let mut held = Vec::new();
        let Some(server) = self.servers.get_mut(place) else {
            return Vec::new();
        };
        match event {
            LinkEvent::Connecting => server.connection = Connection::Connecting,
            LinkEvent::Down(failure, wait) => {
                // At once, and once: each further attempt says the same.
                let why = failure.to_string();
                let is_news = server.down.as_ref() != Some(&why);
                server.down = Some(why);
                let trouble = Trouble {
                    headline: format!("{}: {failure}", server.name),
                    ..Trouble::from(&failure)
                };
                server.connection = Connection::Down(failure, wait.map(|w| now + w));
                // A turn that it broke says so itself.
                if is_news && self.chats.iter().all(|c| c.running.is_none()) {
                    self.push(self.current, Body::Trouble(trouble));
                }
            }
            LinkEvent::Declined(told) => {
                let text = format!("{}: {told}", server.name);
                self.warn(text);
            }
            LinkEvent::Ready(catalog, refused) => {
                (server.connection, server.down) = (Connection::Ready, None);
                server.catalog = *catalog;
                let name = server.name.clone();
                self.check_pins(place);
                held.extend(self.hold_pending());
                for failure in refused {
                    if failure.kind() != Kind::Forbidden {
                        self.push(
                            self.current,
                            Body::Note(format!("{name} doesn't list everything: {failure}")),
                        );
                    }
                }
            }
        }
        if self.is_connecting() {
            return held;
        }
        // What waited for the connection goes out now, or learns why it can't.
        let waiting = (0..self.chats.len()).filter(|chat| self.chats[*chat].running.is_none());
        let ready: Vec<(usize, String)> = waiting
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(|chat| Some((chat, self.chats[chat].queue.pop_front()?)))
            .collect();
        let said = ready.into_iter();
        held.extend(said.flat_map(|(chat, text)| self.say(chat, text)));
        held
    }
}
