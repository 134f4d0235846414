//! `mcp-server config`: would a server start with it, and which value comes from where?

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use toml::{Table, Value};
use url::Url;

use super::{answer, say};
use crate::{
    app::App,
    config::{Audit, Loaded},
    transport::http::tls::Tls,
};

#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Says everything that would keep a server from starting, in the file, in the environment, in
    /// the keys file and in the certificate. Exit code 0 when nothing would, 2 when something does.
    Check,
    /// Shows every setting as it holds, and where it was set; as a file that could be used.
    #[command(
        after_help = "Example:\n  MCP_SERVER__PORT=9000 mcp-server --config config/server.toml config show"
    )]
    Show,
}

impl Config {
    pub(super) fn run(self, file: Option<&Path>) -> anyhow::Result<ExitCode> {
        let loaded = super::read(file)?;
        if matches!(self.command, ConfigCommand::Show) {
            show(&loaded)?;
        }
        let mut problems: Vec<String> = loaded.problems().map(|it| it.to_string()).collect();
        if problems.is_empty()
            && matches!(self.command, ConfigCommand::Check)
            && let Err(error) = start(loaded.config)
        {
            problems.push(super::whole(&super::placed(error, file)));
        }
        for problem in &problems {
            say(format_args!("{problem}"));
        }
        if !problems.is_empty() {
            return Ok(ExitCode::from(2));
        }
        if matches!(self.command, ConfigCommand::Check) {
            say(format_args!("a server starts with this configuration"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a start does before it listens, without touching the audit log of a server that runs.
fn start(mut config: crate::config::Config) -> anyhow::Result<()> {
    config.audit = Audit {
        stderr: false,
        file: None,
        ..config.audit
    };
    let app = App::build(config, &|name| std::env::var(name).ok())?;
    let server = &app.config.server;
    if let (Some(cert), Some(key)) = (&server.tls_cert, &server.tls_key) {
        Tls::open(cert, key)?;
    }
    Ok(())
}

fn show(loaded: &Loaded) -> anyhow::Result<()> {
    let all = Table::try_from(&loaded.config).context("the configuration can't be written")?;
    for (name, section) in all {
        let Value::Table(settings) = section else {
            continue;
        };
        answer(format_args!("[{name}]"))?;
        for (key, mut value) in settings {
            without_passwords(&mut value);
            let setting = format!("{name}.{key}");
            let origin = loaded.origins.get(&setting).map(ToString::to_string);
            let origin = origin.unwrap_or_else(|| "default".to_owned());
            // Quoted where TOML wants it, such as the name of a role.
            let key = toml_edit::Key::new(key);
            answer(format_args!(
                "{:<40} # {origin}",
                format!("{key} = {value}")
            ))?;
        }
    }
    Ok(())
}

/// Takes out what a URL may carry before its host. Nothing else in the configuration is a secret:
/// keys stand in the environment and in a file of digests.
fn without_passwords(value: &mut Value) {
    match value {
        Value::String(text) => {
            let Ok(mut url) = Url::parse(text) else {
                return;
            };
            if !url.username().is_empty() || url.password().is_some() {
                // A URL that can have them can lose them.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                *text = url.to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_passwords),
        Value::Table(inside) => inside
            .iter_mut()
            .for_each(|(_, value)| without_passwords(value)),
        _ => {}
    }
}
