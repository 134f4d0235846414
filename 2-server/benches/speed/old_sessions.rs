//! Sessions of clients before 2026-07-28: does their memory level off?

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::future::try_join_all;

use super::{
    Effort,
    contenders::{self, FEWEST_KEYS, Settings},
    growth::draw,
    plot::Line,
    process::Process,
    report::Section,
    window::connect,
    wire::{Caller, Lifecycle},
};

const SESSIONS: usize = 16;
/// Of all sessions of a server together.
const CALLS_PER_SECOND: u32 = 800;
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub async fn run(effort: Effort) -> anyhow::Result<Section> {
    let length = Duration::from_secs(effort.pick(&[20], &[110])[0]);
    let settings = Settings::new(FEWEST_KEYS)?;
    let (bare, product) = (contenders::peer(&["bare"])?, settings.product()?);
    let until = Instant::now() + length;
    let (its, mine, looks) = tokio::try_join!(
        keep_calling(&bare, until),
        keep_calling(&product, until),
        look(&bare, &product, until)
    )?;
    let mut section = Section::new("sessions", "Sessions of older clients");
    section.say(&format!(
        "{SESSIONS} sessions (2025-06-18) of each server, {CALLS_PER_SECOND} calls a second: {its} calls of bare rmcp, {mine} of the product. Megabytes and CPU µs per call, by the second:\n"
    ));
    let line = |name: &str, figure: fn(&[f64; 5]) -> f64| Line {
        name: name.to_owned(),
        points: looks.iter().map(|look| (look[0], figure(look))).collect(),
    };
    let memory = [
        line("bare rmcp, MB", |look| look[1]),
        line("product, MB", |look| look[2]),
    ];
    draw(
        &mut section,
        "sessions-memory",
        "seconds",
        "MB of memory",
        &memory,
    )?;
    let costs = [
        line("bare rmcp, CPU µs", |look| look[3]),
        line("product, CPU µs", |look| look[4]),
    ];
    draw(
        &mut section,
        "sessions-cost",
        "seconds",
        "CPU µs per call",
        &costs,
    )?;
    Ok(section)
}

async fn keep_calling(server: &Process, until: Instant) -> anyhow::Result<usize> {
    let mut callers = connect(server, Lifecycle::Session, SESSIONS).await?;
    let calling = callers
        .iter_mut()
        .map(|caller| call_steadily(caller, until));
    Ok(try_join_all(calling).await?.into_iter().sum())
}

async fn call_steadily(caller: &mut Caller, until: Instant) -> anyhow::Result<usize> {
    let mut ticks =
        tokio::time::interval(Duration::from_secs(1) * SESSIONS as u32 / CALLS_PER_SECOND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut calls = 0;
    while Instant::now() < until {
        ticks.tick().await;
        let (status, _) = caller.ask().await?;
        ensure!(status == 200, "{status}: {}", caller.text());
        calls += 1;
    }
    Ok(calls)
}

/// Seconds, memory of both, and what a call took of both since the last look.
async fn look(bare: &Process, product: &Process, until: Instant) -> anyhow::Result<Vec<[f64; 5]>> {
    let (start, mut looks) = (Instant::now(), Vec::new());
    let mut last = [bare.usage()?, product.usage()?];
    while Instant::now() + LOOK_EVERY < until {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = [bare.usage()?, product.usage()?];
        let calls = LOOK_EVERY.as_secs_f64() * f64::from(CALLS_PER_SECOND);
        let cost = |which: usize| (now[which].cpu - last[which].cpu).as_secs_f64() * 1e6 / calls;
        let memory = |which: usize| now[which].rss as f64 / 1e6;
        looks.push([
            start.elapsed().as_secs_f64(),
            memory(0),
            memory(1),
            cost(0),
            cost(1),
        ]);
        last = now;
    }
    Ok(looks)
}
