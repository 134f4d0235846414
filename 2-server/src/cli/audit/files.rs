//! The files of an audit log: which are meant, in which order, and their lines.

use std::{
    cmp::Reverse,
    ffi::OsString,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::super::{Misuse, load};

/// No record is longer. A longer line is damage, and must not fill the memory.
const MAX_LINE: u64 = 1 << 20;

/// The files that are meant, oldest first: those that were named, or those of the configuration.
pub(super) fn meant(
    mut named: Vec<PathBuf>,
    config_file: Option<&Path>,
) -> anyhow::Result<Vec<PathBuf>> {
    if named.is_empty() {
        let config = load(config_file)?;
        let Some(newest) = config.audit.file else {
            return Err(Misuse("name the audit log's file, or a configuration with audit.file in it: mcp-server --config FILE audit …".to_owned()).into());
        };
        let older = (1..=config.audit.keep).map(|number| numbered(&newest, number));
        named = older.filter(|path| path.exists()).collect();
        named.push(newest);
    }
    named.sort_by_cached_key(|path| age(path));
    named.dedup();
    Ok(named)
}

/// `audit.jsonl` → `audit.jsonl.1`, as files that are set aside are called.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Sorts `audit.jsonl.10` before `audit.jsonl.9` before `audit.jsonl`.
fn age(path: &Path) -> (OsString, Reverse<u32>) {
    let number = path
        .extension()
        .and_then(|end| end.to_str()?.parse::<u32>().ok());
    match number {
        Some(number) => (path.with_extension("").into_os_string(), Reverse(number)),
        None => (path.as_os_str().to_owned(), Reverse(0)),
    }
}

pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("can't read {}", path.display()))
}

/// The lines of a file, also of one that grows and is set aside while it is read.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    // The beginning of a line that isn't whole yet.
    begun: Vec<u8>,
}

impl Lines {
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::new(open(path)?),
            begun: Vec::new(),
        })
    }

    /// What has come since: the rest of this file, and the next one where this was set aside.
    pub(super) fn more(&mut self) -> anyhow::Result<Vec<io::Result<String>>> {
        let mut lines: Vec<_> = self.by_ref().collect();
        if is_another(&self.path, self.reader.get_ref()) {
            // Between the last look and the rename it may have grown once more.
            lines.extend(self.by_ref());
            *self = Self::of(&self.path)?;
            lines.extend(self.by_ref());
        }
        Ok(lines)
    }
}

impl Iterator for Lines {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<io::Result<String>> {
        let room = MAX_LINE.saturating_sub(self.begun.len() as u64);
        let read = (&mut self.reader)
            .take(room)
            .read_until(b'\n', &mut self.begun);
        if let Err(error) = read {
            return Some(Err(error));
        }
        let is_whole = self.begun.ends_with(b"\n") || self.begun.len() as u64 >= MAX_LINE;
        if !is_whole {
            return None;
        }
        let line = std::mem::take(&mut self.begun);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        Some(Ok(String::from_utf8_lossy(line).into_owned()))
    }
}

/// Whether the name stands for another file by now, one that is there.
#[cfg(unix)]
fn is_another(path: &Path, open: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(named), Ok(open)) = (path.metadata(), open.metadata()) else {
        return false;
    };
    (named.dev(), named.ino()) != (open.dev(), open.ino())
}

#[cfg(not(unix))]
fn is_another(path: &Path, open: &File) -> bool {
    // A new file is shorter than what was read of the old one.
    let (Ok(named), Ok(open)) = (path.metadata(), open.metadata()) else {
        return false;
    };
    named.len() < open.len()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_sorted_by_age_whatever_order_a_shell_gives() {
        let named = ["a.jsonl", "a.jsonl.1", "a.jsonl.10", "a.jsonl.2"].map(PathBuf::from);
        let sorted = meant(named.to_vec(), None).unwrap();
        let wanted = ["a.jsonl.10", "a.jsonl.2", "a.jsonl.1", "a.jsonl"].map(PathBuf::from);
        assert_eq!(sorted, wanted);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_set_aside_while_it_is_followed_is_read_to_its_end_and_then_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        fs::write(&path, "one\ntw").unwrap();
        let mut lines = Lines::of(&path).unwrap();
        let mut more = || -> Vec<String> {
            let more = lines.more().unwrap();
            more.into_iter().map(Result::unwrap).collect()
        };
        assert_eq!(more(), ["one"], "half a line isn't shown");
        fs::write(folder.path().join("tail"), "").unwrap();
        let mut old = fs::OpenOptions::new().append(true).open(&path).unwrap();
        io::Write::write_all(&mut old, b"o\nthree\n").unwrap();
        fs::rename(&path, numbered(&path, 1)).unwrap();
        fs::write(&path, "four\n").unwrap();
        assert_eq!(more(), ["two", "three", "four"]);
        assert!(more().is_empty());
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let long = usize::try_from(MAX_LINE).unwrap() + 5;
        fs::write(&path, [vec![b'x'; long], b"\nnext\n".to_vec()].concat()).unwrap();
        let lines: Vec<_> = Lines::of(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((lines[1].as_str(), lines[2].as_str()), ("xxxxx", "next"));
    }
}
