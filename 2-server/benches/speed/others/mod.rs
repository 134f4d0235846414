//! The same echo by others: FastMCP with its own authentication, rate limit and logging, and the
//! TypeScript SDK bare. `others/install.sh` puts them into a folder of their own.

use std::path::Path;

use anyhow::{Context as _, ensure};

use super::{
    Effort,
    compare::{RATE, figures},
    contenders::{KEYS, Settings},
    process::Process,
    report::{Goal, Section, folder},
    window::{Lane, connect, interleave},
    wire::Lifecycle,
};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/speed/others");

pub async fn run(effort: Effort) -> anyhow::Result<Section> {
    let tools = std::env::var("TOOLS_DIR").unwrap_or_else(|_| ".tools".to_owned());
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let peers = root.join(tools).join("peers");
    let (python, typescript) = (
        peers.join("fastmcp/bin/python"),
        peers.join("ts/typescript_server.mjs"),
    );
    ensure!(
        python.exists() && typescript.exists(),
        "FastMCP and the TypeScript SDK aren't installed: run {HERE}/install.sh"
    );
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path");
    std::fs::create_dir_all(folder())?;
    let log = text(&folder().join("fastmcp.log"))?;
    let fastmcp = Process::start(
        &text(&python)?,
        &[&format!("{HERE}/fastmcp_server.py"), &log],
    )?;
    let node = which("node").context("node is missing")?;
    let typescript = Process::start(&node, &[&text(&typescript)?])?;
    let settings = Settings::new(KEYS)?;
    let product = settings.product()?;

    let mut section = Section::new("others", "Beside other SDKs");
    for connections in effort.pick(&[16], &[16, 64]) {
        let mut lanes = Vec::new();
        for (name, server) in [
            ("FastMCP, secured", &fastmcp),
            ("TypeScript SDK, bare", &typescript),
            ("product", &product),
        ] {
            lanes.push(Lane::new(
                name,
                server,
                connect(server, Lifecycle::Stateless, connections).await?,
            ));
        }
        let (rounds, length) = effort.rounds();
        interleave(&mut lanes, rounds, length).await?;
        section.say(&format!(
            "`tools/call` of a 49-byte echo, 2026-07-28, {connections} connections:\n"
        ));
        section.say(&figures(&lanes));
        let ratio = |other: usize| lanes[2].series.ratio(&lanes[other].series, RATE);
        section.say(&format!(
            "product / TypeScript SDK, req/s: {}\n",
            ratio(1).show()
        ));
        section.goal(Goal::at_least(
            &format!("product / FastMCP secured, req/s, {connections} connections"),
            ratio(0),
            60.0,
        ));
    }
    Ok(section)
}

/// Servers are started without an environment, so they are named by their whole path.
fn which(program: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())?;
    Some(found.to_str()?.to_owned())
}
