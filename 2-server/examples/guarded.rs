//! A server of your own behind the guard, over HTTP or stdio.
//!
//! ```text
//! cargo run --package mcp-server --example guarded            # http://127.0.0.1:8080/mcp
//! cargo run --package mcp-server --example guarded -- stdio   # for a host that launches it
//! ```
//!
//! Anyone on this machine may add; nobody may divide, and the tool isn't even listed. Each call
//! leaves a line on standard error.

use std::io::Write as _;

use mcp_server::{
    interceptor::{Catalogue, Grant, Grants, Guard, Pipeline, Scope},
    transport::{HttpSettings, Settings, StdioSettings, serve},
};
use rmcp::{handler::server::wrapper::Parameters, schemars, tool, tool_router};

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Numbers {
    a: i32,
    b: i32,
}

#[derive(Debug, Clone)]
struct Calculator;

#[tool_router(server_handler)]
impl Calculator {
    #[tool(description = "Adds two numbers")]
    fn add(&self, Parameters(Numbers { a, b }): Parameters<Numbers>) -> String {
        a.saturating_add(b).to_string()
    }

    #[tool(description = "Divides one number by another")]
    fn divide(&self, Parameters(Numbers { a, b }): Parameters<Numbers>) -> String {
        a.checked_div(b).map_or_else(
            || "not a number".to_owned(),
            |quotient| quotient.to_string(),
        )
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = Pipeline::builder()
        // For callers with keys: .keys_file(Path::new("config/keys.toml"), Roles::new())?
        .anonymous(Grants::new(vec![Grant::parse("tools:math:add")?]))
        .catalogue(
            Catalogue::new()
                .tool("add", Scope::parse("tools:math:add")?)
                .tool("divide", Scope::parse("tools:math:divide")?),
        )
        .build()?;
    let guarded = Guard::new(Calculator, &pipeline);
    let settings = if std::env::args().nth(1).as_deref() == Some("stdio") {
        Settings::Stdio(StdioSettings::default())
    } else {
        let settings = HttpSettings::default();
        writeln!(
            std::io::stderr(),
            "serving http://{}:{}/mcp",
            settings.host,
            settings.port
        )?;
        Settings::Http(settings)
    };
    Ok(serve(guarded, settings).await?)
}
