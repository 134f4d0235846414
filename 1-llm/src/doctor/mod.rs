//! What stands between here and a first answer: is Ollama there, which models does it have, can
//! one call tools, does it fit into memory, is it loaded, and what to do next.

// How the report reads.
mod display;

use serde::Serialize;

use crate::{ErrorKind, Model, Ollama, Provider, ProviderError, ollama::LoadedModel, text::quoted};

/// What a model needs beyond its file: the context and the working memory, roughly.
const BEYOND_THE_FILE: u64 = 1 << 30;

/// What the doctor found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The verdict over all of it.
    pub state: State,
    /// Where Ollama was sought.
    pub address: String,
    /// Who set that address: a variable, a setting, or nobody.
    pub address_from: String,
    /// Whether that is this machine, so that its memory says something.
    pub on_this_machine: bool,
    /// Its version; empty when it doesn't answer.
    pub version: String,
    /// The models that are installed.
    pub models: Vec<Model>,
    /// The models that are in memory.
    pub loaded: Vec<LoadedModel>,
    /// The model that a chat uses when none is named; empty when there is none.
    pub chosen: String,
    /// Free memory in bytes; `null` where it isn't known: on another machine, and anywhere but on
    /// Linux.
    pub free_memory: Option<u64>,
    /// Bytes that loading the chosen model takes, roughly; 0 when it is loaded, or there is none.
    pub needs: u64,
    /// What went wrong; empty when Ollama answers.
    pub problem: String,
    /// What to do next, one step an item.
    pub next: Vec<String>,
}

/// How far it is to a first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing answers as Ollama should: nothing is there, it is something else, or it is stuck.
    NoOllama,
    /// Ollama answers and has no model that can chat.
    NoModel,
    /// There is a model, and it can't call tools.
    NoTools,
    /// The model is larger than the free memory.
    TooLarge,
    /// The model is in memory and answers at once.
    Loaded,
    /// Nothing is missing; the first answer loads the model.
    Ready,
}

impl State {
    /// Whether a chat with tools will work.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Loaded | Self::Ready)
    }
}

/// Looks at an Ollama. `free_memory` is what the machine has left, where that is known.
pub async fn examine(ollama: &Ollama, free_memory: Option<u64>) -> Report {
    let address = ollama.address();
    let mut report = Report {
        state: State::NoOllama,
        address: address.as_str().to_owned(),
        address_from: address.source.to_string(),
        on_this_machine: address.is_loopback(),
        version: String::new(),
        models: Vec::new(),
        loaded: Vec::new(),
        chosen: String::new(),
        // The memory of this machine says nothing about another one.
        free_memory: free_memory.filter(|_| address.is_loopback()),
        needs: 0,
        problem: String::new(),
        next: Vec::new(),
    };
    match query(ollama, &mut report).await {
        Ok(()) => decide(&mut report),
        Err(error) => report_failure(&mut report, &error),
    }
    report
}

async fn query(ollama: &Ollama, report: &mut Report) -> Result<(), ProviderError> {
    report.version = ollama.version().await?;
    report.models = ollama.models().await?;
    report.loaded = ollama.loaded().await?;
    report.chosen = ollama.default_model().await.unwrap_or_default();
    Ok(())
}

fn report_failure(report: &mut Report, error: &ProviderError) {
    report.problem.clone_from(&error.public);
    report.next = match error.kind {
        ErrorKind::Unreachable => vec![
            "Install it from https://ollama.com/download, if it isn't installed.".to_owned(),
            "Start it: ollama serve".to_owned(),
        ],
        ErrorKind::TimedOut | ErrorKind::Busy { .. } => vec![
            "Ask again in a moment: mcp-llm doctor".to_owned(),
            "If that doesn't help, look at Ollama's log, or restart it.".to_owned(),
        ],
        ErrorKind::Unauthorized => Vec::new(),
        _ => vec!["Check which program listens there, or set OLLAMA_HOST.".to_owned()],
    };
    let tutor = "Or ask the built-in tutor: mcp-llm ask --model tutor \"What is MCP?\"";
    report.next.push(tutor.to_owned());
}

fn decide(report: &mut Report) {
    let chosen = report
        .models
        .iter()
        .find(|model| model.name == report.chosen || is_latest(model, &report.chosen));
    let Some(chosen) = chosen else {
        report.state = State::NoModel;
        report.next = vec![if report.chosen.is_empty() {
            "Get a model that can call tools: mcp-llm pull llama3.2".to_owned()
        } else {
            format!(
                "Get the model {} (mcp-llm pull), or name another one as the default.",
                quoted(&report.chosen)
            )
        }];
        return;
    };
    let can_call =
        chosen.capabilities.is_empty() || chosen.capabilities.iter().any(|what| what == "tools");
    let is_loaded = report
        .loaded
        .iter()
        .any(|loaded| loaded.name == chosen.name);
    report.needs = if is_loaded {
        0
    } else {
        chosen.size.saturating_add(BEYOND_THE_FILE)
    };
    let name = &chosen.name;
    (report.state, report.next) = if !can_call {
        let pull = "Get one that can call tools: mcp-llm pull llama3.2".to_owned();
        (
            State::NoTools,
            vec![
                pull,
                format!("{name} can chat meanwhile: mcp-llm ask \"Hello\""),
            ],
        )
    } else if is_loaded {
        (
            State::Loaded,
            vec!["Ask something: mcp-llm ask --stats \"What is a token?\"".to_owned()],
        )
    } else if report.free_memory.is_some_and(|free| free < report.needs) {
        let close = "Close a program, or get a smaller model: mcp-llm pull llama3.2:1b";
        (State::TooLarge, vec![close.to_owned()])
    } else {
        (
            State::Ready,
            vec!["Ask; the first answer loads it: mcp-llm ask \"What is a token?\"".to_owned()],
        )
    };
}

fn is_latest(model: &Model, name: &str) -> bool {
    !name.is_empty() && model.name.eq_ignore_ascii_case(&format!("{name}:latest"))
}

/// The memory that programs can still have. Known on Linux only; elsewhere the report says so.
pub fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// A number of bytes in the unit that people use for it.
#[allow(
    clippy::cast_precision_loss,
    reason = "one digit after the point is shown"
)]
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{} kB", count / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}
