//! `mcp-server keys`: makes, lists, revokes, rotates and checks keys. A running server follows the
//! file within a second, and is asked whether it did.

mod edit;
mod report;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use toml_edit::{ArrayOfTables, Table, value};

use self::edit::{edit, find, named};
use super::{
    Misuse, is_unsafe,
    running::{self, Running},
    say,
};
use crate::{
    config::{Config, misplaced},
    interceptor::keys::{GrantSpec, KeySpec, fingerprint},
};

const DEFAULT_FILE: &str = "config/keys.toml";
/// A name stands in every record and in every list.
const LONGEST_NAME: usize = 100;

#[derive(Debug, Args)]
pub(super) struct Keys {
    /// The keys file; else auth.keys_file of the configuration, else keys.toml beside the
    /// configuration, else config/keys.toml.
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Makes a key and shows it once.
    #[command(
        after_help = "Examples:\n  mcp-server keys add ada --role user\n  mcp-server keys add ci --scope tools:weather:get --expires 2027-01-31 --allow 10.0.0.0/8 --per-minute 60"
    )]
    Add(Add),
    /// Shows who has a key, what each may do, and which has run out.
    List,
    /// Takes a key back. Its sessions end within a second.
    Revoke {
        /// Whose.
        name: String,
    },
    /// Replaces a key by a new one with the same rights, and shows it once.
    Rotate {
        /// Whose.
        name: String,
    },
    /// Checks the file: every role, scope, date and address in it. Exit code 1 when a key has run
    /// out or has a scope that nothing needs.
    Check,
}

#[derive(Debug, Args)]
struct Add {
    /// Who will hold it.
    name: String,
    /// A role of the configuration; may be given several times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A scope, such as tools:weather:get or tools:*; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// When it stops being good, such as 2027-01-31 or 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// An address or network that it may be used from; may be given several times.
    #[arg(long = "allow", value_name = "NETWORK")]
    allow: Vec<String>,
    /// Calls per minute, in place of the server's limit.
    #[arg(long, value_name = "N")]
    per_minute: Option<u32>,
    /// Calls at once, in place of the server's limit.
    #[arg(long, value_name = "N")]
    burst: Option<u32>,
    /// For yourself.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Keys {
    pub(super) async fn run(self, config_file: Option<&Path>) -> anyhow::Result<ExitCode> {
        let loaded = super::read(config_file)?;
        // A configuration that can't work must keep nobody from taking a key back; one that only
        // lacks its keys file is about to get it.
        let mut problems = loaded.problems();
        if let Some(problem) = problems.find(|it| !it.is_about("auth.keys_file")) {
            say(format_args!(
                "mcp-server: warning: no server starts with this configuration: {problem}"
            ));
        }
        drop(problems);
        let config = loaded.config;
        let path = file(self.file, &config, config_file);
        let (name, what) = match self.command {
            KeysCommand::List => return report::list(&path),
            KeysCommand::Check => return report::check(&path, &config),
            KeysCommand::Add(add) => {
                let name = add.name.clone();
                add.check()?;
                let key = edit(&path, &config, |keys| add.insert(keys, &path))?;
                show(&name, &key, &path)?;
                (name, "is good")
            }
            KeysCommand::Rotate { name } => {
                let key = edit(&path, &config, |keys| rotate(keys, &name))?;
                show(&name, &key, &path)?;
                (name, "is good, and the one before isn't any more")
            }
            KeysCommand::Revoke { name } => {
                edit(&path, &config, |keys| {
                    find(keys, &name)?;
                    keys.retain(|key| named(key) != Some(&name));
                    Ok(())
                })?;
                let path = path.display();
                say(format_args!("the key of {name} is no longer in {path}"));
                (name, "isn't good any more")
            }
        };
        let running = running::ask(&config, &path).await;
        Ok(told(&running, &path, &name, what))
    }
}

/// Which keys file is meant.
pub(super) fn file(named: Option<PathBuf>, config: &Config, config_file: Option<&Path>) -> PathBuf {
    named
        .or_else(|| config.auth.keys_file.clone())
        .or_else(|| Some(config_file?.with_file_name("keys.toml")))
        .unwrap_or_else(|| DEFAULT_FILE.into())
}

/// What became of the change, no more than is known.
fn told(running: &Running, path: &Path, name: &str, what: &str) -> ExitCode {
    let path = path.display();
    match running {
        Running::Follows(server) => {
            say(format_args!(
                "the server at {server} finds its keys file good after the change: the key of {name} {what}"
            ));
            ExitCode::SUCCESS
        }
        Running::CantUse(server) => {
            say(format_args!(
                "THE SERVER AT {server} CAN'T USE {path}, and its keys are as they were before: its log says why (it may not read the file, or its configuration lacks a role). Mend that, and it follows within seconds; or restart it"
            ));
            ExitCode::FAILURE
        }
        Running::Unknown(why) => {
            say(format_args!(
                "{why}. A server that uses {path} and can read it follows within a second: its /readyz says \"keys\": true then"
            ));
            ExitCode::SUCCESS
        }
    }
}

