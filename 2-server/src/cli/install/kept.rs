//! What a host's file was before, kept beside it, and how it comes back.
//!
//! Each file that is kept has in its name the digest of what was written in its place. So an undo
//! knows whether anything else has changed the file since: if nothing has, it gets its bytes back;
//! if something has, the entry alone is taken out, or what stood in its place is put back.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::super::replace::folder_of;
use crate::interceptor::keys::fingerprint;
use anyhow::Context as _;

/// What was kept.
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Nothing has changed the file since: it is what was written then.
    pub(super) is_exact: bool,
}

/// Keeps what the file is, under a name that says what it will be.
pub(super) fn keep(file: &Path, name: &str, before: &str, after: &str) -> anyhow::Result<PathBuf> {
    let path = beside(file, name, &digest(after));
    let kept = || -> std::io::Result<()> {
        // It may hold other people's secrets, as the file does.
        let mut new = tempfile::NamedTempFile::new_in(folder_of(file))?;
        new.write_all(before.as_bytes())?;
        new.as_file()
            .set_permissions(fs::metadata(file)?.permissions())?;
        new.as_file().sync_all()?;
        new.persist(&path).map(drop).map_err(|error| error.error)
    };
    kept().with_context(|| format!("nothing was changed: can't keep {}", path.display()))?;
    Ok(path)
}

/// The newest that was kept, or the one that was replaced by what the file is now.
///
/// # Errors
/// When what is beside the file can't be read.
pub(super) fn find(file: &Path, name: &str, now: &str) -> anyhow::Result<Option<Kept>> {
    let exact = beside(file, name, &digest(now));
    let read = |path: PathBuf, is_exact| {
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("can't read {}", path.display()))?;
        Ok(Some(Kept {
            path,
            text,
            is_exact,
        }))
    };
    if exact.exists() {
        return read(exact, true);
    }
    let prefix = beside(file, name, "");
    let mut newest = None;
    let entries = fs::read_dir(folder_of(file));
    for entry in entries.with_context(|| format!("can't read {}", folder_of(file).display()))? {
        let path = entry?.path();
        let is_ours = path
            .to_str()
            .zip(prefix.to_str())
            .and_then(|(path, prefix)| path.strip_prefix(prefix))
            .is_some_and(|end| end.len() == 8 && end.bytes().all(|it| it.is_ascii_hexdigit()));
        if is_ours {
            newest = newest.max(Some((fs::metadata(&path)?.modified()?, path)));
        }
    }
    newest.map_or(Ok(None), |(_, path)| read(path, false))
}

fn beside(file: &Path, name: &str, digest: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(format!(".before-{name}.{digest}"));
    path.into()
}

fn digest(text: &str) -> String {
    fingerprint(text).chars().take(8).collect()
}
