//! What a measurement says: printed when it is done, kept beside the build, and put together into
//! BENCHMARKS.md.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};

use super::{process::can_pin, window::Spread};

/// The outcome of one measurement.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Section {
    /// Its name on the command line.
    pub name: String,
    pub title: String,
    pub text: String,
    pub goals: Vec<Goal>,
}

/// A goal, and what came out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Goal {
    pub what: String,
    pub goal: String,
    pub measured: String,
    pub is_met: bool,
}

impl Goal {
    pub fn at_most(what: &str, measured: Spread, most: f64) -> Self {
        Self::new(what, format!("≤ {most}"), measured, measured.middle <= most)
    }

    pub fn at_least(what: &str, measured: Spread, least: f64) -> Self {
        Self::new(
            what,
            format!("≥ {least}"),
            measured,
            measured.middle >= least,
        )
    }

    fn new(what: &str, goal: String, measured: Spread, is_met: bool) -> Self {
        Self {
            what: what.to_owned(),
            goal,
            measured: measured.show(),
            is_met,
        }
    }
}

impl Section {
    pub fn new(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            ..Self::default()
        }
    }

    pub fn say(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    pub fn goal(&mut self, goal: Goal) {
        self.goals.push(goal);
    }

    /// Prints the section and keeps it for the report.
    pub fn finish(&self) -> anyhow::Result<()> {
        println!("\n## {}\n\n{}", self.title, self.text);
        println!("{}", goals(std::slice::from_ref(self)));
        self.keep()
    }

    /// Keeps the section for the report.
    pub fn keep(&self) -> anyhow::Result<()> {
        fs::create_dir_all(folder())?;
        let file = folder().join(format!("{}.json", self.name));
        Ok(fs::write(file, serde_json::to_string_pretty(self)?)?)
    }
}

/// Where sections and plots are kept until the report is made.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("speed")
}

/// A table in Markdown, aligned so that it also reads in a terminal.
pub fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut all = vec![
        heads
            .iter()
            .map(|&head| head.to_owned())
            .collect::<Vec<_>>(),
    ];
    all.extend(rows);
    let width = |column: usize| {
        let cells = all.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!(" {cell:width$} "));
        format!("|{}|\n", padded.collect::<Vec<_>>().join("|"))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(&all[0]) + &line(&rule);
    for row in &all[1..] {
        text.push_str(&line(row));
    }
    text
}

fn goals(sections: &[Section]) -> String {
    let rows = sections
        .iter()
        .flat_map(|section| &section.goals)
        .map(|goal| {
            let verdict = if goal.is_met { "met" } else { "**not met**" };
            vec![
                goal.what.clone(),
                goal.goal.clone(),
                goal.measured.clone(),
                verdict.to_owned(),
            ]
        });
    table(&["goal", "wanted", "measured", ""], rows)
}

/// Puts the sections that have been run together into BENCHMARKS.md, and the plots beside it.
pub fn write() -> anyhow::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sections = Vec::new();
    for name in ORDER {
        // A section that wasn't run isn't in the report.
        if let Ok(text) = fs::read_to_string(folder().join(format!("{name}.json"))) {
            sections.push(serde_json::from_str::<Section>(&text)?);
        }
    }
    let written = |name: &str| fs::read_to_string(here.join("benches/speed").join(name));
    let mut text = written("introduction.md")?;
    text.push_str(&format!(
        "\nMeasured on {}, on {}.\n\n",
        today()?,
        machine()
    ));
    text.push_str("## Goals\n\n");
    text.push_str(&goals(&sections));
    text.push_str(&written("notes.md")?);
    for section in &sections {
        let Section {
            name,
            title,
            text: said,
            ..
        } = section;
        text.push_str(&format!(
            "\n## {title}\n\n`cargo bench -p mcp-server --bench speed -- {name}`\n\n{said}"
        ));
    }
    fs::write(here.join("BENCHMARKS.md"), text)?;
    let plots = here.join("benches/plots");
    fs::create_dir_all(&plots)?;
    for file in fs::read_dir(folder())? {
        let path = file?.path();
        if let (Some("svg"), Some(name)) = (
            path.extension().and_then(|end| end.to_str()),
            path.file_name(),
        ) {
            fs::copy(&path, plots.join(name))?;
        }
    }
    Ok(())
}

const ORDER: [&str; 9] = [
    "compare", "others", "stdio", "costs", "chat", "growth", "sessions", "soak", "profile",
];

fn today() -> anyhow::Result<String> {
    let date = Command::new("date").arg("+%Y-%m-%d").output()?;
    Ok(String::from_utf8_lossy(&date.stdout).trim().to_owned())
}

/// Cores and memory, and nothing that tells whose machine it is.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse::<f64>().ok());
    let pinned = if can_pin() {
        "server and load on one core each"
    } else {
        "server and load not pinned to cores"
    };
    format!(
        "{cores} cores and {:.0} GB of memory, {pinned}",
        kilobytes.unwrap_or_default() / 1e6
    )
}
