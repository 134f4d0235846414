//! `mcp-server audit`: is the record whole, and what does it say?

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::{answer, say};
use crate::interceptor::{audit::verify, text::is_unsafe};

#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Checks the hash chain of one file, or of several in their order, oldest first.
    #[command(
        after_help = "Example:\n  mcp-server audit verify audit.jsonl.1 audit.jsonl\n\nExit code 0 when every line holds, 1 when one doesn't; it is named."
    )]
    Verify {
        /// The files, oldest first.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The last link of the file before the first one, if you kept it.
        #[arg(long, value_name = "HEX")]
        after: Option<String>,
    },
    /// Shows the last records.
    Tail {
        /// The file.
        file: PathBuf,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
    },
    /// Shows the records that match.
    #[command(
        after_help = "Example:\n  mcp-server audit query audit.jsonl --outcome FORBIDDEN --identity key:1f2e3d4c5b6a --since 2026-11-20"
    )]
    Query(Query),
}

#[derive(Debug, Args)]
struct Query {
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The identity or the key's name.
    #[arg(long)]
    identity: Option<String>,
    /// SUCCESS, ERROR, UNAUTHORIZED, FORBIDDEN, THROTTLED, TIMEOUT, CANCELLED…
    #[arg(long)]
    outcome: Option<String>,
    /// The tool.
    #[arg(long)]
    tool: Option<String>,
    /// From this moment on, as the record writes it, or its beginning, such as 2026-11-20T14.
    #[arg(long)]
    since: Option<String>,
    /// Up to this moment.
    #[arg(long)]
    until: Option<String>,
    /// The records as they are, a JSON object a line.
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            AuditCommand::Verify { files, after } => check(&files, after),
            AuditCommand::Tail { file, lines } => {
                let mut last = VecDeque::with_capacity(lines.min(10_000));
                for line in read(&file)? {
                    if last.len() == lines.min(10_000) {
                        last.pop_front();
                    }
                    last.push_back(line?);
                }
                for line in last {
                    show(&line)?;
                }
                Ok(ExitCode::SUCCESS)
            }
            AuditCommand::Query(query) => query.run(),
        }
    }
}

fn check(files: &[PathBuf], mut previous: Option<String>) -> anyhow::Result<ExitCode> {
    for path in files {
        let file = File::open(path).with_context(|| format!("can't read {}", path.display()))?;
        let verdict = verify(BufReader::new(file), previous.as_deref())?;
        if let Some(fault) = verdict.fault {
            say(format_args!(
                "{}:{}: BROKEN: {}",
                path.display(),
                fault.line,
                fault.what
            ));
            say(format_args!(
                "{} lines before it hold; the last good link is {}",
                verdict.lines, verdict.last
            ));
            return Ok(ExitCode::FAILURE);
        }
        answer(format_args!(
            "{}: {} lines hold; the last link is {}",
            path.display(),
            verdict.lines,
            verdict.last
        ))?;
        previous = Some(verdict.last);
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &PathBuf) -> anyhow::Result<impl Iterator<Item = std::io::Result<String>>> {
    let file = File::open(path).with_context(|| format!("can't read {}", path.display()))?;
    Ok(BufReader::new(file).lines())
}

impl Query {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let mut found = 0_u64;
        for path in &self.files {
            for line in read(path)? {
                let line = line?;
                if serde_json::from_str(&line).is_ok_and(|record| self.matches(&record)) {
                    found += 1;
                    if self.json {
                        answer(format_args!("{line}"))?;
                    } else {
                        show(&line)?;
                    }
                }
            }
        }
        say(format_args!("{found} records"));
        Ok(ExitCode::SUCCESS)
    }

    fn matches(&self, record: &Value) -> bool {
        let is = |wanted: &Option<String>, fields: &[&str]| {
            wanted.as_ref().is_none_or(|wanted| {
                fields.iter().any(|field| {
                    record[*field]
                        .as_str()
                        .is_some_and(|value| value.eq_ignore_ascii_case(wanted))
                })
            })
        };
        let tool =
            self.tool.is_none() || record["method"] == "tools/call" && is(&self.tool, &["target"]);
        // Moments are written in one form and one zone, so they compare as text.
        let time = record["ts"].as_str().unwrap_or_default();
        let since = self
            .since
            .as_ref()
            .is_none_or(|since| time >= since.as_str());
        let until = self
            .until
            .as_ref()
            .is_none_or(|until| time <= until.as_str() || time.starts_with(until.as_str()));
        is(&self.identity, &["identity", "name"])
            && is(&self.outcome, &["outcome"])
            && tool
            && since
            && until
    }
}

/// One record as a person reads it.
fn show(line: &str) -> anyhow::Result<()> {
    let Ok(record) = serde_json::from_str::<Value>(line) else {
        return answer(format_args!(
            "(no record) {}",
            line.chars()
                .filter(|c| !is_unsafe(*c))
                .take(200)
                .collect::<String>()
        ));
    };
    let text = |field: &str| {
        record[field]
            .as_str()
            .unwrap_or_default()
            .chars()
            .filter(|c| !is_unsafe(*c))
            .collect::<String>()
    };
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
