//! What stands between here and a first answer: is Ollama there, which models has it, can one
//! call tools, does it fit into memory, is it loaded, and what to do next.

use std::fmt;

use serde::Serialize;

use crate::{
    ErrorKind, Model, Ollama, Provider, ProviderError,
    ollama::{Loaded, shown_name},
};

/// What a model needs beyond its file: the context and the working memory, roughly.
const BEYOND_THE_FILE: u64 = 1 << 30;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The sum of it.
    pub state: State,
    /// Where Ollama was sought.
    pub address: String,
    /// What set that address.
    pub address_from: String,
    /// Its version; empty when it doesn't answer.
    pub version: String,
    /// What is installed.
    pub models: Vec<Model>,
    /// What is in memory.
    pub loaded: Vec<Loaded>,
    /// The model that a chat uses when none is named; empty when there is none.
    pub chosen: String,
    /// Free memory in bytes, where it can be told: on this machine, on Linux.
    pub free_memory: Option<u64>,
    /// What loading the chosen model takes, roughly; 0 when it is loaded, or there is none.
    pub needs: u64,
    /// What went wrong, in words.
    pub problem: String,
    /// What to do now.
    pub next: Vec<String>,
}

/// How far the way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing answers, or something that isn't Ollama does.
    NoOllama,
    /// Ollama answers and has no model that can chat.
    NoModel,
    /// There is a model, and it can't call tools.
    NoTools,
    /// The model is larger than the free memory.
    TooLarge,
    /// The model is in memory and answers at once.
    Loaded,
    /// All is well; the first answer loads the model.
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
    let host = ollama.host();
    let mut report = Report {
        state: State::NoOllama,
        address: host.shown().to_owned(),
        address_from: host.source.to_owned(),
        version: String::new(),
        models: Vec::new(),
        loaded: Vec::new(),
        chosen: String::new(),
        // The memory of this machine says nothing about another one.
        free_memory: free_memory.filter(|_| host.is_loopback()),
        needs: 0,
        problem: String::new(),
        next: Vec::new(),
    };
    match look(ollama, &mut report).await {
        Ok(()) => judge(&mut report),
        Err(error) => no_ollama(&mut report, &error),
    }
    report
}

async fn look(ollama: &Ollama, report: &mut Report) -> Result<(), ProviderError> {
    report.version = ollama.version().await?;
    report.models = ollama.models().await?;
    report.loaded = ollama.loaded().await?;
    report.chosen = ollama.default_model().await.unwrap_or_default();
    Ok(())
}

fn no_ollama(report: &mut Report, error: &ProviderError) {
    report.problem = error.public.clone();
    if error.kind == ErrorKind::Unreachable {
        report.next = vec![
            "Install it from https://ollama.com/download, if it isn't installed.".to_owned(),
            "Start it: ollama serve".to_owned(),
        ];
    } else {
        report.next = vec!["Look at what listens there, or set OLLAMA_HOST.".to_owned()];
    }
    report.next.push(
        "Or go on without it: the built-in tutor answers from the pages (mcp-llm ask \"What is MCP?\").".to_owned(),
    );
}

fn judge(report: &mut Report) {
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
                "The configured model {} isn't installed: mcp-llm pull it, or name another.",
                shown_name(&report.chosen)
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
            vec![format!(
                "Ask something: mcp-llm ask --stats --model {name} \"What is a token?\""
            )],
        )
    } else if report.free_memory.is_some_and(|free| free < report.needs) {
        let close =
            "Close something large, or get a smaller model: mcp-llm pull llama3.2:1b".to_owned();
        (State::TooLarge, vec![close])
    } else {
        (
            State::Ready,
            vec![
                "Ask something; the first answer loads the model: mcp-llm ask \"What is a token?\""
                    .to_owned(),
            ],
        )
    };
}

fn is_latest(model: &Model, name: &str) -> bool {
    !name.is_empty() && model.name.eq_ignore_ascii_case(&format!("{name}:latest"))
}

/// The memory that programs can still have, on Linux; elsewhere it isn't asked.
pub fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Bytes as people say them.
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &str, well: Option<bool>, text: &str| {
            let mark = match well {
                Some(true) => "ok",
                Some(false) => "--",
                None => "  ",
            };
            writeln!(f, "{what:<8} {mark} {text}")
        };
        if self.version.is_empty() {
            line("Ollama", Some(false), &self.problem)?;
        } else {
            let Self {
                version,
                address,
                address_from,
                ..
            } = self;
            line(
                "Ollama",
                Some(true),
                &format!("version {version} answers at {address} (from {address_from})"),
            )?;
            match self.models.len() {
                0 => line("Models", Some(false), "none is installed")?,
                count if self.state == State::NoModel => {
                    line(
                        "Models",
                        Some(false),
                        &format!("{count} installed, none that a chat can use"),
                    )?;
                }
                count => line("Models", Some(true), &format!("{count} installed"))?,
            }
            for model in &self.models {
                let Model {
                    name,
                    parameters,
                    quantization,
                    capabilities,
                    size,
                } = model;
                let can = capabilities.join(", ");
                line(
                    "",
                    None,
                    &format!(
                        "{name:<22} {parameters:>6} {quantization:<7} {:>8}  {can}",
                        bytes(*size)
                    ),
                )?;
            }
            let chosen = &self.chosen;
            match self.state {
                State::NoOllama | State::NoModel => {}
                State::NoTools => line(
                    "Tools",
                    Some(false),
                    &format!("{chosen} can't call tools, and it is the best there is"),
                )?,
                State::TooLarge | State::Loaded | State::Ready => {
                    line(
                        "Tools",
                        Some(true),
                        &format!("{chosen} can call tools, and speaks when no model is named"),
                    )?;
                }
            }
            if let Some(free) = self.free_memory
                && self.needs > 0
            {
                let (free, needs) = (bytes(free), bytes(self.needs));
                let text = format!("{free} free on this machine; {chosen} takes about {needs}");
                line("Memory", Some(self.state != State::TooLarge), &text)?;
            }
            for Loaded {
                name,
                size,
                context_length,
                ..
            } in &self.loaded
            {
                line(
                    "Loaded",
                    Some(true),
                    &format!(
                        "{name}: {}, a context of {context_length} tokens",
                        bytes(*size)
                    ),
                )?;
            }
            if self.loaded.is_empty() && !chosen.is_empty() {
                line("Loaded", None, "no model yet")?;
            }
        }
        for (n, next) in self.next.iter().enumerate() {
            line(if n == 0 { "Next" } else { "" }, None, next)?;
        }
        Ok(())
    }
}
