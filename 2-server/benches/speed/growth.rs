//! What a call costs when there is more of something: connections, sessions, identities, tools,
//! bytes in the body, bytes in the audit file. Each plot should be flat, or the text says why not.

use std::{fs, time::Duration};

use serde_json::json;

use super::{
    Effort,
    contenders::{self, FEWEST_KEYS, Settings},
    costs::see,
    plot::{Line, svg},
    process::Process,
    report::{Section, folder, table},
    window::{Series, connect, measure},
    wire::{Caller, Lifecycle, call, call_headers, post},
};

const WINDOW: Duration = Duration::from_millis(400);
const WINDOWS: usize = 5;

pub async fn run(effort: Effort) -> anyhow::Result<Section> {
    let mut section = Section::new("growth", "Growth");
    section.say("CPU µs per call, by the number of…\n");
    connections(&mut section, effort).await?;
    sessions(&mut section, effort).await?;
    identities(&mut section, effort).await?;
    tools(&mut section, effort).await?;
    bodies(&mut section, effort).await?;
    audit_file(&mut section, effort).await?;
    Ok(section)
}

/// The middle of a few windows: CPU µs for each call.
async fn cost(server: &Process, callers: &mut [Caller]) -> anyhow::Result<f64> {
    let mut series = Series::default();
    for _ in 0..=WINDOWS {
        series
            .0
            .push(measure(server.id(), callers, 200, WINDOW).await?);
    }
    series.0.remove(0);
    Ok(series.of(super::compare::CPU).middle)
}

async fn connections(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let settings = Settings::new(FEWEST_KEYS)?;
    let servers = [
        ("bare rmcp", contenders::peer(&["bare"])?),
        ("product", settings.product()?),
    ];
    let mut lines = Vec::new();
    for (name, server) in &servers {
        let mut points = Vec::new();
        for connections in effort.pick(&[1, 16, 256], &[1, 4, 16, 64, 256, 1_000, 4_000, 10_000]) {
            let mut callers = connect(server, Lifecycle::Stateless, connections).await?;
            points.push((connections as f64, cost(server, &mut callers).await?));
        }
        lines.push(line(name, points));
    }
    draw(
        section,
        "connections",
        "open connections, all of them calling",
        lines,
    )
}

async fn sessions(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let settings = Settings::new(FEWEST_KEYS)?;
    let server = settings.product()?;
    let mut points = Vec::new();
    let mut open = 0;
    for sessions in effort.pick(&[10, 1_000], &[1, 10, 100, 1_000, 10_000]) {
        let mut opener = Caller::connect(&server.address).await?;
        while open < sessions {
            let key = contenders::key(open % FEWEST_KEYS);
            opener.open_session(&key, Lifecycle::Session).await?;
            open += 1;
        }
        let mut callers = connect(&server, Lifecycle::Stateless, 16).await?;
        points.push((sessions as f64, cost(&server, &mut callers).await?));
    }
    draw(
        section,
        "sessions",
        "open sessions beside 16 stateless callers",
        vec![line("product", points)],
    )
}

async fn identities(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let stages = effort.pick(&[100, 10_000], &[100, 1_000, 10_000, 100_000, 1_000_000]);
    let settings = Settings::new(stages.last().copied().unwrap_or_default())?;
    let server = settings.product()?;
    let (mut points, mut seen) = (Vec::new(), 0);
    for identities in stages {
        see(&server, seen..identities).await?;
        seen = identities;
        let mut callers = connect(&server, Lifecycle::Stateless, 16).await?;
        points.push((identities as f64, cost(&server, &mut callers).await?));
    }
    draw(
        section,
        "identities",
        "identities that have called",
        vec![line("product", points)],
    )
}

async fn tools(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let mut points = Vec::new();
    for tools in effort.pick(&[4, 200], &[4, 20, 100, 500, 2_000]) {
        let settings = Settings::new(FEWEST_KEYS)?;
        let server = settings.guarded(tools)?;
        let mut callers = connect(&server, Lifecycle::Stateless, 16).await?;
        points.push((tools as f64, cost(&server, &mut callers).await?));
    }
    draw(section, "tools", "tools", vec![line("interceptor", points)])
}

async fn bodies(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let settings = Settings::new(FEWEST_KEYS)?;
    let servers = [
        ("bare rmcp", contenders::peer(&["bare"])?),
        ("product", settings.product()?),
    ];
    let mut lines = Vec::new();
    for (name, server) in &servers {
        let mut points = Vec::new();
        for bytes in effort.pick(&[100, 10_000], &[100, 1_000, 10_000, 100_000, 1_000_000]) {
            let mut callers = connect(server, Lifecycle::Stateless, 4).await?;
            let body = call(
                Lifecycle::Stateless,
                "echo",
                &json!({ "message": "x".repeat(bytes) }),
            );
            for caller in &mut callers {
                caller.request = post(&contenders::key(1), &call_headers("echo"), &body);
            }
            points.push((bytes as f64, cost(server, &mut callers).await?));
        }
        lines.push(line(name, points));
    }
    draw(section, "body", "bytes to echo", lines)
}

/// The file grows with every call, up to its rotation and past it.
async fn audit_file(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let settings = Settings::new(FEWEST_KEYS)?;
    let server = settings.product()?;
    let mut callers = connect(&server, Lifecycle::Stateless, 16).await?;
    let (mut points, mut written, mut last) = (Vec::new(), 0, 0);
    for _ in 0..effort.pick(&[4], &[20])[0] {
        let spent = cost(&server, &mut callers).await?;
        let size = fs::metadata(settings.audit_file())?.len();
        // A file that is smaller than it was has been rotated.
        written += if size >= last { size - last } else { size };
        last = size;
        points.push((written as f64, spent));
    }
    draw(
        section,
        "audit",
        "bytes in the audit file, rotated every 64 MiB",
        vec![line("product", points)],
    )
}

fn line(name: &str, points: Vec<(f64, f64)>) -> Line {
    Line {
        name: name.to_owned(),
        points,
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a drawing is made for this one call"
)]
fn draw(section: &mut Section, name: &str, across: &str, lines: Vec<Line>) -> anyhow::Result<()> {
    let mut heads = vec![across];
    heads.extend(lines.iter().map(|line| line.name.as_str()));
    let rows = (0..lines[0].points.len()).map(|row| {
        let mut cells = vec![format!("{:.0}", lines[0].points[row].0)];
        cells.extend(
            lines
                .iter()
                .map(|line| format!("{:.1}", line.points[row].1)),
        );
        cells
    });
    section.say(&table(&heads, rows.collect::<Vec<_>>().into_iter()));
    fs::create_dir_all(folder())?;
    let picture = svg(
        &format!("CPU per call by {across}"),
        across,
        "CPU µs per call",
        &lines,
    );
    fs::write(folder().join(format!("{name}.svg")), picture)?;
    section.say(&format!(
        "![CPU per call by {across}](benches/plots/{name}.svg)\n"
    ));
    Ok(())
}
