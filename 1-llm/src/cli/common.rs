//! What all commands share: the global options, and the ways in which a command ends early.

use mcp_llm::{ErrorKind, Ollama, ProviderError, ProviderName, Settings};

/// The options that every command takes.
#[derive(clap::Args)]
pub(super) struct Common {
    /// The engine's address, instead of OLLAMA_HOST (or OPENAI_BASE_URL).
    #[arg(long, global = true, env = "MCP_LLM__BASE_URL", value_name = "URL")]
    base_url: Option<String>,
    /// Who answers: auto is Ollama when it does, else the tutor.
    #[arg(long, global = true, env = "MCP_LLM__PROVIDER", default_value = "auto")]
    provider: ProviderName,
    /// Also print what belongs in a log: raw messages and addresses.
    #[arg(long, short, global = true)]
    pub(super) verbose: bool,
}

impl Common {
    pub(super) fn settings(&self) -> Settings {
        Settings {
            provider: self.provider,
            base_url: self.base_url.clone(),
            default_model: variable("MCP_LLM__DEFAULT_MODEL")
                .filter(|name| !name.trim().is_empty()),
            ..Settings::default()
        }
    }

    /// Whether the tutor stands in for an Ollama that doesn't answer.
    pub(super) fn has_stand_in(&self) -> bool {
        self.provider == ProviderName::Auto
    }

    /// Ollama itself, for what only it can do.
    pub(super) fn ollama(&self) -> Result<Ollama, ProviderError> {
        if !matches!(self.provider, ProviderName::Auto | ProviderName::Ollama) {
            return Err(ProviderError::invalid(
                "This command is about Ollama, and the provider is another one. List that one's \
                 models with: mcp-llm models",
            ));
        }
        Ollama::connect(&self.settings(), &variable)
    }
}

/// A variable of the environment.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Why a command ends early.
pub(super) enum Stop {
    Failed(ProviderError),
    /// Nobody reads the output any more, as after `head`.
    OutputClosed,
}

impl From<ProviderError> for Stop {
    fn from(error: ProviderError) -> Self {
        Self::Failed(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::Failed(ProviderError::new(
            ErrorKind::Engine,
            "The output can't be written.",
            error,
        ))
    }
}
