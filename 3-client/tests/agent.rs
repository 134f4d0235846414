//! The loop and the links against a real server: approval, refusal, results, and what happens when
//! the server goes away and comes back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic in a test is its report"
)]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use mcp_client::agent::{self, AgentEvent, Decision, Source, Turn, offers};
use mcp_client::catalog::Catalog;
use mcp_client::chat::{Ask, Message, Role};
use mcp_client::config::{Config, Given};
use mcp_client::failure::Failure;
use mcp_client::link::{Hub, LinkEvent};
use mcp_client::secret::Secret;
use mcp_client::wire::WireLog;
use serde_json::json;
use support::Server;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

struct Rig {
    hub: Hub,
    links: mpsc::Receiver<(usize, LinkEvent)>,
    stop: CancellationToken,
    catalog: Catalog,
}

impl Rig {
    async fn new(url: &str) -> Self {
        let config = Config::load(
            &Given {
                url: Some(url.into()),
                ..Given::default()
            },
            &|_| None,
        )
        .unwrap();
        let hub = Hub::new(&config, &WireLog::default());
        let (sender, links) = mpsc::channel(64);
        let stop = CancellationToken::new();
        hub.start(&sender, &stop).detach_all();
        let mut rig = Self {
            hub,
            links,
            stop,
            catalog: Catalog::default(),
        };
        rig.catalog = rig.ready().await;
        rig
    }

    async fn next(&mut self) -> LinkEvent {
        tokio::time::timeout(Duration::from_secs(20), self.links.recv())
            .await
            .expect("an event in time")
            .unwrap()
            .1
    }

    async fn ready(&mut self) -> Catalog {
        loop {
            if let LinkEvent::Ready(catalog, _) = self.next().await {
                return *catalog;
            }
        }
    }

