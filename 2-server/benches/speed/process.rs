//! A server as a process of its own: started, pinned to a core, and measured from the outside, by
//! what the kernel counts.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{OnceLock, mpsc},
    time::Duration,
};

use anyhow::Context as _;

/// The server has a core of its own, and so has the load: neither takes time from the other.
pub const SERVER_CORE: usize = 0;
pub const LOAD_CORE: usize = 1;
/// A server with a million keys reads for a while.
const START: Duration = Duration::from_secs(180);
/// What the kernel counts `/proc/<pid>/stat` in, on Linux everywhere.
const TICK: Duration = Duration::from_millis(10);

/// A running server. Dropped, it is killed.
pub struct Process {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
}

impl Process {
    /// Starts a server and waits for the line that says where it listens.
    pub fn start(program: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut child = pinned(program, SERVER_CORE)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't start {program}"))?;
        let said = BufReader::new(child.stderr.take().context("its standard error")?);
        let (sender, lines) = mpsc::sync_channel(64);
        // Read to the end, or the server would one day wait for somebody to read.
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let _ = sender.try_send(line);
            }
        });
        let mut last = String::new();
        loop {
            let line = lines
                .recv_timeout(START)
                .with_context(|| format!("{program} didn't start: {last}"))?;
            if let Some((_, rest)) = line.split_once("listening on http://") {
                let address = rest.split('/').next().unwrap_or_default().to_owned();
                return Ok(Self { child, address });
            }
            last = line;
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let id = self.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        self.child.wait()?;
        Ok(())
    }

    pub fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that runs on one core, where `taskset` is there to say so.
pub fn pinned(program: &str, core: usize) -> Command {
    if !can_pin() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string(), program]);
    command
}

/// Whether servers and load can have a core each. Found out once: a process that is pinned sees only
/// one core.
pub fn can_pin() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        cores > LOAD_CORE && Command::new("taskset").arg("-V").output().is_ok()
    })
}

/// Moves this process, which makes the load, to its core.
pub fn pin_the_load() {
    if can_pin() {
        let id = std::process::id().to_string();
        // Without it the figures are noisier, and the table's spread says so.
        let _ = Command::new("taskset")
            .args(["-a", "-p", "-c", &LOAD_CORE.to_string(), &id])
            .output();
    }
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Time on a processor, user and system.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub rss: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

impl Usage {
    pub fn of(id: u32) -> anyhow::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status"))
            .context("the server has ended, or this isn't Linux")?;
        let kilobytes: u64 = status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .context("VmRSS")?;
        Ok(Self {
            cpu: cpu(id)?,
            rss: kilobytes * 1024,
            descriptors: fs::read_dir(format!("/proc/{id}/fd"))?.count(),
        })
    }
}

/// The same time twice: `stat` has it in ticks of 10 ms, `schedstat` of each thread in nanoseconds.
/// A window is half a second, so the finer one is taken where the kernel keeps it.
fn cpu(id: u32) -> anyhow::Result<Duration> {
    let fine = fs::read_dir(format!("/proc/{id}/task"))?
        .map(|thread| {
            let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        })
        .sum::<Option<u64>>();
    if let Some(nanos) = fine.filter(|nanos| *nanos > 0) {
        return Ok(Duration::from_nanos(nanos));
    }
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold anything; utime and stime are the 12th and 13th after it.
    let fields = stat.rsplit_once(')').context("stat")?.1.split_whitespace();
    let ticks: u32 = fields
        .skip(11)
        .take(2)
        .map(str::parse::<u32>)
        .sum::<Result<_, _>>()?;
    Ok(TICK * ticks)
}

/// How long the two cores of a measurement have been busy, whoever kept them so.
pub fn busy() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let of_core = |core: usize| {
        let name = format!("cpu{core}");
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(&name))?;
        let ticks: Vec<u32> = line
            .split_whitespace()
            .skip(1)
            .map_while(|t| t.parse().ok())
            .collect();
        // user nice system (idle iowait) irq softirq steal
        Some(
            [0, 1, 2, 5, 6, 7]
                .iter()
                .filter_map(|at| ticks.get(*at))
                .sum::<u32>(),
        )
    };
    let ticks: u32 = [SERVER_CORE, LOAD_CORE]
        .into_iter()
        .filter_map(of_core)
        .sum();
    TICK * ticks
}
