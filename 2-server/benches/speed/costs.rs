//! What else may make a call dearer, and what is kept in memory: refusals, many tools, many keys,
//! sessions, identities.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::{
    Effort,
    compare::{CPU, figures},
    contenders::{self, FEWEST_KEYS, HASTY, KEYS, POOR, Settings},
    process::Process,
    report::{Goal, Section},
    window::{Lane, Spread, connect, interleave},
    wire::{Caller, Lifecycle, call_headers, echo, post},
};

const CONNECTIONS: usize = 16;

pub async fn run(effort: Effort) -> anyhow::Result<Section> {
    let mut section = Section::new("costs", "Refusals, tools, keys, memory");
    refusals(&mut section, effort).await?;
    tools(&mut section, effort).await?;
    keys(&mut section, effort).await?;
    memory(&mut section, effort).await?;
    Ok(section)
}

/// A refused call must not be dearer than one that is done, or refusals are a weapon.
async fn refusals(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let settings = Settings::new(KEYS)?;
    let server = settings.product()?;
    // The first call of this key is within its limit.
    let mut first = Caller::ready(&server.address, HASTY, Lifecycle::Stateless).await?;
    first.ask().await?;
    let refused = async |name, key: &str, expect| {
        let mut callers = Vec::new();
        for _ in 0..CONNECTIONS {
            callers.push(Caller::ready(&server.address, key, Lifecycle::Stateless).await?);
        }
        anyhow::Ok(Lane {
            expect,
            ..Lane::new(name, &server, callers)
        })
    };
    let mut lanes = [
        Lane::new(
            "accepted",
            &server,
            connect(&server, Lifecycle::Stateless, CONNECTIONS).await?,
        ),
        refused("401, an unknown key", "nobody", 401).await?,
        refused("403, a key without the scope", POOR, 403).await?,
        refused("429, a key past its rate", HASTY, 429).await?,
    ];
    let (rounds, length) = effort.rounds();
    // Within a minute, after which the hasty key may call once more.
    interleave(&mut lanes, rounds / 2, length).await?;
    section.say("Refused and accepted calls, 2026-07-28, 16 connections:\n");
    section.say(&figures(&lanes));
    let [accepted, refused @ ..] = &lanes;
    for lane in refused {
        let ratio = lane.series.ratio(&accepted.series, CPU);
        section.goal(Goal::at_most(
            &format!("refused ({}) / accepted, CPU", lane.name),
            ratio,
            1.0,
        ));
    }
    Ok(())
}

async fn tools(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let (few, many) = (Settings::new(KEYS)?, Settings::new(KEYS)?);
    let (few, many) = (few.guarded(4)?, many.guarded(200)?);
    let ratio = pair(section, effort, ("4 tools", &few), ("200 tools", &many)).await?;
    section.goal(Goal::at_most(
        "200 tools / 4 tools, CPU per call",
        ratio,
        1.05,
    ));
    Ok(())
}

async fn keys(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let most = effort.pick(&[100_000], &[1_000_000])[0];
    let (few, many) = (Settings::new(FEWEST_KEYS)?, Settings::new(most)?);
    let (few, many) = (few.product()?, many.product()?);
    let ratio = pair(section, effort, ("100 keys", &few), ("many keys", &many)).await?;
    section.goal(Goal::at_most(
        &format!("{most} keys / 100 keys, CPU per call"),
        ratio,
        1.10,
    ));
    Ok(())
}

async fn pair(
    section: &mut Section,
    effort: Effort,
    one: (&'static str, &Process),
    other: (&'static str, &Process),
) -> anyhow::Result<Spread> {
    let lane = async |(name, server)| {
        let callers = connect(server, Lifecycle::Stateless, CONNECTIONS).await?;
        anyhow::Ok(Lane::new(name, server, callers))
    };
    let mut lanes = [lane(one).await?, lane(other).await?];
    let (rounds, length) = effort.rounds();
    interleave(&mut lanes, rounds, length).await?;
    section.say(&format!("\n{} and {}:\n", one.0, other.0));
    section.say(&figures(&lanes));
    Ok(lanes[1].series.ratio(&lanes[0].series, CPU))
}

async fn memory(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let settings = Settings::new(FEWEST_KEYS)?;
    let server = settings.product()?;
    let idle = server.usage()?.rss as f64 / 1e6;
    section.goal(Goal::at_most(
        "idle RSS, MB, 100 keys",
        Spread::one(idle),
        12.0,
    ));
    let lane = Lane::new(
        "64 connections",
        &server,
        connect(&server, Lifecycle::Stateless, 64).await?,
    );
    let mut lanes = [lane];
    let (rounds, length) = effort.rounds();
    interleave(&mut lanes, rounds, length).await?;
    let busy = server.usage()?.rss as f64 / 1e6;
    section.goal(Goal::at_most(
        "RSS under 64 connections, MB",
        Spread::one(busy),
        20.0,
    ));

    let (few, many) = effort.pick(&[(200, 1_000)], &[(1_000, 5_000)])[0];
    // The same handler and allocator on both sides, so that only the interceptor differs.
    let others = Settings::new(FEWEST_KEYS)?;
    let (bare, guarded) = (contenders::peer(&["bare"])?, others.guarded(4)?);
    let whole = session(&server, few, many).await?;
    let mine = session(&guarded, few, many).await?;
    let its = session(&bare, few, many).await?;
    section.say(&format!(
        "\nAn open session takes {its:.0} bytes in bare rmcp, {mine:.0} behind the interceptor, and {whole:.0} in the product, whose allocator keeps more at hand."
    ));
    section.goal(Goal::at_most(
        "interceptor's memory per open session, bytes",
        Spread::one(mine - its),
        2048.0,
    ));

    let (few, many) = effort.pick(&[(5_000, 20_000)], &[(20_000, 200_000)])[0];
    let settings = Settings::new(many)?;
    let server = settings.product()?;
    see(&server, 0..few).await?;
    let before = server.usage()?.rss;
    see(&server, few..many).await?;
    let each = (server.usage()?.rss as f64 - before as f64) / (many - few) as f64;
    section.goal(Goal::at_most(
        "memory per known identity, bytes",
        Spread::one(each),
        300.0,
    ));
    Ok(())
}

/// Bytes per open session: what the later ones added.
async fn session(server: &Process, few: usize, many: usize) -> anyhow::Result<f64> {
    let mut before = 0;
    for number in 0..many {
        if number == few {
            before = server.usage()?.rss;
        }
        let mut caller = Caller::connect(&server.address).await?;
        let key = contenders::key(number % FEWEST_KEYS);
        caller.open_session(&key, Lifecycle::Session).await?;
    }
    // What the connections held is let go.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok((server.usage()?.rss as f64 - before as f64) / (many - few) as f64)
}

/// Has each of these keys make a call.
pub async fn see(server: &Process, keys: std::ops::Range<usize>) -> anyhow::Result<()> {
    let (headers, body) = (call_headers("echo"), echo(Lifecycle::Stateless));
    try_join_all((0..CONNECTIONS).map(async |from| {
        let mut caller = Caller::connect(&server.address).await?;
        for number in keys.clone().skip(from).step_by(CONNECTIONS) {
            caller.request = post(&contenders::key(number), &headers, &body);
            caller.ask().await?;
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok(())
}
