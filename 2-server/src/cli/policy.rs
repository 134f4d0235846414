//! `mcp-server policy explain`: what would happen, and which rule says so.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{ArgGroup, Args, Subcommand};
use futures_util::FutureExt as _;
use rmcp::{ServerHandler as _, model::JsonObject};

use super::{Misuse, answer, keys};
use crate::{
    app::App,
    config::{Audit, nearest},
    features::prompts,
    interceptor::{
        Grants, Target,
        access::Decision,
        keys::{KeySpec, KeysFile, network, resolve},
        protocol::{METHODS, TargetKind, method},
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
#[command(group(ArgGroup::new("caller").args(["key", "anonymous"]).required(true)))]
struct Explain {
    /// The caller: a key's name in the keys file.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The caller: one without a key.
    #[arg(long)]
    anonymous: bool,
    /// The keys file; else the one that `mcp-server keys` takes.
    #[arg(long, value_name = "FILE", conflicts_with = "anonymous")]
    file: Option<PathBuf>,
    /// The address that the caller calls from. Without it, networks aren't looked at.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
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
        if explain.key.is_some() {
            // The same as `mcp-server keys` takes.
            config.auth.keys_file = Some(keys::file(explain.file.clone(), &config, file));
        }
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
            None => return Err(no_such_method(&self.method).into()),
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
        if let Some(unknown) = unknown(app, target) {
            answer(format_args!("REFUSED  {unknown}"))?;
            return Ok(ExitCode::FAILURE);
        }
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
                let path = app
                    .config
                    .auth
                    .keys_file
                    .as_deref()
                    .unwrap_or(Path::new(""));
                let principal = app.keys.by_name(name).ok_or_else(|| {
                    Misuse(format!(
                        "there is no key called \"{name}\" in {}: mcp-server keys list shows what there is, --file names another file",
                        path.display()
                    ))
                })?;
                let now = app
                    .pipeline
                    .authenticator()
                    .recheck(&principal)
                    .now_or_never();
                if let Some(Err(denial)) = now {
                    answer(format_args!("REFUSED  {name}: {}", denial.reason))?;
                    return Ok(None);
                }
                if let Some(from) = self.from
                    && let Some(allowed) = kept_out(path, name, from)?
                {
                    answer(format_args!(
                        "REFUSED  {name}: the key may be used from {allowed} alone, and {from} isn't in there"
                    ))?;
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

/// The networks of a key, if this address is in none of them.
fn kept_out(path: &Path, name: &str, from: IpAddr) -> anyhow::Result<Option<String>> {
    let file = KeysFile::parse(path, &KeysFile::text(path)?)?;
    let named = file.keys.into_iter().find(|key| key.name == name);
    let allow = named.map(|key: KeySpec| key.allow).unwrap_or_default();
    let from = from.to_canonical();
    let mut networks = allow.iter().filter_map(|text| network(text));
    let is_in = allow.is_empty() || networks.any(|network| network.contains(&from));
    Ok((!is_in).then(|| allow.join(", ")))
}

/// Why there is nothing to ask about: a tool or prompt of that name isn't there for anybody.
fn unknown(app: &App, target: Target<'_>) -> Option<String> {
    let (kind, name, is_there) = match target {
        Target::Tool(name) => ("tool", name, app.guard.get_tool(name).is_some()),
        Target::Prompt(name) => ("prompt", name, prompts::find(name).is_ok()),
        Target::Resource(_) | Target::Custom(_) => return None,
    };
    (!is_there).then(|| format!("there is no such {kind}: \"{name}\""))
}

fn no_such_method(method: &str) -> Misuse {
    let known = || METHODS.iter().map(|method| method.name);
    Misuse(match nearest(method, known()) {
        Some(meant) => format!("there is no method \"{method}\": did you mean {meant}?"),
        None => {
            let known: Vec<&str> = known().collect();
            format!(
                "there is no method \"{method}\": there are {}",
                known.join(", ")
            )
        }
    })
}
