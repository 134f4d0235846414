//! `mcp-server policy explain`: what would happen, and which rule says so.

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use futures_util::FutureExt as _;
use rmcp::model::JsonObject;

use super::{Misuse, answer};
use crate::{
    app::App,
    config::Audit,
    interceptor::{
        Authenticate as _, Grants, Target,
        access::Decision,
        keys::resolve,
        protocol::{TargetKind, method},
    },
};

#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Explains one decision. Exit code 0 when it is allowed, 1 when it is refused.
    #[command(
        after_help = "Examples:\n  mcp-server policy explain --key ada tools/call weather-get\n  mcp-server policy explain --key ada tools/call weather-get --arguments '{\"city\":\"Oslo\"}'\n  mcp-server policy explain --anonymous resources/read config://server"
    )]
    Explain(Explain),
}

#[derive(Debug, Args)]
struct Explain {
    /// The caller: a key's name in the keys file.
    #[arg(long, value_name = "NAME", required_unless_present = "anonymous")]
    key: Option<String>,
    /// The caller: one without a key.
    #[arg(long, conflicts_with = "key")]
    anonymous: bool,
    /// The method, such as tools/call.
    method: String,
    /// What it acts on: a tool, a URI or a prompt.
    target: Option<String>,
    /// The call's arguments, as JSON.
    #[arg(long, value_name = "JSON")]
    arguments: Option<String>,
}

impl Policy {
    pub(super) fn run(self, file: Option<&Path>) -> anyhow::Result<ExitCode> {
        let PolicyCommand::Explain(explain) = self.command;
        let mut config = super::load(file)?;
        // Asking must not touch the record of a server that runs.
        config.audit = Audit {
            stderr: false,
            file: None,
            ..config.audit
        };
        explain.run(&App::build(config, &|_name| None)?)
    }
}

impl Explain {
    fn run(&self, app: &App) -> anyhow::Result<ExitCode> {
        let Some((who, grants)) = self.caller(app)? else {
            return Ok(ExitCode::FAILURE);
        };
        let name = || {
            self.target.as_deref().ok_or_else(|| {
                Misuse(format!(
                    "{} acts on something: say on what, such as `{} NAME`",
                    self.method, self.method
                ))
            })
        };
        let kind = method(&self.method).map(|method| (method.target, method.lasts));
        let target = match kind {
            Some((TargetKind::Tool, _)) => Some(Target::Tool(name()?)),
            Some((TargetKind::Resource, _)) => Some(Target::Resource(name()?)),
            Some((TargetKind::Prompt, _)) => Some(Target::Prompt(name()?)),
            Some((TargetKind::Reference, _) | (_, true)) => {
                return Err(Misuse(format!(
                    "{} takes the scope of what it is about: ask about prompts/get NAME, or resources/read URI",
                    self.method
                ))
                .into());
            }
            // A task is there for its owner, whatever the scopes are.
            Some((TargetKind::Nothing | TargetKind::Task, false)) => None,
            None => Some(Target::Custom(&self.method)),
        };
        let Some(target) = target else {
            answer(format_args!(
                "ALLOWED  {who} may call {}: it takes an identity and no scope{}",
                self.method,
                if self.method.ends_with("/list") {
                    ", and shows what the caller may use"
                } else {
                    ""
                }
            ))?;
            return Ok(ExitCode::SUCCESS);
        };
        let arguments: Option<JsonObject> = self
            .arguments
            .as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(|error| Misuse(format!("--arguments: {error}")))?;
        let mut code = ExitCode::SUCCESS;
        for scope in app.pipeline.catalogue().needs(target).iter() {
            match grants.decide(scope, arguments.as_ref()) {
                Decision::Allowed(grant) => answer(format_args!(
                    "ALLOWED  {who} has {} by the grant {}",
                    scope,
                    grant.as_str()
                ))?,
                Decision::Bounded(grant, breach) => {
                    answer(format_args!(
                        "REFUSED  {who} has {scope} by the grant {}, but {} must be {}",
                        grant.as_str(),
                        breach.argument,
                        breach.expected
                    ))?;
                    code = ExitCode::FAILURE;
                }
                Decision::Missing => {
                    let held: Vec<&str> = grants.iter().map(|grant| grant.as_str()).collect();
                    answer(format_args!(
                        "REFUSED  {who} lacks {scope}: no grant reaches it ({})",
                        if held.is_empty() {
                            "there is none".to_owned()
                        } else {
                            held.join(", ")
                        }
                    ))?;
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }

    /// Who asks, and what it holds; `None` where it couldn't come in at all.
    fn caller(&self, app: &App) -> anyhow::Result<Option<(String, Grants)>> {
        match &self.key {
            Some(name) => {
                let principal = app.keys.by_name(name).ok_or_else(|| Misuse(format!("there is no key called \"{name}\": mcp-server keys list shows what there is")))?;
                let now = app
                    .pipeline
                    .authenticator()
                    .recheck(&principal)
                    .now_or_never();
                if let Some(Err(denial)) = now {
                    answer(format_args!("REFUSED  {name}: {}", denial.reason))?;
                    return Ok(None);
                }
                Ok(Some((
                    format!("{name} ({})", principal.label()),
                    principal.grants().clone(),
                )))
            }
            None if app.config.anonymous() => {
                let grants = resolve(&app.config.roles, &[], &app.config.auth.anonymous_scopes)
                    .context("auth.anonymous_scopes")?;
                Ok(Some(("an anonymous caller".to_owned(), grants)))
            }
            None => Err(Misuse(
                "anonymous callers can't come in with this configuration: name a key with --key"
                    .to_owned(),
            )
            .into()),
        }
    }
}
