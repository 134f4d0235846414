//! `mcp-server install`: connects a host on this machine to this server, and takes it back.
//!
//! The host's file belongs to its user. So: say what will change, keep everything else, write in
//! one step, keep what was there beside it, and be able to undo. The entry names this program by
//! its absolute path and no shell, because a host starts it from a folder of its own.

mod edit;
mod hosts;
mod kept;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Args;

use self::{
    edit::Entry,
    hosts::{Host, System},
};
use super::{Misuse, answer, replace, say};

const KEY: &str = "MCP_CLIENT_KEY";

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp-server install claude-desktop\n  mcp-server install vscode --print\n  mcp-server --config config/server.toml install cursor\n  mcp-server install zed --undo\n\nWhat the file was before stands beside it, with .before- and the entry's name behind its own, until it is undone."
)]
pub(super) struct Install {
    /// The host.
    host: Host,
    /// Only say what would change.
    #[arg(long)]
    print: bool,
    /// Take the entry out again, and put back what it replaced.
    #[arg(long)]
    undo: bool,
    /// The entry's name: letters, digits, . _ and -
    #[arg(long, value_name = "NAME", default_value = "learn-mcp", value_parser = name)]
    name: String,
    /// Put the entry in the place of another one of the same name.
    #[arg(long, conflicts_with = "undo")]
    replace: bool,
    /// Write the key from MCP_CLIENT_KEY into the host's file, where the configuration needs one.
    #[arg(long, conflicts_with = "undo")]
    with_key: bool,
}

/// A name is a key in the host's file and part of a file's name.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_plain) {
        return Err("write 1 to 64 letters, digits, . _ or -, such as learn-mcp".to_owned());
    }
    Ok(text.to_owned())
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
        let before = self.read(&file)?;
        if self.undo {
            self.take_back(&file, before.as_deref())
        } else {
            self.put(&file, before.as_deref(), config_file)
        }
    }

    fn put(
        &self,
        file: &Path,
        before: Option<&str>,
        config_file: Option<&Path>,
    ) -> anyhow::Result<ExitCode> {
        let (key, shown) = (self.host.key(), file.display());
        let text = before.unwrap_or_default();
        let there = edit::find(text, key, &self.name).map_err(|why| unusable(file, &why))?;
        let entry = self.entry(config_file)?;
        let after = edit::put(text, key, &self.name, &entry).map_err(|why| unusable(file, &why))?;
        if after == text {
            say(format_args!(
                "{} is connected already: {shown} holds the entry",
                self.host.title()
            ));
            return Ok(ExitCode::SUCCESS);
        }
        if there.is_some() && !self.replace {
            return Err(Misuse(format!(
                "{shown} has another \"{}\" in \"{key}\", and it is left as it is: --replace puts this server in its place, --name another name beside it",
                self.name
            ))
            .into());
        }
        // The entry alone: the rest of the file may hold other people's secrets.
        answer(format_args!(
            "{shown}: into \"{key}\" goes\n{}",
            entry.shown(&self.name)
        ))?;
        if self.only_print() {
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(before) = before {
            let kept = kept::keep(file, &self.name, before, &after)?;
            say(format_args!("what it was is in {}", kept.display()));
        }
        self.write(file, before, &after)
    }

    fn take_back(&self, file: &Path, now: Option<&str>) -> anyhow::Result<ExitCode> {
        let (key, shown) = (self.host.key(), file.display());
        let text = now.unwrap_or_default();
        let wrong = |why: String| unusable(file, &why);
        let Some(taken) = edit::take(text, key, &self.name).map_err(wrong)? else {
            say(format_args!(
                "{} has no \"{}\" in {shown}: there is nothing to undo",
                self.host.title(),
                self.name
            ));
            return Ok(ExitCode::SUCCESS);
        };
        let kept = kept::find(file, &self.name, text)?;
        let was = match &kept {
            Some(kept) => edit::find(&kept.text, key, &self.name).map_err(wrong)?,
            None => None,
        };
        let name = &self.name;
        match &was {
            None => answer(format_args!("{shown}: \"{name}\" goes out of \"{key}\"")),
            Some(_) => answer(format_args!(
                "{shown}: in \"{key}\" the \"{name}\" that was replaced comes back"
            )),
        }?;
        let after = match (&kept, was) {
            (Some(kept), _) if kept.is_exact => kept.text.clone(),
            (_, Some(was)) => edit::put_back(text, key, &self.name, &was).map_err(wrong)?,
            _ => taken,
        };
        if self.only_print() {
            return Ok(ExitCode::SUCCESS);
        }
        // There was no file before, so nothing was kept.
        if kept.is_none() && after.split_whitespace().collect::<String>() == "{}" {
            fs::remove_file(file).with_context(|| format!("can't remove {shown}"))?;
            say(format_args!("done; {shown} held nothing else and is gone"));
            return Ok(ExitCode::SUCCESS);
        }
        let code = self.write(file, now, &after)?;
        if let Some(kept) = kept {
            if kept.is_exact {
                fs::remove_file(&kept.path)
                    .with_context(|| format!("can't remove {}", kept.path.display()))?;
            } else {
                say(format_args!(
                    "the file has changed since, so everything else in it stays as it is; what it was is in {}",
                    kept.path.display()
                ));
            }
        }
        Ok(code)
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

    fn only_print(&self) -> bool {
        if self.print {
            say(format_args!("--print: nothing was written"));
        }
        self.print
    }

    /// Some hosts write their file while they run (Claude Code does): what they wrote in the
    /// meantime must not be lost, so then nothing is written.
    fn write(&self, file: &Path, before: Option<&str>, after: &str) -> anyhow::Result<ExitCode> {
        let before = before.map(str::as_bytes);
        replace::replace(file, before, after.as_bytes(), |_new| Ok(()))?;
        say(format_args!("done; now {}", self.host.then()));
        Ok(ExitCode::SUCCESS)
    }

    /// The host's file; `None` when it isn't there yet. A host without a folder isn't installed,
    /// which only matters to what writes.
    fn read(&self, file: &Path) -> anyhow::Result<Option<String>> {
        let Some(bytes) = replace::read(file)? else {
            if self.print || file.parent().is_some_and(Path::is_dir) {
                return Ok(None);
            }
            let said = format!(
                "{} isn't there: install {} and start it once, then try again",
                file.parent().unwrap_or(file).display(),
                self.host.title()
            );
            return Err(Misuse(said).into());
        };
        let text = String::from_utf8(bytes).map_err(|_error| unusable(file, "it isn't a text"))?;
        Ok(Some(text))
    }
}

fn unusable(file: &Path, why: &str) -> Misuse {
    Misuse(format!("{} is left as it is: {why}", file.display()))
}

fn utf8(path: PathBuf) -> Result<String, Misuse> {
    path.into_os_string().into_string().map_err(|path| {
        Misuse(format!(
            "{} can't be written into JSON: move it to a path of plain characters",
            path.display()
        ))
    })
}