    /// Plays a turn and answers each question with `decide`.
    async fn turn(&self, text: &str, decide: impl Fn() -> Decision) -> Vec<AgentEvent> {
        let turn = Turn {
            server: 0,
            chat_tool: "ollama-chat".into(),
            ask: Ask {
                messages: vec![Message::new(Role::User, text)],
                ..Ask::default()
            },
            chat_fingerprint: self
                .catalog
                .tool("ollama-chat")
                .unwrap()
                .fingerprint(&self.catalog.owner()),
            window: None,
            offered: offers(
                std::iter::once(Source {
                    server: 0,
                    name: "local",
                    catalog: &self.catalog,
                    tools: self.catalog.tools.iter().collect(),
                    reads: true,
                }),
                false,
            ),
            rounds: 4,
            time: Duration::from_secs(60),
        };
        let (events, mut received) = mpsc::channel(64);
        let (decisions, decided) = mpsc::channel(8);
        let cancel = CancellationToken::new();
        let run = async {
            let events = events;
            agent::run(&self.hub, turn, &events, decided, &cancel).await;
        };
        let listen = async {
            let mut all = Vec::new();
            while let Some(event) = received.recv().await {
                if let AgentEvent::Wanted(wanted) = &event {
                    let _ = decisions.send((wanted.number, decide())).await;
                }
                all.push(event);
            }
            all
        };
        tokio::join!(run, listen).1
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn last_answer(events: &[AgentEvent]) -> String {
    let mut answers = events.iter().filter_map(|e| match e {
        AgentEvent::Answered(reply) => Some(reply.message.content.clone()),
        _ => None,
    });
    answers.next_back().unwrap_or_default()
}

#[tokio::test]
async fn an_approved_call_is_made_and_its_result_told_to_the_model() {
    let server = Server::start(None).await;
    let rig = Rig::new(&server.url).await;
    let events = rig.turn("echo good morning", || Decision::Call).await;
    assert_eq!(last_answer(&events), "The tool said: good morning");
    assert_eq!(server.seen.calls.load(Ordering::SeqCst), 1);
    assert_eq!(events.last(), Some(&AgentEvent::Done));
}

#[tokio::test]
async fn a_refused_call_never_reaches_the_server_and_the_model_hears_the_no() {
    let server = Server::start(None).await;
    let rig = Rig::new(&server.url).await;
    let events = rig.turn("echo secret", || Decision::Refuse).await;
    assert_eq!(server.seen.calls.load(Ordering::SeqCst), 0);
    assert!(last_answer(&events).contains("refused"));
}

#[tokio::test]
async fn edited_arguments_are_the_ones_that_are_sent() {
    let server = Server::start(None).await;
    let rig = Rig::new(&server.url).await;
    let events = rig
        .turn("echo one", || {
            Decision::CallWith(json!({"message": "two"}).as_object().unwrap().clone())
        })
        .await;
    assert_eq!(last_answer(&events), "The tool said: two");
}

#[tokio::test]
async fn a_name_that_the_model_made_up_is_told_and_calls_nothing() {
    let server = Server::start(None).await;
    let rig = Rig::new(&server.url).await;
    let events = rig.turn("unknown tool", || Decision::Call).await;
    assert!(last_answer(&events).contains("there is no tool named"));
    assert!(!events.iter().any(|e| matches!(e, AgentEvent::Calling(..))));
}

#[tokio::test]
async fn a_throttle_ends_the_turn_with_the_wait() {
    let server = Server::start(None).await;
    let rig = Rig::new(&server.url).await;
    let events = rig.turn("throttle", || Decision::Call).await;
    let Some(AgentEvent::Failed(failure)) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(failure.retry_after(), Some(Duration::from_secs(4)));
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again_listed_again_and_no_call_is_repeated() {
    let server = Server::start(None).await;
    let port = server.port();
    let mut rig = Rig::new(&server.url).await;
    server.kill().await;
    // The first call finds out; it fails, openly.
    let events = rig.turn("echo lost", || Decision::Call).await;
    assert!(
        matches!(events.last(), Some(AgentEvent::Failed(failure)) if failure.wants_reconnect()),
        "{events:?}"
    );
    while !matches!(rig.next().await, LinkEvent::Down(Failure::Away(_), Some(_))) {}
    let again = Server::start_on(None, port).await;
    *again.seen.description.lock().unwrap() = "Another description".into();
    let catalog = rig.ready().await;
    assert_eq!(
        catalog.tool("echo").unwrap().description,
        "Another description",
        "the lists were read anew"
    );
    assert_eq!(
        again.seen.calls.load(Ordering::SeqCst),
        0,
        "nothing was sent again by itself"
    );
    // What was offered before the restart is another tool now: the yes to it isn't one to this.
    let events = rig.turn("echo found", || Decision::Call).await;
    assert!(last_answer(&events).contains("echo changed after it was offered"));
    assert_eq!(again.seen.calls.load(Ordering::SeqCst), 0);
    rig.catalog = catalog;
    let events = rig.turn("echo found", || Decision::Call).await;
    assert_eq!(last_answer(&events), "The tool said: found");
}

#[tokio::test]
async fn a_server_can_be_added_and_signed_in_to_while_the_others_go_on() {
    let (server, locked) = tokio::join!(Server::start(None), Server::start(Some("right")));
    let rig = Rig::new(&server.url).await;
    let given = Given {
        url: Some(locked.url.clone()),
        ..Given::default()
    };
    let config = Config::load(&given, &|_| None).unwrap().servers.remove(0);
    let place = rig.hub.add(config);
    assert_eq!(place, 1);
    let (sender, mut events) = mpsc::channel(64);
    let (link, stop) = (rig.hub.link(place).unwrap(), rig.stop.clone());
    let running = link.clone();
    tokio::spawn(async move { running.run(place, sender, stop).await });
    let mut next = async || {
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv());
        event.await.expect("an event in time").unwrap().1
    };
    // Refused, it isn't tried again by itself.
    while !matches!(next().await, LinkEvent::Down(ref f, None) if f.to_string().contains("401")) {}
    link.sign_in(Secret::new("right").unwrap());
    let catalog = loop {
        match next().await {
            LinkEvent::Ready(catalog, _) => break catalog,
            LinkEvent::Down(failure, _) => panic!("{failure}"),
            LinkEvent::Connecting | LinkEvent::Declined(_) => {}
        }
    };
    assert!(catalog.tool("echo").is_some());
    let events = rig.turn("echo meanwhile", || Decision::Call).await;
    assert_eq!(last_answer(&events), "The tool said: meanwhile");
}
