//! What is on screen and may change at the server meanwhile.

use super::{App, Connection, Overlay};
use crate::failure::Failure;
use crate::wire::record;

/// Something on screen that may change at the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The server's place.
    pub server: usize,
    /// The resource.
    pub uri: String,
    /// Whether it is read at once, or only when it changes.
    pub read_now: bool,
}

impl App {
    /// What is on screen and may change at the server: a resource that is being read, or the record
    /// beside the wire.
    #[must_use]
    pub fn watched(&self) -> Option<Watched> {
        let (server, uri, read_now) = match &self.overlay {
            Overlay::Read(text) => {
                let (server, uri) = text.source.clone()?;
                (server, uri, false)
            }
            Overlay::Wire => {
                let name = self.wire.current().map(|entry| &*entry.server);
                let of_entry = self
                    .servers
                    .iter()
                    .position(|s| Some(s.name.as_str()) == name);
                (of_entry.unwrap_or(0), record::URI.to_owned(), true)
            }
            Overlay::None | Overlay::Pick(_) | Overlay::Fill(_) | Overlay::Find(_) => return None,
        };
        let state = self.servers.get(server)?;
        let listed = state.catalog.resources.iter().any(|r| r.uri == uri);
        let useful = listed && (read_now || state.catalog.announces_updates);
        (useful && state.connection == Connection::Ready).then_some(Watched {
            server,
            uri,
            read_now,
        })
    }

    /// What is watched, as it is now.
    pub(super) fn shown(&mut self, server: usize, uri: &str, read: Result<String, Failure>) {
        match &mut self.overlay {
            Overlay::Wire if uri == record::URI => {
                self.wire
                    .recorded(server, read.map_err(|failure| failure.to_string()));
            }
            Overlay::Read(shown)
                if shown
                    .source
                    .as_ref()
                    .is_some_and(|(s, u)| *s == server && u == uri) =>
            {
                // A failure leaves what was read; it will be tried again with the next change.
                if let Ok(text) = read {
                    shown.replace(text);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyCode;

    use super::*;
    use crate::app::tests::connected;
    use crate::catalog::Resource;
    use crate::event::Event;

    fn app_with(uri: &str) -> App {
        let mut app = connected();
        app.servers[0].catalog.announces_updates = true;
        app.servers[0].catalog.resources.push(Resource {
            uri: uri.into(),
            name: String::new(),
            description: String::new(),
            mime: None,
            template: false,
        });
        app
    }

    #[test]
    fn a_resource_on_screen_is_watched_and_shown_as_it_is_now_until_it_is_left() {
        let mut app = app_with("docs://a");
        assert_eq!(app.watched(), None);
        app.update(Event::Read {
            server: 0,
            uri: "docs://a".into(),
            text: "before".into(),
            attach: false,
        });
        let watched = app.watched().unwrap();
        assert_eq!(
            (watched.uri.as_str(), watched.read_now),
            ("docs://a", false)
        );
        app.update(Event::Shown {
            server: 0,
            uri: "docs://a".into(),
            read: Ok("after".into()),
        });
        assert!(matches!(&app.overlay, Overlay::Read(text) if text.text == "after"));
        app.servers[0].connection = Connection::Connecting;
        assert_eq!(
            app.watched(),
            None,
            "a lost connection takes the watch with it"
        );
        app.servers[0].connection = Connection::Ready;
        app.update(Event::Key(KeyCode::Esc.into()));
        assert_eq!(app.watched(), None);
    }

    #[test]
    fn the_record_is_read_while_the_wire_is_open_and_only_where_there_is_one() {
        let mut app = app_with(record::URI);
        app.update(Event::Key(KeyCode::F(2).into()));
        assert!(app.watched().is_some_and(|w| w.read_now));
        app.servers[0].catalog.resources.clear();
        assert_eq!(app.watched(), None);
    }
}
