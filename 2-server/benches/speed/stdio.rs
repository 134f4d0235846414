//! Over standard input and output: one caller, one message at a time, and how soon it gets its
//! first answer.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use super::{
    Effort,
    contenders::{self, KEYS, PRODUCT, Settings},
    process::{SERVER_CORE, Usage, pinned},
    report::{Goal, Section, table},
    window::Spread,
    wire::{Lifecycle, echo},
};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"speed","version":"1"}}}"#;
const READY: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A server as a host launches it.
struct Host {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    line: String,
}

impl Host {
    fn launch(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command
            .env("MCP_LLM__PROVIDER", "tutor")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            input: child.stdin.take().context("its input")?,
            output: BufReader::new(child.stdout.take().context("its output")?),
            child,
            line: String::new(),
        })
    }

    fn say(&mut self, line: &str) -> anyhow::Result<()> {
        self.input.write_all(line.as_bytes())?;
        Ok(self.input.write_all(b"\n")?)
    }

    fn ask(&mut self, line: &str) -> anyhow::Result<()> {
        self.say(line)?;
        self.line.clear();
        self.output.read_line(&mut self.line)?;
        ensure!(self.line.contains("\"result\""), "no result: {}", self.line);
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn run(effort: Effort) -> anyhow::Result<Section> {
    let mut section = Section::new("stdio", "Over stdio");
    let settings = Settings::new(KEYS)?;
    let mut product = pinned(PRODUCT, SERVER_CORE);
    product
        .arg("--config")
        .arg(&settings.file)
        .env("MCP_CLIENT_KEY", contenders::key(7));
    let mut bare = pinned(
        std::env::current_exe()?.to_str().context("a path")?,
        SERVER_CORE,
    );
    bare.arg("serve-stdio");

    let mut hosts = [
        ("rmcp, bare", Host::launch(bare)?),
        ("product", Host::launch(product)?),
    ];
    for (_, host) in &mut hosts {
        host.ask(HELLO)?;
        host.say(READY)?;
    }
    let (rounds, length) = effort.rounds();
    let mut cpu = [Vec::new(), Vec::new()];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..=rounds {
        for (index, (_, host)) in hosts.iter_mut().enumerate() {
            let (used, took) = ask_for(host, length)?;
            cpu[index].push(used);
            times[index].push(took);
        }
    }
    let rows = hosts.iter().enumerate().map(|(index, (name, _))| {
        let of = |all: &[Vec<f64>; 2]| Spread::of(all[index].iter().skip(1).copied()).show();
        vec![(*name).to_owned(), of(&cpu), of(&times)]
    });
    section.say("`tools/call` of a 49-byte echo, 2025-06-18, one at a time:\n");
    section.say(&table(
        &["server", "CPU µs per request", "µs from question to answer"],
        rows,
    ));
    let ratio = Spread::of(
        cpu[1]
            .iter()
            .zip(&cpu[0])
            .skip(1)
            .map(|(mine, its)| mine / its),
    );
    section.goal(Goal::at_most(
        "stdio: product / bare rmcp, CPU per call",
        ratio,
        1.10,
    ));

    let starts = effort.pick(&[5], &[30])[0];
    let start = Spread::of((0..starts).filter_map(|_| first_answer().ok()));
    section.goal(Goal::at_most(
        "stdio: from start to first answer, ms",
        start,
        5.0,
    ));
    Ok(section)
}

/// CPU µs and µs on the clock for one question, over a while of them.
fn ask_for(host: &mut Host, length: Duration) -> anyhow::Result<(f64, f64)> {
    let question = echo(Lifecycle::Session);
    let (before, start) = (Usage::of(host.child.id())?.cpu, Instant::now());
    let mut asked = 0.0;
    while start.elapsed() < length {
        host.ask(&question)?;
        asked += 1.0;
    }
    let (took, used) = (start.elapsed(), Usage::of(host.child.id())?.cpu - before);
    Ok((
        used.as_secs_f64() * 1e6 / asked,
        took.as_secs_f64() * 1e6 / asked,
    ))
}

/// Milliseconds from the launch, as a host does it, with default settings.
fn first_answer() -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut command = Command::new(PRODUCT);
    command.env_clear();
    let mut host = Host::launch(command)?;
    host.ask(HELLO)?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}
