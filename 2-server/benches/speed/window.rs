//! One measurement: a window of load on one server, and what many of them say together.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::future::try_join_all;

use super::{
    contenders,
    process::{self, Process, Usage},
    wire::{Caller, Lifecycle},
};

/// A window in which others took more of the two cores than this is dropped.
const DISTURBED: f64 = 0.06;
/// How many more rounds there may be than wanted, when others disturb some.
const PATIENCE: usize = 2;

/// What a window of load showed.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub requests_per_second: f64,
    /// The server's time on a processor for each request, in µs.
    pub cpu: f64,
    /// Latencies, in µs.
    pub p50: f64,
    pub p99: f64,
    pub rss: u64,
    /// The share of the two cores that neither server nor load used.
    pub others: f64,
}

impl Window {
    pub fn is_clean(&self) -> bool {
        self.others <= DISTURBED
    }
}

/// Keeps every caller asking for a while. Each answer must have the status that is expected.
pub async fn measure(
    server: u32,
    callers: &mut [Caller],
    expect: u16,
    length: Duration,
) -> anyhow::Result<Window> {
    let (before, busy, own) = (
        Usage::of(server)?,
        process::busy(),
        Usage::of(std::process::id())?,
    );
    let start = Instant::now();
    let until = start + length;
    let latencies = try_join_all(
        callers
            .iter_mut()
            .map(|caller| drive(caller, expect, until)),
    )
    .await?;
    let took = start.elapsed();
    let (after, own) = (
        Usage::of(server)?,
        Usage::of(std::process::id())?.cpu - own.cpu,
    );
    let cpu = after.cpu - before.cpu;
    let others = (process::busy() - busy).saturating_sub(cpu + own);

    let mut latencies: Vec<u32> = latencies.into_iter().flatten().collect();
    ensure!(
        !latencies.is_empty(),
        "no request was answered in {length:?}"
    );
    latencies.sort_unstable();
    let at = |share: f64| f64::from(latencies[(latencies.len() as f64 * share) as usize]) / 1e3;
    let requests = latencies.len() as f64;
    Ok(Window {
        requests_per_second: requests / took.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / requests,
        p50: at(0.5),
        p99: at(0.99),
        rss: after.rss,
        others: others.as_secs_f64() / took.as_secs_f64() / 2.0,
    })
}

async fn drive(caller: &mut Caller, expect: u16, until: Instant) -> anyhow::Result<Vec<u32>> {
    let mut nanos = Vec::with_capacity(4096);
    let mut since = Instant::now();
    while since < until {
        let (status, _) = caller.ask().await?;
        ensure!(status == expect, "expected {expect}: {}", caller.text());
        let now = Instant::now();
        nanos.push(u32::try_from((now - since).as_nanos()).unwrap_or(u32::MAX));
        since = now;
    }
    Ok(nanos)
}

/// One server under one kind of load, among others that it is compared with.
pub struct Lane<'a> {
    pub name: &'static str,
    pub server: &'a Process,
    pub callers: Vec<Caller>,
    /// The status that every answer has.
    pub expect: u16,
    pub series: Series,
}

impl<'a> Lane<'a> {
    pub fn new(name: &'static str, server: &'a Process, callers: Vec<Caller>) -> Self {
        Self {
            name,
            server,
            callers,
            expect: 200,
            series: Series::default(),
        }
    }
}

/// Goes from lane to lane, round by round, until so many rounds were undisturbed from one end to the
/// other, or patience ends. The first round warms up and isn't counted.
pub async fn interleave(
    lanes: &mut [Lane<'_>],
    rounds: usize,
    length: Duration,
) -> anyhow::Result<()> {
    let mut clean = 0;
    for round in 0..=rounds * PATIENCE {
        let mut is_clean = true;
        for lane in &mut *lanes {
            let id = lane.server.id();
            let window = measure(id, &mut lane.callers, lane.expect, length).await?;
            is_clean &= window.is_clean();
            if round > 0 {
                lane.series.0.push(window);
            }
        }
        clean += usize::from(is_clean && round > 0);
        if clean >= rounds {
            break;
        }
    }
    Ok(())
}

/// So many connections, each another caller's.
pub async fn connect(
    server: &Process,
    lifecycle: Lifecycle,
    connections: usize,
) -> anyhow::Result<Vec<Caller>> {
    let mut callers = Vec::with_capacity(connections);
    for number in 0..connections {
        let key = contenders::key(number % contenders::FEWEST_KEYS);
        callers.push(Caller::ready(&server.address, &key, lifecycle).await?);
    }
    Ok(callers)
}

/// A middle and how far the rest lies around it.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub middle: f64,
    pub high: f64,
}

impl Spread {
    /// Median, and the quartiles around it.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (values.len().saturating_sub(1) as f64 * share).round() as usize;
            values.get(index).copied().unwrap_or(f64::NAN)
        };
        Self {
            low: at(0.25),
            middle: at(0.5),
            high: at(0.75),
        }
    }

    /// A figure that was measured once.
    pub fn one(value: f64) -> Self {
        Self {
            low: value,
            middle: value,
            high: value,
        }
    }

    pub fn show(&self) -> String {
        if self.low == self.high {
            return format!("{:.2}", self.middle);
        }
        format!("{:.2} ({:.2}–{:.2})", self.middle, self.low, self.high)
    }
}

/// The windows of one server. Window `n` of every server was taken in round `n`, so what disturbed
/// one disturbed its neighbours too, and a ratio within a round is fairer than one of averages.
#[derive(Debug, Clone, Default)]
pub struct Series(pub Vec<Window>);

impl Series {
    /// The clean windows; all of them when that leaves fewer than three.
    fn used(&self) -> impl Iterator<Item = &Window> {
        let clean = self.clean();
        self.0
            .iter()
            .filter(move |window| clean < 3 || window.is_clean())
    }

    pub fn clean(&self) -> usize {
        self.0.iter().filter(|window| window.is_clean()).count()
    }

    pub fn of(&self, figure: impl Fn(&Window) -> f64) -> Spread {
        Spread::of(self.used().map(figure))
    }

    /// The cheapest tenth: whoever shares the machine only ever makes a request dearer.
    pub fn least(&self, figure: impl Fn(&Window) -> f64) -> f64 {
        let mut values: Vec<f64> = self.used().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 10).copied().unwrap_or(f64::NAN)
    }

    /// This server's figure for each one of the other's, round by round.
    pub fn ratio(&self, other: &Self, figure: impl Fn(&Window) -> f64) -> Spread {
        let rounds = || self.0.iter().zip(&other.0);
        let is_clean = |(a, b): &(&Window, &Window)| a.is_clean() && b.is_clean();
        let enough = rounds().filter(is_clean).count() >= 3;
        Spread::of(
            rounds()
                .filter(|pair| !enough || is_clean(pair))
                .map(|(mine, its)| figure(mine) / figure(its)),
        )
    }
}
