//! Puts another text into somebody's file, in one step and with the same owner, group and mode, so
//! that whoever could read it still can, and nobody ever reads half of it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;

use super::Misuse;

/// Replaces the file, if it still holds what it held. `check` looks at the new one before it takes
/// the old one's place. A file that wasn't there is readable by its owner alone.
///
/// # Errors
/// Why nothing was changed.
pub(super) fn replace(
    path: &Path,
    before: Option<&[u8]>,
    after: &[u8],
    check: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let folder = folder_of(path);
    // A temporary file is readable by its owner alone, from the first byte on.
    let mut new = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("can't write in {}", folder.display()))?;
    new.write_all(after)?;
    check(new.path())?;
    if let Some(there) = metadata(path)? {
        keep_rights(path, &there, new.as_file())?;
    }
    new.as_file().sync_all()?;
    // Two edits at once: the later one must not bring back what the other has taken away.
    if read(path)?.as_deref() != before {
        return Err(Misuse(format!(
            "nothing was changed: somebody else changed {} in the meantime; try again",
            path.display()
        ))
        .into());
    }
    new.persist(path)
        .with_context(|| format!("can't replace {}", path.display()))?;
    // A power failure must not bring back the old one either. Not every system can do that.
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).ok();
    Ok(())
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

/// The file's bytes; `None` where there is no file.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let read = metadata(path)?.map(|_there| fs::read(path)).transpose();
    read.with_context(|| format!("can't read {}", path.display()))
}

/// What the system says of the file. Reading anything else than a file may never end.
fn metadata(path: &Path) -> anyhow::Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(there) if there.is_file() => Ok(Some(there)),
        Ok(_) => Err(Misuse(format!("{} isn't a regular file", path.display())).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    }
}

/// Gives the new file the old one's owner, group, mode and access list, or refuses: a server of its
/// own user, that could read the old one, couldn't read one of ours.
#[cfg(unix)]
fn keep_rights(path: &Path, old: &fs::Metadata, new: &File) -> anyhow::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};

    let made = new.metadata()?;
    let (user, group) = (old.uid(), old.gid());
    if (made.uid(), made.gid()) != (user, group) {
        fchown(new, Some(user), Some(group)).map_err(|error| {
            Misuse(format!(
                "nothing was changed: {} belongs to the user {user} and the group {group}, and a file of yours can't be given to them ({error}); do it as that user, or as root: sudo -u '#{user}' …",
                path.display()
            ))
        })?;
    }
    new.set_permissions(old.permissions())?;
    keep_access_list(path, new)
}

#[cfg(not(unix))]
fn keep_rights(_path: &Path, old: &fs::Metadata, new: &File) -> anyhow::Result<()> {
    Ok(new.set_permissions(old.permissions())?)
}

/// With an access list the mode's group bits mean something else: kept without it, they would let
/// the whole group read what was one user's.
#[cfg(target_os = "linux")]
fn keep_access_list(path: &Path, new: &File) -> anyhow::Result<()> {
    use rustix::{
        fs::{XattrFlags, fsetxattr, getxattr, getxattr_query},
        io::Errno,
    };

    const NAME: &str = "system.posix_acl_access";
    let size = match getxattr_query(path, NAME) {
        Ok(size) => size,
        Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(()),
        Err(error) => return Err(error).context("can't read the access list"),
    };
    let mut list = vec![0; size];
    let kept = getxattr(path, NAME, list.as_mut_slice())
        .and_then(|size| fsetxattr(new, NAME, &list[..size], XattrFlags::empty()));
    kept.with_context(|| {
        format!(
            "nothing was changed: the access list of {} can't be kept",
            path.display()
        )
    })
}

#[cfg(all(unix, not(target_os = "linux")))]
fn keep_access_list(_path: &Path, _new: &File) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

    use super::*;

    fn put(path: &Path, text: &str) -> anyhow::Result<()> {
        let before = read(path)?;
        replace(path, before.as_deref(), text.as_bytes(), |_new| Ok(()))
    }

    #[test]
    fn owner_group_and_mode_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        put(&path, "a").unwrap();
        let there = || fs::metadata(&path).unwrap();
        assert_eq!(there().mode() & 0o7777, 0o600, "a new one is its owner's");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let mut owner = (there().uid(), there().gid());
        if rustix::process::geteuid().is_root() {
            owner = (12_345, 23_456);
            chown(&path, Some(owner.0), Some(owner.1)).unwrap();
        }
        put(&path, "b").unwrap();
        assert_eq!((there().uid(), there().gid()), owner);
        assert_eq!(there().mode() & 0o7777, 0o640);
        assert_eq!(fs::read_to_string(&path).unwrap(), "b");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_access_list_stays() {
        use rustix::{
            fs::{XattrFlags, getxattr, setxattr},
            io::Errno,
        };

        const NAME: &str = "system.posix_acl_access";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        put(&path, "a").unwrap();
        // Version 2; then tag, rights and user of each entry: the user 12345 may read.
        let entries: [(u16, u16, u32); 5] = [
            (0x01, 6, u32::MAX),
            (0x02, 4, 12_345),
            (0x04, 0, u32::MAX),
            (0x10, 4, u32::MAX),
            (0x20, 0, u32::MAX),
        ];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, rights, user) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(user.to_le_bytes());
        }
        if setxattr(&path, NAME, &list, XattrFlags::empty()) == Err(Errno::OPNOTSUPP) {
            return; // This file system has none.
        }
        put(&path, "b").unwrap();
        let mut kept = vec![0; 100];
        let size = getxattr(&path, NAME, kept.as_mut_slice()).unwrap();
        assert_eq!(kept[..size], list);
    }

    #[test]
    fn what_isnt_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = put(folder.path(), "a").unwrap_err().to_string();
        assert!(error.contains("isn't a regular file"), "{error}");
    }
}
