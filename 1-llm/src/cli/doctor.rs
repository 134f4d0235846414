//! `mcp-llm doctor`

use std::process::ExitCode;

use mcp_llm::doctor::{examine, free_memory};

use super::{
    common::{Common, Stop},
    out::Out,
};

#[derive(clap::Args)]
pub(super) struct Doctor {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) async fn run(self, common: &Common, out: &mut Out) -> Result<ExitCode, Stop> {
        let report = examine(&common.ollama()?, free_memory()).await;
        if self.json {
            out.line(&serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?)?;
        } else {
            out.report(&report.to_string())?;
        }
        Ok(if report.state.is_well() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
