//! Load for ten minutes, or as many seconds as it is told, at 80 % of what the server can do, while
//! sessions come and go, keys are revoked and made, and callers leave in the middle. Nothing may
//! grow, leak or slow down.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;

use super::{
    contenders::{self, PRODUCT, Settings},
    process::{Process, Usage},
    report::{Goal, Section, table},
    window::{Spread, connect, measure},
    wire::{Caller, Lifecycle, call_headers, echo, post},
};

const KEYS: usize = 1_000;
const CALLERS: usize = 16;
const SHARE_OF_PEAK: f64 = 0.8;
/// How often the state of things is written down.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The state of things at one moment.
struct Look {
    at: Duration,
    usage: Usage,
    p99: f64,
    calls: usize,
}

pub async fn run(length: Duration) -> anyhow::Result<Section> {
    let settings = Settings::with(KEYS, "[llm]\nprovider = \"tutor\"")?;
    let server = settings.product()?;
    let mut callers = connect(&server, Lifecycle::Stateless, CALLERS).await?;
    let peak = measure(server.id(), &mut callers, 200, Duration::from_secs(3))
        .await?
        .requests_per_second;
    let pause = Duration::from_secs_f64(CALLERS as f64 / (peak * SHARE_OF_PEAK));

    let until = Instant::now() + length;
    let (sender, mut latencies) = tokio::sync::mpsc::channel::<f64>(65_536);
    let load = async {
        let steady = callers
            .iter_mut()
            .map(|caller| call_steadily(caller, pause, until, sender.clone()));
        try_join_all(steady).await?;
        drop(sender);
        anyhow::Ok(())
    };
    let watch = async {
        let (mut looks, start) = (Vec::new(), Instant::now());
        while Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY).await;
            let mut all = Vec::new();
            while let Ok(latency) = latencies.try_recv() {
                all.push(latency);
            }
            all.sort_by(f64::total_cmp);
            looks.push(Look {
                at: start.elapsed(),
                usage: server.usage()?,
                p99: all.get(all.len() * 99 / 100).copied().unwrap_or(f64::NAN),
                calls: all.len(),
            });
        }
        anyhow::Ok(looks)
    };
    let ((), looks, sessions, left, revoked) = tokio::try_join!(
        load,
        watch,
        come_and_go(&server, until),
        leave_early(&server, until),
        revoke(&settings, until)
    )?;

    let mut section = Section::new("soak", "Soak");
    section.say(&format!(
        "{:.0} s at 80 % of {peak:.0} req/s; {sessions} sessions came and went, {left} callers left in the middle, {revoked} keys were revoked and made again.\n",
        length.as_secs_f64()
    ));
    judge(&mut section, &looks);
    let whole = verify(server, &settings)?;
    section.say(&format!("\nThe audit chain afterwards: {whole}"));
    Ok(section)
}

