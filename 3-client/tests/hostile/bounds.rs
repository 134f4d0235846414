//! Answers, lists and announcements without end: each has one here, and says which.

use std::time::{Duration, Instant};

use mcp_client::{
    config::{Config, Given, Limits, Protocol, ServerConfig},
    failure::Failure,
    link::{Hub, LinkEvent},
    session::Session,
    wire::WireLog,
};
use serde_json::Map;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    program::Home,
    server::{Hostile, Reply, says},
};

fn config(server: &Hostile) -> Config {
    let given = Given {
        url: Some(server.url.clone()),
        ..Given::default()
    };
    Config::load(&given, &|_| None).unwrap()
}

/// What becomes of a question to a server that answers like this.
async fn asked(reply: fn() -> Reply, limits: Limits) -> Failure {
    let server = Hostile::start(move |_, _| reply()).await;
    let place = ServerConfig {
        protocol: Protocol::Version("2025-06-18".into()),
        ..config(&server).servers.remove(0)
    };
    let session = Session::connect(&place, limits, &WireLog::default())
        .await
        .unwrap();
    let (sender, mut pieces) = mpsc::channel(64);
    let cancel = CancellationToken::new();
    let call = async {
        let sender = sender;
        let arguments = Map::new();
        let call = session.call("ollama-chat", arguments, Some(&sender), &cancel);
        let bounded = tokio::time::timeout(Duration::from_secs(30), call);
        bounded.await.expect("there is an end")
    };
    let drain = async { while pieces.recv().await.is_some() {} };
    let (result, ()) = tokio::join!(call, drain);
    result.unwrap_err()
}

#[tokio::test]
async fn an_answer_without_end_ends_by_its_size_and_says_so() {
    let text: &'static str = "more and more ".repeat(2000).leak();
    let server = Hostile::start(move |_, _| Reply::Endless(text)).await;
    let ran = Home::of(&server).ask("hi").await;
    assert_eq!(ran.code, 6, "{}", ran.err);
    assert!(ran.err.contains("longer than 8 MiB"), "{}", ran.err);
    assert!(ran.out.len() <= 9 * 1024 * 1024, "{} bytes", ran.out.len());
}

#[tokio::test]
async fn signs_of_life_without_end_end_by_the_clock_and_it_says_so() {
    let limits = Limits {
        answer_secs: 1,
        ..Limits::default()
    };
    let failure = asked(|| Reply::Alive, limits).await.to_string();
    assert!(
        failure.contains("within 1 s (limits.answer_secs)"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_turn_ends_by_the_clock_and_says_so() {
    let server = Hostile::start(|_, _| Reply::Alive).await;
    let home = Home::with("[limits]\nturn_secs = 1", &[("local", &server.url)]);
    let ran = home.ask("hi").await;
    assert_eq!(ran.code, 6, "{}", ran.err);
    assert!(ran.err.contains("limits.turn_secs"), "{}", ran.err);
    let told = server.heard("notifications/cancelled");
    assert_eq!(told.len(), 1, "the server hears of it");
}

#[tokio::test]
async fn an_answer_of_nine_mebibytes_is_too_long_and_not_a_lost_connection() {
    for reply in [(|| Reply::Huge { as_event: true }) as fn() -> Reply, || {
        Reply::Huge { as_event: false }
    }] {
        let failure = asked(reply, Limits::default()).await;
        assert!(
            matches!(&failure, Failure::TooMuch(why) if why.contains("longer than 8 MiB")),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn a_list_without_end_is_read_in_part_and_that_is_said() {
    let server = Hostile::start(|_, _| says("hello")).await;
    server.becomes(|script| script.endless_list = true);
    let session = Session::connect(
        &config(&server).servers[0],
        Limits::default(),
        &WireLog::default(),
    )
    .await
    .unwrap();
    let (catalog, refused) = session.catalog().await.unwrap();
    assert_eq!(catalog.tools.len(), 50);
    assert!(
        refused
            .iter()
            .any(|f| f.to_string().contains("list of tools is longer")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_server_that_announces_changes_without_end_is_not_asked_without_end() {
    let server = Hostile::start(|_, _| says("hello")).await;
    let hub = Hub::new(&config(&server), &WireLog::default());
    let (sender, mut links) = mpsc::channel(64);
    let stop = CancellationToken::new();
    hub.start(&sender, &stop).detach_all();
    let (until, mut lists) = (Instant::now() + Duration::from_secs(2), 0);
    while Instant::now() < until {
        server.announce();
        let next = tokio::time::timeout(Duration::from_millis(1), links.recv());
        if let Ok(Some((_, LinkEvent::Ready(..)))) = next.await {
            lists += 1;
        }
    }
    stop.cancel();
    assert!((2..=6).contains(&lists), "{lists} times in two seconds");
}
