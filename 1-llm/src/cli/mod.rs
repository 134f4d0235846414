//! The command line: what can be typed, and what its exit codes mean.

// The global options.
mod common;
// Results go to standard output, notes to standard error.
mod out;
// The library's warnings, and with --verbose more.
mod log;
// Is everything there?
mod doctor;
// Which models are there?
mod models;
// Fetch one.
mod pull;
// Ask it something.
mod ask;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use common::{Common, Stop};
use out::Out;

const AFTER: &str = "\
Examples:
  mcp-llm doctor                        see what is missing, and what to do next
  mcp-llm pull llama3.2                 fetch a model
  mcp-llm ask --stats \"What is MCP?\"    ask, and see how fast the answer came

Exit codes:
  0    done
  1    it failed; the message says what to do (doctor: something is missing)
  2    the command line is wrong
  130  stopped with Ctrl-C

Environment:
  OLLAMA_HOST       where Ollama listens (default 127.0.0.1:11434)
  OLLAMA_API_KEY    a key for Ollama, if it requires one
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

#[derive(Subcommand)]
enum Command {
    /// Find out what stands between here and a first answer.
    Doctor(doctor::Doctor),
    /// List the models that can be asked.
    Models(models::Models),
    /// Fetch a model into Ollama. Ctrl-C stops it; the next pull continues from there.
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
        Err(Stop::OutputClosed) => ExitCode::SUCCESS,
    }
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
