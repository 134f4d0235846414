//! What a call costs when there is more of something: connections, sessions, identities, tools,
//! bytes in the body, bytes in the audit file. Each plot should be flat, or the text says why not.

use std::{fs, time::Duration};

use serde_json::json;

use super::{
    Effort,
    compare::CPU,
    contenders::{self, FEWEST_KEYS, Settings},
    costs::see,
    plot::{Line, svg},
    process::Process,
    report::{Section, folder, table},
    window::{Lane, connect, interleave},
    wire::{Caller, Lifecycle, call, call_headers, post},
};

const WINDOW: Duration = Duration::from_millis(400);
const WINDOWS: usize = 5;
const COST: &str = "CPU µs per call";

pub async fn run(effort: Effort) -> anyhow::Result<Section> {
    let mut section = Section::new("growth", "Growth");
    section.say("CPU µs per call, by the number of…\n");
    connections(&mut section, effort).await?;
    sessions(&mut section, effort).await?;
    tools(&mut section, effort).await?;
    bodies(&mut section, effort).await?;
    audit_file(&mut section, effort).await?;
    // Kept before the longest of them, which a million calls precede.
    section.keep()?;
    identities(&mut section, effort).await?;
    Ok(section)
}

/// CPU µs for each call, the middle of a few windows.
async fn cost(server: &Process, callers: Vec<Caller>) -> anyhow::Result<f64> {
    let mut lanes = [Lane::new("", server, callers)];
    interleave(&mut lanes, WINDOWS, WINDOW).await?;
    Ok(lanes[0].series.of(CPU).middle)
}

/// The same for two servers, window by window in turn.
async fn costs(one: Lane<'_>, other: Lane<'_>) -> anyhow::Result<[f64; 2]> {
    let mut lanes = [one, other];
    interleave(&mut lanes, WINDOWS, WINDOW).await?;
    Ok(lanes.map(|lane| lane.series.of(CPU).middle))
}

async fn connections(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let settings = Settings::new(FEWEST_KEYS)?;
    let (bare, product) = (contenders::peer(&["bare"])?, settings.product()?);
    let mut points = [Vec::new(), Vec::new()];
    for connections in effort.pick(&[1, 16, 256], &[1, 4, 16, 64, 256, 1_000, 4_000, 9_000]) {
        let its = connect(&bare, Lifecycle::Stateless, connections).await?;
        let mine = connect(&product, Lifecycle::Stateless, connections).await?;
        let spent = costs(Lane::new("", &bare, its), Lane::new("", &product, mine)).await?;
        for (line, spent) in points.iter_mut().zip(spent) {
            line.push((connections as f64, spent));
        }
    }
    let [its, mine] = points;
    let lines = [line("bare rmcp", its), line("product", mine)];
    draw(
        section,
        "connections",
        "open connections, all of them calling",
        COST,
        &lines,
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
        let callers = connect(&server, Lifecycle::Stateless, 16).await?;
        points.push((sessions as f64, cost(&server, callers).await?));
    }
    draw(
        section,
        "sessions",
        "open sessions beside 16 stateless callers",
        COST,
        &[line("product", points)],
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
        let callers = connect(&server, Lifecycle::Stateless, 16).await?;
        points.push((identities as f64, cost(&server, callers).await?));
    }
    draw(
        section,
        "identities",
        "identities that have called",
        COST,
        &[line("product", points)],
    )
}

async fn tools(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let mut points = Vec::new();
    for tools in effort.pick(&[4, 200], &[4, 20, 100, 500, 2_000]) {
        let settings = Settings::new(FEWEST_KEYS)?;
        let server = settings.guarded(tools)?;
        let callers = connect(&server, Lifecycle::Stateless, 16).await?;
        points.push((tools as f64, cost(&server, callers).await?));
    }
    draw(
        section,
        "tools",
        "tools",
        COST,
        &[line("interceptor", points)],
    )
}

async fn bodies(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let settings = Settings::new(FEWEST_KEYS)?;
    let (bare, product) = (contenders::peer(&["bare"])?, settings.product()?);
    let mut points = [Vec::new(), Vec::new()];
    for bytes in effort.pick(&[100, 10_000], &[100, 1_000, 10_000, 100_000, 1_000_000]) {
        let message = json!({ "message": "x".repeat(bytes) });
        let body = call(Lifecycle::Stateless, "echo", &message);
        let lane = async |server| {
            let mut callers = connect(server, Lifecycle::Stateless, 4).await?;
            for caller in &mut callers {
                caller.request = post(&contenders::key(1), &call_headers("echo"), &body);
            }
            anyhow::Ok(Lane::new("", server, callers))
        };
        let spent = costs(lane(&bare).await?, lane(&product).await?).await?;
        for (line, spent) in points.iter_mut().zip(spent) {
            line.push((bytes as f64, spent));
        }
    }
    let [its, mine] = points;
    draw(
        section,
        "body",
        "bytes to echo",
        COST,
        &[line("bare rmcp", its), line("product", mine)],
    )
}

/// The file grows with every call, up to its rotation and past it.
async fn audit_file(section: &mut Section, effort: Effort) -> anyhow::Result<()> {
    let settings = Settings::new(FEWEST_KEYS)?;
    let server = settings.product()?;
    let (mut points, mut written, mut last) = (Vec::new(), 0, 0);
    for _ in 0..effort.pick(&[4], &[12])[0] {
        let callers = connect(&server, Lifecycle::Stateless, 16).await?;
        let spent = cost(&server, callers).await?;
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
        COST,
        &[line("product", points)],
    )
}

fn line(name: &str, points: Vec<(f64, f64)>) -> Line {
    Line {
        name: name.to_owned(),
        points,
    }
}

/// A table and a plot of the same figures.
pub fn draw(
    section: &mut Section,
    name: &str,
    across: &str,
    up: &str,
    lines: &[Line],
) -> anyhow::Result<()> {
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
    let picture = svg(&format!("{up} by {across}"), across, up, lines);
    fs::write(folder().join(format!("{name}.svg")), picture)?;
    section.say(&format!("![{up} by {across}](benches/plots/{name}.svg)\n"));
    Ok(())
}
