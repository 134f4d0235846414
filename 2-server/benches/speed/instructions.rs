//! Instructions instead of time: valgrind counts what one request takes, so the figure is the same
//! on a busy machine, and a change that makes the hot path dearer can be refused.
//!
//! Server and caller run in one process, on one thread. Two runs of different length are counted,
//! and their difference is what the requests alone took: starting up cancels out.

use std::{collections::HashMap, fs, path::Path, process::Command};

use anyhow::{Context as _, bail, ensure};
use tokio::net::TcpListener;

use super::{
    contenders::{self, Settings},
    peers,
    report::{Goal, Section, folder, table},
    window::Spread,
    wire::{Caller, Lifecycle},
};

const SHORT: u64 = 200;
const LONG: u64 = 1_200;
/// Few, because reading them costs more than all requests together. Finding one costs the same.
const KEYS: usize = 100;
/// How much dearer a call may become, before the check fails.
const TOLERANCE: f64 = 0.10;
const BASELINE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/benches/speed/instructions.txt"
);
/// The product twice: a plain call, and one with a progress token, which goes through rmcp.
const SERVERS: [&str; 4] = ["raw", "bare", "product", LONG_WAY];
const LONG_WAY: &str = "product, the long way";

/// What runs under valgrind: so many requests to this server, in this process.
pub async fn exercise(requests: u64, name: &str, arguments: &[String]) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let peer = if name == LONG_WAY { "product" } else { name }.to_owned();
    let arguments = arguments.to_vec();
    let server = tokio::spawn(async move { peers::serve_on(listener, &peer, &arguments).await });
    let lifecycle = if name == LONG_WAY {
        Lifecycle::Progress
    } else {
        Lifecycle::Stateless
    };
    let mut caller = Caller::ready(&address, &contenders::key(7), lifecycle).await?;
    for _ in 0..requests {
        let (status, _) = caller.ask().await?;
        ensure!(status == 200, "{status}: {}", caller.text());
    }
    server.abort();
    Ok(())
}

/// Instructions by function, for one request.
struct Count {
    total: f64,
    by_function: Vec<(String, f64)>,
}

/// Counts one request of each server. `None` when there is no valgrind here.
fn count(servers: &[&str]) -> anyhow::Result<Option<Vec<Count>>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(None);
    }
    let settings = Settings::new(KEYS)?;
    let config = settings.file.to_str().context("a path")?;
    let mut counts = Vec::new();
    for server in servers {
        let arguments = if server.starts_with("product") {
            vec![config]
        } else {
            Vec::new()
        };
        let short = callgrind(SHORT, server, &arguments)?;
        let long = callgrind(LONG, server, &arguments)?;
        counts.push(difference(&short, &long));
    }
    Ok(Some(counts))
}

fn difference(short: &HashMap<String, u64>, long: &HashMap<String, u64>) -> Count {
    let requests = (LONG - SHORT) as f64;
    let mut by_function: Vec<(String, f64)> = long
        .iter()
        .map(|(name, after)| {
            let before = short.get(name).copied().unwrap_or_default();
            (name.clone(), (*after as f64 - before as f64) / requests)
        })
        .collect();
    by_function.sort_by(|a, b| b.1.total_cmp(&a.1));
    Count {
        total: by_function.iter().map(|(_, count)| count).sum(),
        by_function,
    }
}

/// What a server takes beyond raw axum, beside what bare rmcp takes beyond it. All are counted here
/// and now, so another compiler or libc moves all of them.
fn beyond(counts: &[Count], server: usize) -> f64 {
    let raw = counts[0].total;
    (counts[server].total - raw) / (counts[1].total - raw)
}

fn callgrind(
    requests: u64,
    server: &str,
    arguments: &[&str],
) -> anyhow::Result<HashMap<String, u64>> {
    fs::create_dir_all(folder())?;
    let out = folder().join(format!("callgrind.{server}.{requests}"));
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["exercise", &requests.to_string(), server])
        .args(arguments)
        .output()?;
    ensure!(
        run.status.success(),
        "valgrind: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    let annotated = Command::new("callgrind_annotate")
        .args(["--threshold=100", "--show-percs=no", "--auto=no"])
        .arg(&out)
        .output()
        .context("callgrind_annotate, which comes with valgrind")?;
    parse(&String::from_utf8_lossy(&annotated.stdout))
}

