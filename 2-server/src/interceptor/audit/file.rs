//! The audit file: chained, rotated by size, and written by one process at a time.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::{
    chain::{self, Link},
    settings::{FileSettings, JournalError},
};

/// More than the longest record.
const TAIL: u64 = 64 << 10;

/// The file that is written now.
#[derive(Debug)]
pub(super) struct AuditFile {
    settings: FileSettings,
    file: File,
    size: u64,
    link: Link,
}

impl AuditFile {
    /// Opens the file, and goes on with the chain that it holds.
    pub(super) fn open(settings: &FileSettings) -> Result<Self, JournalError> {
        let wrong = |source| JournalError::Open {
            path: settings.path.clone(),
            source,
        };
        let mut file = append_to(&settings.path).map_err(|error| match error {
            TryLockError::WouldBlock => JournalError::InUse(settings.path.clone()),
            TryLockError::Error(source) => wrong(source),
        })?;
        let size = file.metadata().map_err(wrong)?.len();
        let link = chain::last_link(&tail(&mut file, size).map_err(wrong)?);
        let mut opened = Self {
            settings: settings.clone(),
            file,
            size,
            link: link.unwrap_or(chain::START),
        };
        match link {
            Some(_) => {}
            None if size == 0 => opened.begin().map_err(wrong)?,
            None => {
                // A crash tore the last line. It is kept as it is, as evidence, among the older
                // files, and a new chain begins.
                tracing::warn!(path = %settings.path.display(), "the audit file ends in a torn line: it was set aside");
                opened.rotate().map_err(wrong)?;
                opened.begin().map_err(wrong)?;
            }
        }
        Ok(opened)
    }

    /// Seals and writes open records, one a line. After an error the file is as it was before.
    pub(super) fn write(&mut self, records: &str) -> io::Result<()> {
        if self.size >= self.settings.max_bytes {
            self.rotate()?;
        }
        if self.size == 0 {
            self.begin()?;
        }
        let mut link = self.link;
        let mut sealed = String::with_capacity(records.len() * 4 / 3);
        let mut line = String::new();
        for record in records.lines() {
            line.clear();
            line.push_str(record);
            link = chain::seal(&mut line, &link);
            sealed.push_str(&line);
        }
        if let Err(error) = self.file.write_all(sealed.as_bytes()) {
            // A full disk may have taken half a line, which would break the chain.
            self.file.set_len(self.size)?;
            return Err(error);
        }
        self.size += sealed.len() as u64;
        self.link = link;
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut line = chain::header(&self.link);
        let link = chain::seal(&mut line, &self.link);
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.file.set_len(0)?;
            return Err(error);
        }
        self.size = line.len() as u64;
        self.link = link;
        Ok(())
    }

    /// Sets the file aside and opens the next one, still empty. It can fail at each step (no
    /// descriptor left, a full disk) and is tried again then: nothing that an earlier try has moved
    /// is moved once more, or a few tries would push the older files off their end.
    fn rotate(&mut self) -> io::Result<()> {
        let older = |number: u32| {
            let mut name = self.settings.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if self.settings.path.try_exists()? {
            // Only up to the first gap: what lies beyond it has no need to move.
            let gap = (1..self.settings.keep).find(|number| !older(*number).exists());
            for number in (1..gap.unwrap_or(self.settings.keep)).rev() {
                fs::rename(older(number), older(number + 1))?;
            }
            fs::rename(&self.settings.path, older(1))?;
        }
        self.file = append_to(&self.settings.path).map_err(io::Error::from)?;
        self.size = 0;
        Ok(())
    }
}

/// Opens for appending, readable by the owner alone, and locks against other servers: two writers
/// would break each other's chain.
fn append_to(path: &Path) -> Result<File, TryLockError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

fn tail(file: &mut File, size: u64) -> io::Result<Vec<u8>> {
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::{super::chain::verify, *};

    fn settings(folder: &Path, max_bytes: u64) -> FileSettings {
        FileSettings {
            path: folder.join("audit.jsonl"),
            max_bytes,
            keep: 3,
        }
    }

    fn check(path: &Path, previous: Option<&str>) -> chain::Verdict {
        verify(BufReader::new(File::open(path).unwrap()), previous).unwrap()
    }

    #[test]
    fn the_chain_goes_on_after_a_restart_and_across_files() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), 600);
        for start in 0..3 {
            let mut file = AuditFile::open(&settings).unwrap();
            for line in 0..2 {
                file.write(&format!(
                    "{{\"start\":{start},\"line\":{line}\n{{\"more\":1\n"
                ))
                .unwrap();
            }
        }
        let older = check(&folder.path().join("audit.jsonl.1"), None);
        assert_eq!(older.fault, None);
        let newer = check(&settings.path, Some(&older.last));
        assert_eq!(newer.fault, None, "it follows the one before");
        assert!(newer.lines > 1);
    }

    #[test]
    fn a_torn_line_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), 1 << 20);
        AuditFile::open(&settings)
            .unwrap()
            .write("{\"a\":1\n")
            .unwrap();
        let mut torn = fs::read(&settings.path).unwrap();
        torn.truncate(torn.len() - 10);
        fs::write(&settings.path, &torn).unwrap();
        AuditFile::open(&settings)
            .unwrap()
            .write("{\"a\":2\n")
            .unwrap();
        assert_eq!(check(&settings.path, None).fault, None);
        assert_eq!(fs::read(folder.path().join("audit.jsonl.1")).unwrap(), torn);
    }

    /// A full file, the three before it, and a record that fills one.
    fn full(folder: &Path) -> (AuditFile, String) {
        let mut file = AuditFile::open(&settings(folder, 4_096)).unwrap();
        let record = format!("{{\"a\":\"{}\"\n", "x".repeat(5_000));
        for _ in 0..5 {
            file.write(&record).unwrap();
        }
        (file, record)
    }

    fn older(folder: &Path) -> [Vec<u8>; 3] {
        [1, 2, 3].map(|number| fs::read(folder.join(format!("audit.jsonl.{number}"))).unwrap())
    }

    #[test]
    fn a_rotation_that_failed_half_way_moves_nothing_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, record) = full(folder.path());
        let at = |end: &str| folder.path().join(format!("audit.jsonl{end}"));
        // As a try leaves it that could move the files, and then had no descriptor for the next.
        for (from, to) in [(".2", ".3"), (".1", ".2"), ("", ".1")] {
            fs::rename(at(from), at(to)).unwrap();
        }
        let before = older(folder.path());
        file.write(&record).unwrap();
        assert!(older(folder.path()) == before);
        let last = check(&at(".1"), None).last;
        assert_eq!(check(&at(""), Some(&last)).fault, None);
    }

    #[test]
    fn a_next_file_that_cant_be_begun_costs_none_of_the_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, record) = full(folder.path());
        file.rotate().unwrap();
        // Nothing can be written to it, as on a full disk.
        let next = std::mem::replace(&mut file.file, File::open(&file.settings.path).unwrap());
        let before = older(folder.path());
        for _ in 0..8 {
            assert!(file.write(&record).is_err());
        }
        assert!(older(folder.path()) == before);
        file.file = next;
        file.write(&record).unwrap();
        assert_eq!(check(&file.settings.path, None).fault, None);
    }

    #[test]
    fn two_servers_cant_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), 1 << 20);
        let _first = AuditFile::open(&settings).unwrap();
        assert!(matches!(
            AuditFile::open(&settings),
            Err(JournalError::InUse(_))
        ));
    }
}
