//! One question, asked in both places, and before anybody looks whether the tool is there.

use std::sync::Arc;

use mcp_server::interceptor::{Catalogue, Denial, Grants, Scope, Target};
use rmcp::{ErrorData, model::Tool};

/// Tools, and what one caller may do with them.
pub struct Door {
    pub tools: Vec<Tool>,
    pub catalogue: Catalogue,
    pub grants: Grants,
}

impl Door {
    /// What `tools/list` shows to this caller.
    pub fn list(&self) -> Vec<&Tool> {
        let may_use = |tool: &&Tool| self.may(&tool.name).is_ok();
        self.tools.iter().filter(may_use).collect()
    }

    /// The tool that this caller wants to call.
    pub fn call(&self, name: &str) -> Result<&Tool, ErrorData> {
        self.may(name).map_err(|scopes| {
            Denial::forbidden("this takes a scope that you don't have", scopes).to_error()
        })?;
        let tool = self.tools.iter().find(|tool| tool.name == name);
        tool.ok_or_else(|| ErrorData::invalid_params("unknown tool", None))
    }

    /// Whether the caller may use what has this name; if not, what it takes.
    fn may(&self, name: &str) -> Result<(), Arc<[Scope]>> {
        let scopes = self.catalogue.needs(Target::Tool(name));
        if scopes.iter().all(|scope| self.grants.reach(scope)) {
            Ok(())
        } else {
            Err(scopes)
        }
    }
}
