//! Changes the keys file, and nothing in it but what was asked for.

use std::{fs, path::Path};

use anyhow::Context as _;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table};

use super::super::{Misuse, replace, say};
use crate::{config::Config, interceptor::KeyStore};

const HEADER: &str = "# Who may call. Made by `mcp-server keys`; it holds digests, never keys.\n\n";

pub(super) fn named(key: &Table) -> Option<&str> {
    key.get("name").and_then(Item::as_str)
}

pub(super) fn find<'a>(keys: &'a mut ArrayOfTables, name: &str) -> anyhow::Result<&'a mut Table> {
    let found = keys.iter_mut().find(|key| named(key) == Some(name));
    found.ok_or_else(|| {
        Misuse(format!(
            "there is no key called \"{name}\": `mcp-server keys list` shows what there is"
        ))
        .into()
    })
}

/// Changes the file: keeps its comments, its owner and its mode, checks the result as a server
/// would, and replaces it in one step.
pub(super) fn edit<T>(
    path: &Path,
    config: &Config,
    change: impl FnOnce(&mut ArrayOfTables) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    // Where a link leads: in its place a file would be made, and the keys stay as they were for
    // every other server that reads them.
    let path = &fs::canonicalize(path).unwrap_or_else(|_not_there| path.into());
    let before = replace::read(path)?;
    let text = match &before {
        Some(bytes) => std::str::from_utf8(bytes)
            .map_err(|_error| Misuse(format!("{} isn't a text", path.display())))?,
        None => "",
    };
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

    let folder = replace::folder_of(path);
    fs::create_dir_all(folder)
        .with_context(|| format!("can't make the folder {}", folder.display()))?;
    let header = if before.is_none() { HEADER } else { "" };
    let after = format!("{header}{document}");
    replace::replace(path, before.as_deref(), after.as_bytes(), |new| {
        let opened = KeyStore::open(new, config.roles.clone());
        opened.map(drop).map_err(|error| {
            // The temporary file's name would only confuse.
            let why = error
                .to_string()
                .replace(&new.display().to_string(), "the new file");
            Misuse(format!("nothing was changed: {why}")).into()
        })
    })?;
    if before.is_none() {
        say(format_args!(
            "{} is new, and only you can read it: a server of another user can't",
            path.display()
        ));
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interceptor::keys::fingerprint;

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
