//! The command line: what can be typed, and what its exit codes mean.

mod ask;
mod doctor;
mod models;
// What the library has to say besides: warnings, and with --verbose more.
mod log;
// What is printed, and where to.
mod out;
mod pull;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use mcp_llm::{ErrorKind, Ollama, ProviderError, Settings, ollama::Host, settings::Choice};

use out::Out;

const AFTER: &str = "\
Examples:
  mcp-llm doctor                        what is there, and what to do next
  mcp-llm pull llama3.2                 fetch a model
  mcp-llm ask --stats \"What is MCP?\"    ask, and see how fast the answer came

Exit codes:
  0    done
  1    it failed; the message says what to do (doctor: something is missing)
  2    the command line is wrong
  130  stopped with Ctrl-C

Environment:
  OLLAMA_HOST       where Ollama listens (default 127.0.0.1:11434)
  OLLAMA_API_KEY    a key for Ollama, where it wants one
  OPENAI_BASE_URL, OPENAI_API_KEY
                    the same for --provider openai
  MCP_LLM__DEFAULT_MODEL
                    the model when none is named; else the first that can chat
  NO_COLOR          no colours";

/// Talk to a language model: Ollama, an OpenAI-compatible server, or the built-in tutor.
#[derive(Parser)]
#[command(name = "mcp-llm", version, after_help = AFTER)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Common {
    /// The engine's address, instead of OLLAMA_HOST.
    #[arg(long, global = true, env = "MCP_LLM__BASE_URL", value_name = "URL")]
    base_url: Option<String>,
    /// Who answers: auto is Ollama when it does, else the tutor.
    #[arg(long, global = true, env = "MCP_LLM__PROVIDER", default_value = "auto")]
    provider: ProviderName,
    /// Say also what belongs in a log: raw messages and addresses.
    #[arg(long, short, global = true)]
    verbose: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProviderName {
    Auto,
    Ollama,
    Openai,
    Tutor,
}

#[derive(Subcommand)]
enum Command {
    /// Find out what stands between here and a first answer.
    Doctor(doctor::Doctor),
    /// List the models that can be asked.
    Models(models::Models),
    /// Fetch a model into Ollama. Ctrl-C stops it; the next pull goes on from there.
    Pull(pull::Pull),
    /// Ask a question; the answer streams to standard output.
    Ask(ask::Ask),
}

/// Reads the command line and does what it says.
pub(crate) async fn run() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    log::install(common.verbose);
    let mut out = Out::new(common.verbose);
    let done = match command {
        Command::Doctor(doctor) => doctor.run(&common, &mut out).await,
        Command::Models(models) => models.run(&common, &mut out).await,
        Command::Pull(pull) => pull.run(&common, &mut out).await,
        Command::Ask(ask) => ask.run(&common, &mut out).await,
    };
    match done {
        Ok(code) => code,
        Err(Stop::Failed(error)) => {
            out.error(&error);
            ExitCode::FAILURE
        }
        // Whoever read the output has had enough, as `head` does.
        Err(Stop::NobodyReads) => ExitCode::SUCCESS,
    }
}

/// Why a command ends early.
enum Stop {
    Failed(ProviderError),
    NobodyReads,
}

/// What was typed can't work; the message says why.
fn invalid(problem: String) -> ProviderError {
    ProviderError::new(
        ErrorKind::Invalid,
        problem,
        "refused before anything was sent",
    )
}

impl From<ProviderError> for Stop {
    fn from(error: ProviderError) -> Self {
        Self::Failed(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::NobodyReads;
        }
        Self::Failed(ProviderError::new(
            ErrorKind::Engine,
            "The output can't be written.",
            error,
        ))
    }
}

impl Common {
    fn settings(&self) -> Settings {
        Settings {
            provider: match self.provider {
                ProviderName::Auto => Choice::Auto,
                ProviderName::Ollama => Choice::Ollama,
                ProviderName::Openai => Choice::Openai,
                ProviderName::Tutor => Choice::Tutor,
            },
            base_url: self.base_url.clone(),
            default_model: variable("MCP_LLM__DEFAULT_MODEL")
                .filter(|name| !name.trim().is_empty()),
            ..Settings::default()
        }
    }

    /// Whether the tutor stands in for an Ollama that doesn't answer.
    fn has_stand_in(&self) -> bool {
        matches!(self.provider, ProviderName::Auto)
    }

    /// Ollama itself, for what only it can do.
    fn ollama(&self) -> Result<Ollama, ProviderError> {
        if matches!(self.provider, ProviderName::Openai | ProviderName::Tutor) {
            let problem = "This command is about Ollama, and the provider is another one. See what that \
                one has with: mcp-llm models";
            return Err(invalid(problem.to_owned()));
        }
        let host =
            Host::find(self.base_url.as_deref(), "OLLAMA_HOST", &variable).map_err(invalid)?;
        if let Some(warning) = &host.warning {
            tracing::warn!("{}: {warning}", host.source);
        }
        let key = variable("OLLAMA_API_KEY").filter(|key| !key.trim().is_empty());
        Ollama::new(host, &self.settings(), key.as_deref())
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_has_an_example_and_the_exit_codes() {
        let help = Arguments::command().render_long_help().to_string();
        assert!(
            help.contains("Examples:") && help.contains("Exit codes:"),
            "{help}"
        );
    }
}
