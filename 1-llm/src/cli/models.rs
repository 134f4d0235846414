//! `mcp-llm models`

use std::process::ExitCode;

use mcp_llm::{connect, doctor::bytes};

use super::{
    common::{Common, Stop, variable},
    out::Out,
};

#[derive(clap::Args)]
pub(super) struct Models {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

impl Models {
    pub(super) async fn run(self, common: &Common, out: &mut Out) -> Result<ExitCode, Stop> {
        let provider = connect(&common.settings(), &variable)?;
        let models = provider.models().await?;
        if self.json {
            out.line(&serde_json::to_string_pretty(&models).map_err(std::io::Error::from)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let widest = models
            .iter()
            .map(|model| model.name.chars().count())
            .max()
            .unwrap_or(0)
            .min(60);
        for model in &models {
            let size = if model.size == 0 {
                String::new()
            } else {
                bytes(model.size)
            };
            let line = format!(
                "{:<widest$}  {:>6} {:<8} {size:>8}  {}",
                model.name,
                model.parameters,
                model.quantization,
                model.capabilities.join(", ")
            );
            out.line(line.trim_end())?;
        }
        if models.is_empty() {
            out.note("No model yet. Get one with: mcp-llm pull llama3.2");
        }
        // Only the tutor is listed when Ollama doesn't answer: say why.
        if common.has_stand_in()
            && models.len() == 1
            && let Err(why) = common.ollama()?.version().await
        {
            out.note(&why.public);
        }
        Ok(ExitCode::SUCCESS)
    }
}
