//! `mcp-server install`: connects a host on this machine to this server, and takes it back.
//!
//! The host's file belongs to its user. So: say what will change, keep everything else, write in
//! one step, keep what was there beside it, and be able to undo. The entry names this program by
//! its absolute path and no shell, because a host starts it from a folder of its own.

mod edit;
mod hosts;

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Args;

use self::{
    edit::Entry,
    hosts::{Host, System},
};
use super::{Misuse, answer, say};

const KEY: &str = "MCP_CLIENT_KEY";

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp-server install claude-desktop\n  mcp-server install vscode --print\n  mcp-server --config config/server.toml install cursor\n  mcp-server install zed --undo\n\nWhat the file was before stands beside it, with .before-mcp-server behind its name."
)]
pub(super) struct Install {
    /// The host.
    host: Host,
    /// Only say what would change.
    #[arg(long)]
    print: bool,
    /// Take the entry out again.
    #[arg(long)]
    undo: bool,
    /// The entry's name.
    #[arg(long, value_name = "NAME", default_value = "learn-mcp")]
    name: String,
    /// Write the key from MCP_CLIENT_KEY into the host's file, where the configuration needs one.
    #[arg(long, conflicts_with = "undo")]
    with_key: bool,
}

impl Install {
    pub(super) fn run(self, config_file: Option<&Path>) -> anyhow::Result<ExitCode> {
        let file = self
            .host
            .file(System::here(), &|name| std::env::var_os(name))
            .map_err(|name| {
                Misuse(format!(
                    "{name} isn't set, so {} can't be found",
                    self.host.title()
                ))
            })?;
        // A link stays a link: what it leads to is edited.
        let file = fs::canonicalize(&file).unwrap_or(file);
        let before = read(&file, self.host)?;
        let unusable = |why: String| Misuse(format!("{} is left as it is: {why}", file.display()));
        if self.undo {
            let after = edit::take(&before, self.host.key(), &self.name).map_err(unusable)?;
            let Some(after) = after else {
                say(format_args!(
                    "{} has no \"{}\" in {}: there is nothing to undo",
                    self.host.title(),
                    self.name,
                    file.display()
                ));
                return Ok(ExitCode::SUCCESS);
            };
            answer(format_args!(
                "{}: \"{}\" goes out of \"{}\"",
                file.display(),
                self.name,
                self.host.key()
            ))?;
            return self.write(&file, &before, &after);
        }
        let entry = self.entry(config_file)?;
        let after = edit::put(&before, self.host.key(), &self.name, &entry).map_err(unusable)?;
        if after == before {
            say(format_args!(
                "{} is connected already: {} holds the entry",
                self.host.title(),
                file.display()
            ));
            return Ok(ExitCode::SUCCESS);
        }
        // The entry alone: the rest of the file may hold other people's secrets.
        answer(format_args!(
            "{}: into \"{}\" goes\n{}",
            file.display(),
            self.host.key(),
            entry.shown(&self.name)
        ))?;
        self.write(&file, &before, &after)
    }

    fn entry(&self, config_file: Option<&Path>) -> anyhow::Result<Entry> {
        let program = std::env::current_exe().context("this program doesn't know where it is")?;
        let mut entry = Entry {
            marker: self.host.marker(),
            command: utf8(program)?,
            arguments: Vec::new(),
            environment: Vec::new(),
        };
        let config = super::load(config_file)?;
        if let Some(path) = config_file {
            let path =
                std::path::absolute(path).context("the configuration has no absolute path")?;
            entry.arguments = vec!["--config".to_owned(), utf8(path)?];
        }
        if self.with_key {
            let key = std::env::var(KEY)
                .map_err(|_unset| Misuse(format!("--with-key: {KEY} isn't set")))?;
            entry.environment.push((KEY.to_owned(), key));
        } else if !config.anonymous() {
            let said = format!(
                "with this configuration every caller needs a key: set {KEY} and add --with-key (the host's file holds it then)"
            );
            return Err(Misuse(said).into());
        }
        Ok(entry)
    }

    fn write(&self, file: &Path, before: &str, after: &str) -> anyhow::Result<ExitCode> {
        if self.print {
            say(format_args!("--print: nothing was written"));
            return Ok(ExitCode::SUCCESS);
        }
        if file.exists() {
            let kept = beside(file);
            fs::copy(file, &kept).with_context(|| format!("can't keep {}", kept.display()))?;
            say(format_args!("what it was is in {}", kept.display()));
        }
        replace(file, before, after)?;
        say(format_args!("done; now {}", self.host.then()));
        Ok(ExitCode::SUCCESS)
    }
}

/// The host's file; empty when it isn't there yet. A host without a folder isn't installed.
fn read(file: &Path, host: Host) -> anyhow::Result<String> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if file.parent().is_some_and(Path::is_dir) {
                Ok(String::new())
            } else {
                let said = format!(
                    "{} isn't there: install {} and start it once, then try again",
                    file.parent().unwrap_or(file).display(),
                    host.title()
                );
                Err(Misuse(said).into())
            }
        }
        Err(error) => Err(error).with_context(|| format!("can't read {}", file.display())),
    }
}

/// Replaces the file in one step, so that the host never reads half of it, with the rights that it
/// had; a new one is readable by its owner alone.
fn replace(file: &Path, before: &str, after: &str) -> anyhow::Result<()> {
    let folder = file.parent().context("the file has no folder")?;
    let mut new = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("can't write in {}", folder.display()))?;
    new.write_all(after.as_bytes())?;
    new.as_file().sync_all()?;
    if let Ok(metadata) = fs::metadata(file) {
        new.as_file().set_permissions(metadata.permissions())?;
    }
    // Some hosts write their file while they run (Claude Code does): what they wrote must not be lost.
    if fs::read_to_string(file).unwrap_or_default() != before {
        anyhow::bail!(
            "{} changed in the meantime: nothing was written; try again",
            file.display()
        );
    }
    new.persist(file)
        .with_context(|| format!("can't replace {}", file.display()))?;
    Ok(())
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".before-mcp-server");
    name.into()
}

fn utf8(path: PathBuf) -> Result<String, Misuse> {
    path.into_os_string().into_string().map_err(|path| {
        Misuse(format!(
            "{} can't be written into JSON: move it to a path of plain characters",
            path.display()
        ))
    })
}
