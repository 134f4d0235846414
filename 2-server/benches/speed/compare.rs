//! Side by side: raw axum, bare rmcp, rmcp as its macros come, and the product with every control
//! on. All of them run the whole time; the load goes from one to the next, round by round.

use super::{
    Effort,
    contenders::{self, KEYS, Settings},
    report::{Goal, Section, table},
    window::{Lane, Spread, Window, connect, interleave},
    wire::Lifecycle,
};

pub async fn run(effort: Effort) -> anyhow::Result<Section> {
    let (settings, guarded) = (Settings::new(KEYS)?, Settings::new(KEYS)?);
    let servers = [
        ("raw axum", contenders::peer(&["raw"])?),
        ("rmcp, bare", contenders::peer(&["bare"])?),
        ("rmcp, as its macros come", contenders::peer(&["macros"])?),
        // The handler and the allocator of the bare server: what the controls alone cost.
        ("rmcp, bare, behind the interceptor", guarded.guarded(4)?),
        ("product", settings.product()?),
    ];
    let mut section = Section::new("compare", "Side by side");
    let mut stages: Vec<_> = effort
        .pick(&[16], &[16, 1, 64])
        .into_iter()
        .map(|connections| (Lifecycle::Stateless, connections))
        .collect();
    stages.push((Lifecycle::Progress, 16));
    stages.push((Lifecycle::Session, 16));
    for (lifecycle, connections) in stages {
        // Raw axum knows no sessions.
        let from = usize::from(lifecycle == Lifecycle::Session);
        let mut lanes = Vec::new();
        for (name, server) in &servers[from..] {
            lanes.push(Lane::new(
                name,
                server,
                connect(server, lifecycle, connections).await?,
            ));
        }
        let (rounds, length) = effort.rounds();
        interleave(&mut lanes, rounds, length).await?;
        show(&mut section, &lanes, lifecycle, connections);
    }
    Ok(section)
}

pub const CPU: fn(&Window) -> f64 = |window| window.cpu;
pub const RATE: fn(&Window) -> f64 = |window| window.requests_per_second;
const P99: fn(&Window) -> f64 = |window| window.p99;

fn show(section: &mut Section, lanes: &[Lane<'_>], lifecycle: Lifecycle, connections: usize) {
    let at = format!("{}, {connections} connections", lifecycle.name());
    section.say(&format!("`tools/call` of a 49-byte echo, {at}:\n"));
    section.say(&figures(lanes));

    let Some((product, others)) = lanes.split_last() else {
        return;
    };
    let rows = others.iter().map(|other| {
        let ratio = |figure| product.series.ratio(&other.series, figure);
        let (cpu, rate, p99) = (ratio(CPU), ratio(RATE), ratio(P99));
        let least = Spread::one(product.series.least(CPU) / other.series.least(CPU));
        if connections == 16 && lifecycle == Lifecycle::Stateless {
            section.goals.extend(match other.name {
                "rmcp, bare" => vec![
                    Goal::at_most("product / bare rmcp, CPU per call", cpu, 1.10),
                    Goal::at_most(
                        "the same, each in its cheapest tenth of windows",
                        least,
                        1.10,
                    ),
                    Goal::at_most("product / bare rmcp, p99", p99, 1.15),
                ],
                "rmcp, as its macros come" => {
                    vec![Goal::at_least(
                        "product / rmcp as its macros come, req/s",
                        rate,
                        1.2,
                    )]
                }
                "raw axum" => vec![Goal::at_least("product / raw axum, req/s", rate, 0.25)],
                _ => Vec::new(),
            });
        }
        vec![
            format!("product / {}", other.name),
            cpu.show(),
            least.show(),
            rate.show(),
            p99.show(),
        ]
    });
    let ratios = table(
        &[
            "",
            "CPU per request",
            "CPU, cheapest tenths",
            "req/s",
            "p99",
        ],
        rows.collect::<Vec<_>>().into_iter(),
    );
    section.say("\nRatios of neighbouring windows, in the middle and (from the lower to the upper quartile):\n");
    section.say(&ratios);
}

/// One line for each lane.
pub fn figures(lanes: &[Lane<'_>]) -> String {
    let rows = lanes.iter().map(|lane| {
        let series = &lane.series;
        let rss = series
            .0
            .iter()
            .map(|window| window.rss)
            .max()
            .unwrap_or_default();
        vec![
            lane.name.to_owned(),
            format!("{:.0}", series.of(RATE).middle),
            series.of(CPU).show(),
            format!("{:.1}", series.least(CPU)),
            format!("{:.0}", series.of(|window| window.p50).middle),
            format!("{:.0}", series.of(P99).middle),
            format!("{:.1}", rss as f64 / 1e6),
            format!("{} of {}", series.clean(), series.0.len()),
        ]
    });
    let heads = [
        "server",
        "req/s",
        "CPU µs per request",
        "in the cheapest tenth",
        "p50 µs",
        "p99 µs",
        "RSS MB",
        "undisturbed windows",
    ];
    table(&heads, rows)
}
