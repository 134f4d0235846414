//! `mcp-server audit`: is the audit log whole, and what does it say?

mod files;
mod filter;
mod verify;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};
use serde_json::Value;

use self::{
    files::{Lines, meant},
    filter::Filter,
};
use super::{answer, is_unsafe, say};

/// How often a file that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Checks the hash chain of the audit log, also over the files that were set aside.
    #[command(
        after_help = "Examples:\n  mcp-server --config config/server.toml audit verify\n  mcp-server audit verify audit.jsonl*\n\nExit code 0 when every line holds, 1 when one doesn't; it is named."
    )]
    Verify {
        /// The files, in any order; else audit.file of the configuration and the older ones beside it.
        files: Vec<PathBuf>,
        /// The last link of the file before the oldest one, if you kept it.
        #[arg(long, value_name = "HEX")]
        after: Option<String>,
    },
    /// Shows the last records.
    Tail {
        /// The file; else audit.file of the configuration.
        file: Option<PathBuf>,
        /// How many, up to 10000.
        #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        lines: u16,
    },
    /// Shows the records that match.
    #[command(
        after_help = "Examples:\n  mcp-server audit query audit.jsonl --outcome FORBIDDEN --identity key:1f2e3d4c5b6a --since 2026-11-20\n  mcp-server --config config/server.toml audit query --follow --outcome UNAUTHORIZED"
    )]
    Query(Query),
}

#[derive(Debug, Args)]
struct Query {
    /// The files, in any order; else audit.file of the configuration and the older ones beside it.
    files: Vec<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    /// The records as they are, a JSON object a line.
    #[arg(long)]
    json: bool,
    /// Go on with the newest file, and show what comes.
    #[arg(short = 'f', long)]
    follow: bool,
}

impl Audit {
    pub(super) async fn run(self, config_file: Option<&Path>) -> anyhow::Result<ExitCode> {
        match self.command {
            AuditCommand::Verify { files, after } => {
                verify::run(meant(files, config_file)?, after.as_deref())
            }
            AuditCommand::Tail { file, lines } => {
                let newest = match file {
                    Some(file) => Some(file),
                    None => meant(Vec::new(), config_file)?.pop(),
                };
                let mut last = VecDeque::with_capacity(lines.into());
                if let Some(path) = newest {
                    for line in Lines::of(&path)? {
                        if last.len() == usize::from(lines) {
                            last.pop_front();
                        }
                        last.push_back(line?);
                    }
                }
                last.iter().try_for_each(|line| show(line))?;
                Ok(ExitCode::SUCCESS)
            }
            AuditCommand::Query(query) => query.run(config_file).await,
        }
    }
}

impl Query {
    async fn run(self, config_file: Option<&Path>) -> anyhow::Result<ExitCode> {
        let filter = self.filter.check()?;
        let files = meant(self.files, config_file)?;
        let mut found = 0_u64;
        let mut look = |line: &str| {
            let is_wanted = serde_json::from_str(line).is_ok_and(|record| filter.matches(&record));
            if !is_wanted {
                return Ok(());
            }
            found += 1;
            if self.json {
                answer(format_args!("{line}"))
            } else {
                show(line)
            }
        };
        let mut newest = None;
        for path in &files {
            let mut lines = Lines::of(path)?;
            for line in &mut lines {
                look(&line?)?;
            }
            newest = Some(lines);
        }
        while self.follow
            && let Some(lines) = &mut newest
        {
            tokio::time::sleep(LOOK_EVERY).await;
            for line in lines.more()? {
                look(&line?)?;
            }
        }
        say(format_args!("{found} records"));
        Ok(ExitCode::SUCCESS)
    }
}

/// One record as a person reads it.
fn show(line: &str) -> anyhow::Result<()> {
    let plain = |text: &str| -> String { text.chars().filter(|c| !is_unsafe(*c)).collect() };
    let Ok(record) = serde_json::from_str::<Value>(line) else {
        let start: String = line.chars().take(200).collect();
        return answer(format_args!("(no record) {}", plain(&start)));
    };
    let text = |field: &str| plain(record[field].as_str().unwrap_or_default());
    if record["audit"] == "begin" {
        return Ok(());
    }
    let took = record["duration_ms"]
        .as_f64()
        .map_or(String::new(), |ms| format!("{ms:.1} ms"));
    answer(format_args!(
        "{}  {:<12} {:<22} {} {}  {took}  {}",
        text("ts"),
        text("outcome"),
        text("identity"),
        text("method"),
        text("target"),
        text("denial"),
    ))
}
