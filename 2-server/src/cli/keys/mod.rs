//! `mcp-server keys`: makes, lists, revokes, rotates and checks keys. A running server follows the
//! file within a second.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{Misuse, answer, say};
use crate::{
    config::Config,
    interceptor::{
        KeyStore,
        hex::hex,
        keys::{KeysFile, fingerprint},
    },
};

const DEFAULT_FILE: &str = "config/keys.toml";
const HEADER: &str = "# Who may call. Made by `mcp-server keys`; it holds digests, never keys.\n";

#[derive(Debug, Args)]
pub(super) struct Keys {
    /// The keys file; else auth.keys_file of the configuration, else config/keys.toml.
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
    /// Shows who has a key, and what each may do.
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
    /// Checks the file: every role, scope, date and address in it.
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
    pub(super) fn run(self, config_file: Option<&Path>) -> anyhow::Result<ExitCode> {
        // A configuration that only lacks its keys file must not keep anyone from making it.
        let config = super::load(config_file).or_else(|error| match error {
            crate::config::ConfigError::Refused { ref field, .. } if field == "auth.keys_file" => {
                Ok(Config::default())
            }
            other => Err(other),
        })?;
        let path = self
            .file
            .clone()
            .or_else(|| config.auth.keys_file.clone())
            .unwrap_or_else(|| DEFAULT_FILE.into());
        match self.command {
            KeysCommand::Add(add) => {
                let name = add.name.clone();
                let key = edit(&path, &config, |keys| add.insert(keys, &path))?;
                show(&name, &key, &path)?;
            }
            KeysCommand::Rotate { name } => {
                let key = edit(&path, &config, |keys| {
                    let key = new_key()?;
                    find(keys, &name)?["sha256"] = value(fingerprint(&key));
                    Ok(key)
                })?;
                show(&name, &key, &path)?;
            }
            KeysCommand::Revoke { name } => {
                edit(&path, &config, |keys| {
                    find(keys, &name)?;
                    keys.retain(|key| named(key) != Some(&name));
                    Ok(())
                })?;
                say(format_args!(
                    "revoked the key of {name}; servers that use {} stop taking it within a second",
                    path.display()
                ));
            }
            KeysCommand::List => list(&path)?,
            KeysCommand::Check => {
                let keys = KeyStore::open(&path, config.roles)?;
                let count = match keys.len() {
                    1 => "1 key, and it is good".to_owned(),
                    more => format!("{more} keys, and all are good"),
                };
                say(format_args!("{}: {count}", path.display()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Add {
    fn insert(self, keys: &mut ArrayOfTables, path: &Path) -> anyhow::Result<String> {
        if keys.iter().any(|key| named(key) == Some(&self.name)) {
            return Err(Misuse(format!(
                "{name} has a key already: `mcp-server keys rotate {name} --file {}` replaces it",
                path.display(),
                name = self.name
            ))
            .into());
        }
        if self.roles.is_empty() && self.scopes.is_empty() {
            return Err(Misuse(format!(
                "a key without rights is of no use: try `mcp-server keys add {} --role user`",
                self.name
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
            let moment: toml_edit::Datetime = expires.parse().map_err(|_error| {
                Misuse(format!(
                    "--expires {expires}: write 2027-01-31 or 2027-01-31T12:00:00Z"
                ))
            })?;
            table["expires"] = value(moment);
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

/// 256 bits from the system. The prefix lets secret scanners find a key that leaked.
fn new_key() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the system gives no randomness, so no key can be made")?;
    Ok(format!("mcp_{}", hex(&bytes)))
}

fn show(name: &str, key: &str, path: &Path) -> anyhow::Result<()> {
    say(format_args!(
        "the key of {name}, shown this once ({} holds only its digest):",
        path.display()
    ));
    answer(format_args!("{key}"))
}

fn named(key: &Table) -> Option<&str> {
    key.get("name").and_then(Item::as_str)
}

fn find<'a>(keys: &'a mut ArrayOfTables, name: &str) -> anyhow::Result<&'a mut Table> {
    let found = keys.iter_mut().find(|key| named(key) == Some(name));
    found.ok_or_else(|| {
        Misuse(format!(
            "there is no key called \"{name}\": `mcp-server keys list` shows what there is"
        ))
        .into()
    })
}

/// Changes the file: keeps its comments, checks the result as a server would, and replaces it in
/// one step, so that no server ever reads half of it.
fn edit<T>(
    path: &Path,
    config: &Config,
    change: impl FnOnce(&mut ArrayOfTables) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    // Where a link leads: in its place a file would be made, and the keys stay as they were for
    // every other server that reads them.
    let path = &fs::canonicalize(path).unwrap_or_else(|_not_there| path.into());
    let before = read(path)?;
    let text = before.as_deref().unwrap_or(HEADER);
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error| Misuse(format!("{}: {error}", path.display())))?;
    let keys = document
        .entry("key")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let keys = keys.as_array_of_tables_mut().ok_or_else(|| {
        Misuse(format!(
            "{}: `key` must be written as [[key]]",
            path.display()
        ))
    })?;
    let changed = change(keys)?;

    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)
        .with_context(|| format!("can't make the folder {}", folder.display()))?;
    // A temporary file is readable by its owner alone, from the first byte on.
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("can't write in {}", folder.display()))?;
    file.write_all(document.to_string().as_bytes())?;
    file.as_file().sync_all()?;
    KeyStore::open(file.path(), config.roles.clone()).map_err(|error| {
        Misuse(format!(
            "nothing was changed: {}",
            without_path(&error.to_string(), file.path())
        ))
    })?;
    // Two edits at once: the later one must not bring back what the other has taken away.
    if read(path)? != before {
        return Err(Misuse(format!(
            "nothing was changed: somebody else changed {} in the meantime; try again",
            path.display()
        ))
        .into());
    }
    file.persist(path)
        .with_context(|| format!("can't replace {}", path.display()))?;
    Ok(changed)
}

/// The file's text; `None` where there is no file.
fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    }
}

/// The temporary file's name would only confuse.
fn without_path(message: &str, path: &Path) -> String {
    message.replace(&path.display().to_string(), "the new file")
}

fn list(path: &Path) -> anyhow::Result<()> {
    let file = KeysFile::read(path)?;
    if file.keys.is_empty() {
        say(format_args!(
            "{} holds no key: make one with `mcp-server keys add NAME --role user`",
            path.display()
        ));
    }
    for key in file.keys {
        let label = format!("key:{}", key.sha256.get(..12).unwrap_or("?"));
        let rights: Vec<String> = key
            .roles
            .into_iter()
            .map(|role| format!("role {role}"))
            .chain(key.scopes.iter().map(scope))
            .collect();
        let expires = key.expires.map_or_else(
            || "never expires".to_owned(),
            |expires| format!("expires {expires}"),
        );
        answer(format_args!(
            "{:<20} {label}  {expires}  {}",
            key.name,
            rights.join(", ")
        ))?;
    }
    Ok(())
}

fn scope(grant: &crate::interceptor::keys::GrantSpec) -> String {
    match grant {
        crate::interceptor::keys::GrantSpec::Scope(scope) => scope.clone(),
        crate::interceptor::keys::GrantSpec::Bounded(bounded) => {
            format!("{} (bounded)", bounded.scope)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        format!(
            "[[key]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [\"*\"]\n",
            fingerprint(name)
        )
    }

    #[test]
    fn of_two_edits_at_once_the_later_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        fs::write(&path, text("ada") + &text("bob")).unwrap();
        let edited = edit(&path, &Config::default(), |keys| {
            keys.retain(|key| named(key) != Some("ada"));
            // Meanwhile somebody takes bob's key away.
            fs::write(&path, text("ada"))?;
            Ok(())
        });
        assert!(edited.unwrap_err().to_string().contains("try again"));
        assert_eq!(fs::read_to_string(&path).unwrap(), text("ada"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one_and_what_it_leads_to_is_edited() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (
            folder.path().join("real.toml"),
            folder.path().join("keys.toml"),
        );
        fs::write(&path, text("ada") + &text("bob")).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        edit(&link, &Config::default(), |keys| {
            keys.retain(|key| named(key) != Some("ada"));
            Ok(())
        })
        .unwrap();
        assert!(link.is_symlink());
        assert!(!fs::read_to_string(&path).unwrap().contains("ada"));
    }
}