async fn call_steadily(
    caller: &mut Caller,
    pause: Duration,
    until: Instant,
    latencies: tokio::sync::mpsc::Sender<f64>,
) -> anyhow::Result<()> {
    // Several calls for each tick, because a tick is at least a millisecond.
    let burst = (Duration::from_millis(4).as_secs_f64() / pause.as_secs_f64())
        .ceil()
        .max(1.0) as u32;
    let mut ticks = tokio::time::interval(pause * burst);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while Instant::now() < until {
        ticks.tick().await;
        for _ in 0..burst {
            let since = Instant::now();
            let (status, _) = caller.ask().await?;
            ensure!(status == 200, "{status}: {}", caller.text());
            // A full channel only means fewer samples.
            let _ = latencies.try_send(since.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(())
}

/// Opens a session, calls in it, closes it, as somebody else each time.
async fn come_and_go(server: &Process, until: Instant) -> anyhow::Result<usize> {
    let mut sessions = 0;
    while Instant::now() < until {
        let key = contenders::key(sessions % (KEYS / 2));
        let mut caller = Caller::connect(&server.address).await?;
        let headers = caller.open_session(&key, Lifecycle::Session).await?;
        caller.request = post(&key, &headers, &echo(Lifecycle::Session));
        caller.ask().await?;
        // A session in two is left open; the server ends it when it has been idle.
        if sessions % 2 == 0 {
            caller.request = format!("DELETE /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n{headers}\r\n").into_bytes();
            caller.ask().await?;
        }
        sessions += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(sessions)
}

/// Asks for something that takes a while, and goes before the answer is there.
async fn leave_early(server: &Process, until: Instant) -> anyhow::Result<usize> {
    let arguments = serde_json::json!({ "prompt": "What is MCP?" });
    let body = super::wire::call(Lifecycle::Stateless, "ollama-chat", &arguments);
    let mut left = 0;
    while Instant::now() < until {
        let key = contenders::key(left % (KEYS / 2));
        let mut caller = Caller::connect(&server.address).await?;
        caller.request = post(&key, &call_headers("ollama-chat"), &body);
        // Enough for the call to begin, not for the answer: either outcome is one to survive.
        let _ = tokio::time::timeout(Duration::from_millis(5), caller.ask()).await;
        left += 1;
        tokio::time::sleep(Duration::from_millis(45)).await;
    }
    Ok(left)
}

/// Takes the last key out of the file and puts it back.
async fn revoke(settings: &Settings, until: Instant) -> anyhow::Result<usize> {
    let file = settings.keys_file();
    let whole = fs::read_to_string(&file)?;
    let last = whole.rfind("[[key]]").context("a key")?;
    let mut revoked = 0;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_secs(2)).await;
        revoked += 1;
        // Written beside and moved, so that the server never reads half a file.
        let beside = file.with_extension("new");
        fs::write(
            &beside,
            if revoked % 2 == 1 {
                &whole[..last]
            } else {
                &whole
            },
        )?;
        fs::rename(&beside, &file)?;
    }
    Ok(revoked)
}

fn judge(section: &mut Section, looks: &[Look]) {
    let rows = looks
        .iter()
        .step_by(looks.len().div_ceil(12).max(1))
        .map(|look| {
            vec![
                format!("{:.0}", look.at.as_secs_f64()),
                format!("{:.1}", look.usage.rss as f64 / 1e6),
                look.usage.descriptors.to_string(),
                format!("{:.0}", look.p99),
                look.calls.to_string(),
            ]
        });
    section.say(&table(
        &["s", "RSS MB", "descriptors", "p99 µs", "calls"],
        rows,
    ));
    let minute = |looks: &[Look]| Spread::of(looks.iter().map(|look| look.p99)).middle;
    let looks_a_minute = (60 / LOOK_EVERY.as_secs() as usize).min(looks.len() / 2);
    let (first, last) = (
        &looks[..looks_a_minute],
        &looks[looks.len() - looks_a_minute..],
    );
    let ratio = minute(last) / minute(first);
    section.goal(Goal::at_most(
        "p99, last minute / first",
        Spread::one(ratio),
        1.2,
    ));
    // A third of the time to warm up; after it, nothing may grow.
    let warm = &looks[looks.len() / 3..];
    let rss = |look: &Look| look.usage.rss as f64;
    let ratio = warm.last().map_or(f64::NAN, rss) / warm.first().map_or(f64::NAN, rss);
    section.goal(Goal::at_most(
        "RSS at the end / after warming up",
        Spread::one(ratio),
        1.1,
    ));
    let open = |look: Option<&Look>| look.map_or(f64::NAN, |look| look.usage.descriptors as f64);
    section.goal(Goal::at_most(
        "descriptors, end − warmed up",
        Spread::one(open(warm.last()) - open(warm.first())),
        8.0,
    ));
}

/// Stops the server as an operator does, and has the product check its own record.
fn verify(server: Process, settings: &Settings) -> anyhow::Result<String> {
    server.stop()?;
    let newest = settings.audit_file();
    let older = |number: u32| {
        let mut name = newest.clone().into_os_string();
        name.push(format!(".{number}"));
        std::path::PathBuf::from(name)
    };
    let files = (1..=8)
        .rev()
        .map(older)
        .filter(|file| file.exists())
        .chain([newest.clone()]);
    let checked = Command::new(PRODUCT)
        .args(["audit", "verify"])
        .args(files)
        .output()?;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned()
        + &String::from_utf8_lossy(&checked.stderr);
    ensure!(
        checked.status.success(),
        "the audit chain is broken: {said}"
    );
    // The newest file's line, without its name, which is of this run alone.
    let last = said.lines().last().unwrap_or_default();
    Ok(last
        .split_once(": ")
        .map_or(last, |(_, verdict)| verdict)
        .to_owned())
}