impl Add {
    /// Refuses what would be of no use, or would be somebody else's trouble later.
    fn check(&self) -> anyhow::Result<()> {
        let refuse = |why: String| Err(Misuse(why).into());
        let name = &self.name;
        if name.trim().is_empty() || name.trim() != name || name.chars().count() > LONGEST_NAME {
            return refuse(format!(
                "\"{}\" is no name: write 1 to {LONGEST_NAME} characters, without a space at either end",
                printable(name)
            ));
        }
        for (what, text) in [("name", name), ("note", self.note.as_ref().unwrap_or(name))] {
            if text.chars().any(is_unsafe) {
                return refuse(format!(
                    "the {what} \"{}\" has line breaks or hidden characters: write it on one line of plain text",
                    printable(text)
                ));
            }
        }
        if self.roles.is_empty() && self.scopes.is_empty() {
            return refuse(format!(
                "a key without rights is of no use: try `mcp-server keys add {name} --role user`"
            ));
        }
        let scopes = self.scopes.iter().cloned().map(GrantSpec::Scope);
        if let Some(why) = scopes.filter_map(|scope| misplaced(&scope)).next() {
            return refuse(format!("nothing was changed: {why}"));
        }
        Ok(())
    }

    fn insert(self, keys: &mut ArrayOfTables, path: &Path) -> anyhow::Result<String> {
        if keys.iter().any(|key| named(key) == Some(&self.name)) {
            return Err(Misuse(format!(
                "{name} has a key already: `mcp-server keys rotate {name} --file {}` replaces it",
                path.display(),
                name = self.name
            ))
            .into());
        }
        let key = new_key()?;
        let mut table = Table::new();
        table["name"] = value(self.name);
        table["sha256"] = value(fingerprint(&key));
        let list = |items: Vec<String>| value(items.into_iter().collect::<toml_edit::Array>());
        for (field, items) in [
            ("roles", self.roles),
            ("scopes", self.scopes),
            ("allow", self.allow),
        ] {
            if !items.is_empty() {
                table[field] = list(items);
            }
        }
        if let Some(expires) = self.expires {
            table["expires"] = value(future(&expires)?);
        }
        for (field, number) in [("per_minute", self.per_minute), ("burst", self.burst)] {
            if let Some(number) = number {
                table[field] = value(i64::from(number));
            }
        }
        if let Some(note) = self.note {
            table["note"] = value(note);
        }
        keys.push(table);
        Ok(key)
    }
}

/// A date that is still to come.
fn future(text: &str) -> anyhow::Result<toml_edit::Datetime> {
    let date: toml_edit::Datetime = text.parse().map_err(|_error| {
        Misuse(format!(
            "--expires {}: write 2027-01-31 or 2027-01-31T12:00:00Z",
            printable(text)
        ))
    })?;
    match KeySpec::moment(&date) {
        Some(moment) if moment > SystemTime::now() => Ok(date),
        Some(_) => Err(Misuse(format!(
            "--expires {date}: that has passed, so the key would never be good"
        ))
        .into()),
        None => Err(Misuse(format!(
            "--expires {date}: write a day too, such as 2027-01-31"
        ))
        .into()),
    }
}

fn rotate(keys: &mut ArrayOfTables, name: &str) -> anyhow::Result<String> {
    let table = find(keys, name)?;
    let expires = table.get("expires").and_then(|item| item.as_datetime());
    if let Some(date) = expires
        && KeySpec::moment(date).is_some_and(|moment| moment <= SystemTime::now())
    {
        return Err(Misuse(format!(
            "the key of {name} ran out on {date}, and a new one would have the same rights and the same end: change `expires` in the file first"
        ))
        .into());
    }
    let key = new_key()?;
    table["sha256"] = value(fingerprint(&key));
    Ok(key)
}

/// 256 bits from the system. The prefix lets secret scanners find a key that leaked.
fn new_key() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the system gives no randomness, so no key can be made")?;
    Ok(format!("mcp_{}", hex::encode(bytes)))
}

/// Shows a key for the only time; one that nobody saw must not be taken for made.
fn show(name: &str, key: &str, path: &Path) -> anyhow::Result<()> {
    say(format_args!(
        "the key of {name}, shown this once ({} holds only its digest):",
        path.display()
    ));
    writeln!(std::io::stdout(), "{key}").with_context(|| {
        format!(
            "the key was made and can't be shown: `mcp-server keys rotate {name}` makes another"
        )
    })
}

/// A text that somebody wrote, as it may stand on a terminal.
fn printable(text: &str) -> String {
    let shown = text
        .chars()
        .map(|c| if is_unsafe(c) { '\u{fffd}' } else { c });
    shown.take(LONGEST_NAME).collect()
}
