//! A session belongs to who opened it.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn a_session_is_unknown_to_everybody_else() {
    let server = Server::prod().await;
    let (ada, bob) = (server.client("ada"), server.client("bob"));
    ada.initialize("2025-06-18").await;
    let id = ada.session().unwrap();
    bob.join(&id, "2025-06-18");
    let stolen = bob.call("echo", json!({ "message": "hi" })).await;
    assert_eq!(stolen.status, 404, "{stolen:?}");
    let listening = bob
        .http
        .get(server.url())
        .bearer_auth("bob")
        .header("mcp-session-id", &id)
        .header("accept", "text/event-stream");
    assert_eq!(listening.send().await.unwrap().status(), 404);
    let ended = bob
        .http
        .delete(server.url())
        .bearer_auth("bob")
        .header("mcp-session-id", &id)
        .send()
        .await
        .unwrap();
    assert_eq!(ended.status(), 404, "as if there were none");
    assert_eq!(
        ada.call("echo", json!({ "message": "still mine" }))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn only_so_many_sessions_are_open_at_once() {
    let server = Server::prod_with(|config| config.server.max_sessions_per_identity = 2).await;
    let clients = [
        server.client("ada"),
        server.client("ada"),
        server.client("ada"),
    ];
    assert_eq!(clients[0].initialize("2025-06-18").await.status, 200);
    assert_eq!(clients[1].initialize("2025-06-18").await.status, 200);
    let refused = clients[2].initialize("2025-06-18").await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(
        server.client("bob").initialize("2025-06-18").await.status,
        200,
        "others have their own"
    );
    // A session that is closed makes room.
    let id = clients[0].session().unwrap();
    let ended = clients[0]
        .http
        .delete(server.url())
        .bearer_auth("ada")
        .header("mcp-session-id", id)
        .send()
        .await
        .unwrap();
    assert!(ended.status().is_success(), "{}", ended.status());
    assert_eq!(clients[2].initialize("2025-06-18").await.status, 200);
}

#[tokio::test]
async fn callers_who_come_at_once_share_the_same_places() {
    let server = Server::prod_with(|config| config.server.max_sessions_per_identity = 3).await;
    let clients: Vec<_> = (0..40).map(|_| server.client("ada")).collect();
    let opened = clients.iter().map(|client| client.initialize("2025-06-18"));
    let statuses: Vec<_> = join_all(opened).await.iter().map(|it| it.status).collect();
    let of = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((of(200), of(429)), (3, 37), "{statuses:?}");
}

#[tokio::test]
async fn who_has_no_place_left_is_told_the_same_of_a_strangers_session() {
    let server = Server::prod_with(|config| config.server.max_sessions_per_identity = 1).await;
    let (ada, bob) = (server.client("ada"), server.client("bob"));
    ada.initialize("2025-06-18").await;
    bob.initialize("2025-06-18").await;
    let ended = bob
        .http
        .delete(server.url())
        .bearer_auth("bob")
        .header("mcp-session-id", ada.session().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(ended.status(), 404);
}
