//! `ollama-list-models`: which models can be asked, and who speaks when none is named.

use std::{fmt::Write as _, sync::Arc};

use mcp_llm::Provider;
use rmcp::model::ToolAnnotations;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Tool, ToolContext, ToolError, ollama_chat::told, untrusted};

/// The tool.
pub struct OllamaListModels {
    provider: Arc<dyn Provider>,
}

impl OllamaListModels {
    /// Lists what this provider has.
    pub fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider }
    }
}

/// What it takes: nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {}

/// What it gives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Who speaks: `ollama`, `openai`, or `tutor` when there is no model.
    provider: String,
    /// The model that answers when none is named; empty when there is none.
    default_model: String,
    /// The models, by name.
    models: Vec<Model>,
}

/// A model.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Model {
    /// The name to ask for it by.
    name: String,
    /// Bytes on disk; 0 when unknown.
    size: u64,
    /// Parameter count, such as `3.2B`; empty when unknown.
    parameters: String,
    /// Quantisation, such as `Q4_K_M`; empty when unknown.
    quantization: String,
    /// What it can do, such as `completion`, `tools`, `thinking`, `vision`.
    capabilities: Vec<String>,
}

impl Tool for OllamaListModels {
    type Input = Input;
    type Output = Output;

    const NAME: &'static str = "ollama-list-models";
    const TITLE: &'static str = "List language models";
    const DESCRIPTION: &'static str = "Lists the language models that ollama-chat can use, and says which one answers by default.";

    fn annotations(&self) -> ToolAnnotations {
        ToolAnnotations::new()
            .read_only(true)
            .idempotent(true)
            .open_world(false)
    }

    async fn call(
        &self,
        _input: Input,
        _context: ToolContext,
    ) -> Result<Answer<Output>, ToolError> {
        let health = self.provider.health().await.map_err(|error| told(&error))?;
        let mut models = self.provider.models().await.map_err(|error| told(&error))?;
        models.iter_mut().for_each(untrusted::model);
        let mut text = format!("Provider: {}\n", health.provider);
        for model in &models {
            let default = if model.name == health.default_model {
                " (default)"
            } else {
                ""
            };
            // Writing to a String can't fail.
            let _ = writeln!(
                text,
                "- {}{default}  {}",
                model.name,
                model.capabilities.join(", ")
            );
        }
        if models.is_empty() {
            text.push_str("No model is installed: ollama pull llama3.2\n");
        }
        let models = models.into_iter().map(|model| Model {
            name: model.name,
            size: model.size,
            parameters: model.parameters,
            quantization: model.quantization,
            capabilities: model.capabilities,
        });
        Ok(Answer {
            text,
            data: Output {
                provider: health.provider,
                default_model: health.default_model,
                models: models.collect(),
            },
        })
    }
}
