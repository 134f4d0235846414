//! Keeps what is on screen up to date: reads it, and reads it again when the server says so.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::watched::Watched;
use crate::event::Event;
use crate::link::Hub;

/// Follows one resource until told to stop. A connection that ends takes the watch with it; the app
/// asks for another once there is a new one.
pub(super) async fn follow(
    hub: Hub,
    watched: Watched,
    out: mpsc::Sender<Event>,
    over: CancellationToken,
) {
    let Watched {
        server,
        uri,
        read_now,
    } = watched;
    let Ok(session) = hub.link(server).and_then(|link| link.session()) else {
        return;
    };
    // Listening first: what changes between a read and the listening would be missed. A server that
    // doesn't announce changes is read once.
    let updates = tokio::select! {
        () = over.cancelled() => return,
        updates = session.updates(&uri) => updates,
    };
    let show = async || {
        let read = session.read(&uri, &over).await;
        let event = Event::Shown {
            server,
            uri: uri.clone(),
            read,
        };
        out.send(event).await.is_ok()
    };
    if read_now && !show().await {
        return;
    }
    let Ok(mut updates) = updates else {
        return;
    };
    loop {
        tokio::select! {
            () = over.cancelled() => break,
            more = updates.next() => if !more || !show().await {
                break;
            },
        }
    }
    updates.end().await;
}
