//! What people type: `mcp-server` serves, and its subcommands look after keys, policy, records and
//! hosts.

mod audit;
mod config;
mod install;
mod keys;
mod policy;
mod replace;
mod running;
mod serve;

use std::{
    ffi::OsString,
    fmt, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{
    Parser, Subcommand, ValueEnum,
    builder::OsStringValueParser,
    error::{ContextKind, ContextValue},
};

use crate::{
    config::{Config, ConfigError, Loaded},
    interceptor::text::is_unsafe,
    operations::telemetry,
};

/// Serves MCP over stdio, as a host launches it, or over HTTP.
#[derive(Debug, Parser)]
#[command(
    name = "mcp-server",
    version,
    after_help = "Examples:\n  mcp-server --transport sse                 serve HTTP on http://127.0.0.1:8080/mcp\n  mcp-server keys add ada --role user        make a key, shown once\n  mcp-server policy explain --key ada tools/call weather-get\n  mcp-server audit verify audit.jsonl\n  mcp-server --config FILE config check      would a server start with it?\n  mcp-server install claude-desktop          connect a host\n\nSettings come from --config, then from MCP_SECTION__KEY, such as MCP_SERVER__PORT=9000.\n\nExit codes: 0 done, 1 failed or refused, 2 wrong usage or configuration."
)]
pub struct Cli {
    /// How messages arrive: stdio, or sse (also called http) for HTTP (/mcp; /sse and /messages, but not in prod
    /// unless server.sse says so; /healthz, /readyz; and /metrics on a port of its own).
    #[arg(long, value_enum, default_value_t = Transport::Stdio)]
    transport: Transport,
    /// The configuration file.
    // clap's own parser for paths stops at an empty one; see below.
    #[arg(long, global = true, env = "MCP_CONFIG_FILE", value_name = "FILE", value_parser = OsStringValueParser::new())]
    config: Option<OsString>,
    /// error, warn, info, debug or trace; or finer, such as info,rmcp=debug.
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// How messages arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// Standard input and output, one caller.
    Stdio,
    /// HTTP, many callers; answers that stream do so as server-sent events.
    #[value(alias = "http")]
    Sse,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, list, revoke, rotate and check keys.
    Keys(keys::Keys),
    /// Ask what a caller may do, and which rule says so.
    Policy(policy::Policy),
    /// Verify, search and follow the audit log.
    Audit(audit::Audit),
    /// Check the configuration, and show which value comes from where.
    Config(config::Config),
    /// Connect a host on this machine: Claude Desktop, Claude Code, Cursor, VS Code or Zed.
    Install(install::Install),
}

/// A mistake in what was typed or configured: exit code 2.
#[derive(Debug)]
struct Misuse(String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// Runs what was typed.
pub async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misread(&error),
    };
    // A host's form that was left empty arrives as an empty text.
    let file = cli.config.filter(|file| !file.is_empty());
    let file = file.map(PathBuf::from);
    let result = match cli.command {
        None => {
            serve::run(
                cli.transport == Transport::Stdio,
                file.as_deref(),
                cli.log_level,
            )
            .await
        }
        Some(Command::Keys(keys)) => keys.run(file.as_deref()).await,
        Some(Command::Policy(policy)) => policy.run(file.as_deref()),
        Some(Command::Audit(audit)) => audit.run(file.as_deref()).await,
        Some(Command::Config(config)) => config.run(file.as_deref()),
        Some(Command::Install(install)) => install.run(file.as_deref()),
    };
    let code = result.unwrap_or_else(|error| {
        if error.is::<Unread>() {
            return ExitCode::SUCCESS;
        }
        let error = placed(error, file.as_deref());
        say(format_args!("mcp-server: {}", whole(&error)));
        let misuse = error.is::<Misuse>()
            || error.is::<ConfigError>()
            || error.is::<crate::interceptor::keys::KeysError>();
        ExitCode::from(if misuse { 2 } else { 1 })
    });
    telemetry::finish();
    code
}

/// What was typed can't be understood, or was a call for help.
fn misread(error: &clap::Error) -> ExitCode {
    // Nobody reads a closed output.
    let _ = error.print();
    let typed = |kind| match error.get(kind) {
        Some(ContextValue::String(typed)) => typed.as_str(),
        _ => "",
    };
    if matches!(
        typed(ContextKind::InvalidSubcommand),
        "serve" | "server" | "start" | "run" | "http" | "sse" | "stdio"
    ) {
        say(format_args!(
            "\nTo serve, name no command: `mcp-server` over stdio, `mcp-server --transport sse` over HTTP."
        ));
    }
    if matches!(
        typed(ContextKind::InvalidArg),
        "--key" | "--api-key" | "--token"
    ) {
        say(format_args!(
            "\nA key doesn't belong on a command line, where everybody on the machine can read it. Over stdio it stands in MCP_CLIENT_KEY; over HTTP each caller sends its own; `mcp-server keys` makes them."
        ));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let loaded = read(file)?;
    let problem = loaded.problems().next();
    problem.map_or(Ok(loaded.config), Err)
}

/// What was found wrong with a setting only while the server was built, such as a limit for a tool
/// that isn't there, with the place where it stands.
fn placed(error: anyhow::Error, file: Option<&Path>) -> anyhow::Error {
    match error.downcast::<ConfigError>() {
        // With its place already, or unknown: no setting has a space in its name.
        Ok(ConfigError::Refused { field, why }) if !field.contains(' ') => {
            match Loaded::read(file, variables()) {
                Ok(loaded) => loaded.placed(&field, why).into(),
                Err(_changed) => ConfigError::Refused { field, why }.into(),
            }
        }
        Ok(error) => error.into(),
        Err(error) => error,
    }
}

/// The configuration, also where it can't work; says what is probably a mistake in it.
fn read(file: Option<&Path>) -> Result<Loaded, ConfigError> {
    let loaded = Loaded::read(file, variables())?;
    for warning in &loaded.warnings {
        say(format_args!("mcp-server: warning: {warning}"));
    }
    Ok(loaded)
}

/// The environment. What isn't text is no setting of ours.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// An error and its causes, each said once: some repeat theirs in their own text.
fn whole(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

/// A line for people, on standard error.
fn say(text: fmt::Arguments<'_>) {
    telemetry::say(&text.to_string());
}

/// Whoever reads the answer, such as `head`, has seen enough: no mistake of anybody's.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the answer")]
struct Unread;

/// A line of a command's answer, on standard output. Serving never comes here.
fn answer(text: fmt::Arguments<'_>) -> anyhow::Result<()> {
    use std::io::Write as _;
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Unread.into()),
        written => written.context("can't write to standard output"),
    }
}
