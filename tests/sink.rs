//! What happens to calls when their record can't be kept: in `prod` they are refused, elsewhere
//! they go on and what was lost is counted; and nothing ever waits for ever.

use std::{
    io,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use mcp_server::interceptor::{
    Exchange, Grant, Grants, Guard, Journal, JournalSettings, LimitSettings, Peer, Pipeline, Rate,
    audit::{FileSettings, JournalError, Sink},
};
use serde_json::{Value, json};

use crate::support::{Talk, odd::Odd};

#[derive(Clone, Copy, PartialEq)]
enum Health {
    Good,
    Full,
    Stuck,
}

/// A place for records that can fail, or never come back.
#[derive(Clone)]
struct Fickle(Arc<(Mutex<(Health, String)>, Condvar)>);

impl Fickle {
    fn new() -> Self {
        Self(Arc::new((
            Mutex::new((Health::Good, String::new())),
            Condvar::new(),
        )))
    }

    fn becomes(&self, health: Health) {
        self.0.0.lock().unwrap().0 = health;
        self.0.1.notify_all();
    }

    fn kept(&self) -> Vec<Value> {
        let text = self.0.0.lock().unwrap().1.clone();
        text.lines()
            .map(|line| serde_json::from_str(&format!("{line}}}")).unwrap())
            .collect()
    }
}

impl Sink for Fickle {
    fn write(&mut self, records: &str) -> io::Result<()> {
        let state = self.0.0.lock().unwrap();
        let mut state = self
            .0
            .1
            .wait_while(state, |state| state.0 == Health::Stuck)
            .unwrap();
        if state.0 == Health::Full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.1.push_str(records);
        Ok(())
    }
}

fn pipeline(sink: &Fickle, strict: bool) -> Pipeline {
    let limits = LimitSettings {
        identity: Rate::new(10_000_000, 10_000_000).unwrap(),
        ..LimitSettings::default()
    };
    let settings = JournalSettings {
        stderr: false,
        file: None,
        strict,
    };
    let everything = Grants::new(vec![Grant::parse("*").unwrap()]);
    let builder = Pipeline::builder().anonymous(everything).limits(limits);
    let builder = builder.journal(settings).sink(sink.clone());
    builder.build().unwrap()
}

async fn call(talk: &mut Talk) -> Option<i64> {
    let answer = talk
        .ask(1, "tools/call", json!({ "name": "echo", "arguments": {} }))
        .await;
    answer["error"]["code"].as_i64()
}

/// Calls until the answer is this; a bounded wait, as each call is.
async fn until(talk: &mut Talk, code: Option<i64>) {
    let waiting = async { while call(talk).await != code {} };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("in time");
}

#[tokio::test]
async fn a_strict_server_refuses_while_the_disk_is_full_and_goes_on_when_it_isnt() {
    let sink = Fickle::new();
    let pipeline = pipeline(&sink, true);
    let odd = Odd::default();
    let mut talk = Talk::with(Guard::new(odd.clone(), &pipeline), None, 1 << 20);
    talk.hello().await;
    assert_eq!(call(&mut talk).await, None);
    sink.becomes(Health::Full);
    until(&mut talk, Some(503)).await;
    let reached = odd.reached();
    for _ in 0..50 {
        assert_eq!(call(&mut talk).await, Some(503));
    }
    assert_eq!(
        odd.reached(),
        reached,
        "a call that can't be recorded doesn't happen"
    );
    assert!(!pipeline.journal().is_healthy());
    sink.becomes(Health::Good);
    until(&mut talk, None).await;
    talk.end().await.unwrap();
    pipeline.journal().shut_down();
    let kept = sink.kept();
    let done = kept
        .iter()
        .filter(|line| line["method"] == "tools/call" && line["outcome"] == "SUCCESS")
        .count();
    assert_eq!(
        done,
        odd.reached(),
        "what happened while the disk was full was written later"
    );
}

#[tokio::test]
async fn a_strict_server_refuses_when_nobody_takes_the_records_and_loses_none_of_what_it_did() {
    let sink = Fickle::new();
    let pipeline = pipeline(&sink, true);
    let odd = Odd::default();
    let mut talk = Talk::with(Guard::new(odd.clone(), &pipeline), None, 1 << 20);
    talk.hello().await;
    sink.becomes(Health::Stuck);
    // Long records fill the buffer sooner.
    let arguments: Value = (0..32)
        .map(|n| (format!("{n:064}"), Value::Null))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mut calls = 0;
    let refused = loop {
        calls += 1;
        assert!(calls < 20_000, "it never refuses");
        let answer = talk
            .ask(
                1,
                "tools/call",
                json!({ "name": "echo", "arguments": arguments }),
            )
            .await;
        if answer["error"]["code"] == 503 {
            break answer;
        }
    };
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("audit record")
    );
    assert!(refused["error"]["data"]["retry_after_ms"].is_u64());
    let reached = odd.reached();
    assert_eq!(call(&mut talk).await, Some(503));
    sink.becomes(Health::Good);
    until(&mut talk, None).await;
    talk.end().await.unwrap();
    pipeline.journal().shut_down();
    let kept = sink.kept();
    let done = kept
        .iter()
        .filter(|line| line["outcome"] == "SUCCESS" && line["method"] == "tools/call")
        .count();
    assert_eq!((done, odd.reached()), (reached + 1, reached + 1));
}

#[tokio::test]
async fn elsewhere_calls_go_on_and_the_loss_is_counted() {
    let sink = Fickle::new();
    let pipeline = pipeline(&sink, false);
    let odd = Odd::default();
    let mut talk = Talk::with(Guard::new(odd.clone(), &pipeline), None, 1 << 20);
    talk.hello().await;
    sink.becomes(Health::Stuck);
    let arguments: Value = (0..32)
        .map(|n| (format!("{n:064}"), Value::Null))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for _ in 0..2_000 {
        let answer = talk
            .ask(
                1,
                "tools/call",
                json!({ "name": "echo", "arguments": arguments }),
            )
            .await;
        assert!(answer["result"].is_object(), "{answer}");
    }
    sink.becomes(Health::Good);
    talk.end().await.unwrap();
    pipeline.journal().shut_down();
    let kept = sink.kept();
    let lost: u64 = kept.iter().filter_map(|line| line["lost"].as_u64()).sum();
    let done = kept
        .iter()
        .filter(|line| line["method"] == "tools/call")
        .count() as u64;
    assert!(lost > 0);
    assert_eq!(done + lost, 2_000, "every call is written or counted");
}

#[test]
fn a_sink_that_fails_for_good_doesnt_hold_up_the_end() {
    let sink = Fickle::new();
    let pipeline = pipeline(&sink, true);
    let journal = pipeline.journal();
    sink.becomes(Health::Full);
    drop(Exchange::begin(journal, "stdio", Peer::Parent));
    journal.shut_down();
    assert!(sink.kept().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_from_the_start_stops_the_start() {
    let settings = JournalSettings {
        stderr: false,
        file: Some(FileSettings {
            path: "/dev/full".into(),
            max_bytes: 1 << 20,
            keep: 1,
        }),
        strict: true,
    };
    assert!(matches!(
        Journal::open(settings).unwrap_err(),
        JournalError::Open { .. }
    ));
}