/// Lines such as `1,234,567  file:function [object]`.
fn parse(annotated: &str) -> anyhow::Result<HashMap<String, u64>> {
    let mut counts = HashMap::new();
    for line in annotated.lines() {
        let Some((number, rest)) = line.trim_start().split_once("  ") else {
            continue;
        };
        let Ok(number) = number.replace(',', "").parse::<u64>() else {
            continue;
        };
        let rest = rest.trim();
        if rest.starts_with("PROGRAM TOTALS") {
            continue;
        }
        let name = rest.split_once(':').map_or(rest, |(_file, name)| name);
        let name = name.rsplit_once(" [").map_or(name, |(name, _object)| name);
        *counts.entry(name.to_owned()).or_default() += number;
    }
    ensure!(
        !counts.is_empty(),
        "callgrind_annotate said nothing that is understood"
    );
    Ok(counts)
}

/// `make profile`: where the instructions of one request go.
pub fn profile() -> anyhow::Result<Section> {
    let mut section = Section::new("profile", "Instructions per request");
    let Some(counts) = count(&SERVERS)? else {
        bail!("valgrind is missing: install it with your system's packages, then try again");
    };
    let raw = counts[0].total;
    let rows = SERVERS.iter().zip(&counts).map(|(name, count)| {
        vec![
            (*name).to_owned(),
            format!("{:.0}", count.total),
            format!("{:.0}", count.total - raw),
        ]
    });
    section.say(
        "Server and caller in one process, in user space; the caller's part is the same for all.\n",
    );
    section.say(&table(
        &["server", "instructions per request", "more than raw axum"],
        rows,
    ));
    let ratio = counts[2].total / counts[1].total;
    section.goal(Goal::at_most(
        "product / bare rmcp, instructions per request, caller included",
        Spread::one(ratio),
        1.10,
    ));
    section.say("\nThe thirty functions that take most, in the product:\n");
    let bare: HashMap<&str, f64> = counts[1]
        .by_function
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    let rows = counts[2].by_function.iter().take(30).map(|(name, count)| {
        let share = format!("{:.1} %", count / counts[2].total * 100.0);
        let of_bare = bare.get(name.as_str()).copied().unwrap_or_default();
        vec![
            format!("`{}`", shorten(name)),
            format!("{count:.0}"),
            share,
            format!("{of_bare:.0}"),
        ]
    });
    section.say(&table(
        &["function", "instructions", "share", "in bare rmcp"],
        rows,
    ));
    Ok(section)
}

fn shorten(name: &str) -> String {
    if name.chars().count() > 100 {
        name.chars().take(97).chain("...".chars()).collect()
    } else {
        name.to_owned()
    }
}

/// `make bench-guard`: fails when a call of the product, on either way, takes over 10 % more than is
/// written down, both beside bare rmcp. `write` writes down what it takes now.
pub fn check(write: bool) -> anyhow::Result<()> {
    let Some(counts) = count(&SERVERS)? else {
        let why = "valgrind is missing, so the instructions of a request can't be counted: install it with your system's packages, such as apt-get install valgrind";
        bail!(why);
    };
    let now = [beyond(&counts, 2), beyond(&counts, 3)];
    if write {
        return Ok(fs::write(
            BASELINE,
            format!("{:.3}\n{:.3}\n", now[0], now[1]),
        )?);
    }
    let text = fs::read_to_string(Path::new(BASELINE)).context(BASELINE)?;
    let mut written = text.lines().map(str::parse::<f64>);
    let mut slipped = false;
    for (way, (now, count)) in SERVERS[2..].iter().zip(now.iter().zip(&counts[2..])) {
        let before = written.next().context(BASELINE)?.context(BASELINE)?;
        println!(
            "{way}: {:.0} instructions a request, {now:.3} of what bare rmcp adds to raw axum. Written down is {before:.3} ({:+.1} %).",
            count.total,
            (now / before - 1.0) * 100.0
        );
        slipped |= *now > before * (1.0 + TOLERANCE);
    }
    ensure!(
        !slipped,
        "a call has become more than 10 % dearer. `make profile` shows where. If it is worth it, write the new figures down: cargo bench -p mcp-server --bench speed -- check --write"
    );
    Ok(())
}
