//! Files that a running server follows, so that an edit counts without a restart.
//!
//! What was read is noted only after it could be read. A file that can't be read is tried again
//! every second, whatever its times say: its rights, or the process's descriptors, may have been
//! what was wrong.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// How often a file that can't be used is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// One file, or several that belong together.
#[derive(Debug)]
pub(crate) struct FollowedFile {
    paths: Box<[PathBuf]>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    // As the files were when they could be read last.
    good: Option<Stamps>,
    // As they were at the last look. An edit counts once two looks agree: half a file can read
    // well, and say more than the whole.
    last: Option<Stamps>,
    broken: Option<Broken>,
}

#[derive(Debug)]
struct Broken {
    since: Instant,
    tried: Instant,
    // What was said of it, so that it is said once for each edit.
    said: (Stamps, String),
}

type Stamps = Box<[Option<Stamp>]>;

/// What changes when a file is edited, replaced, or given other rights.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    // Inode, mode, and when these or the rest changed. An edit can keep the time of the content, but
    // not this one.
    #[cfg(unix)]
    unix: (u64, u32, i64, i64),
}

/// What a look found.
pub(crate) enum Look<E> {
    /// Nothing new.
    Same,
    /// The files changed, and were read.
    Read,
    /// They can't be used, for a reason that wasn't told yet.
    Broken(E),
}

impl FollowedFile {
    pub(crate) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            paths: paths.into_iter().collect(),
            state: Mutex::default(),
        }
    }

    /// The files.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Reads the files now.
    pub(crate) fn read<E: Display>(&self, read: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        // Before they are read: an edit that comes in between is seen by the next look.
        let stamps = self.stamps();
        let result = read();
        let now = Instant::now();
        let mut state = self.lock();
        match &result {
            Ok(()) => {
                state.good = Some(stamps);
                state.broken = None;
            }
            Err(error) => {
                let since = state.broken.as_ref().map_or(now, |broken| broken.since);
                state.broken = Some(Broken {
                    since,
                    tried: now,
                    said: (stamps, error.to_string()),
                });
            }
        }
        result
    }

    /// Reads the files if they changed, or if they couldn't be used the last time.
    pub(crate) fn look<E: Display>(&self, read: impl FnOnce() -> Result<(), E>) -> Look<E> {
        let now = self.stamps();
        let mut state = self.lock();
        let settled = state.last.as_ref() == Some(&now);
        state.last = Some(now.clone());
        let said = match &state.broken {
            _ if !settled => return Look::Same,
            None if state.good.as_ref() == Some(&now) => return Look::Same,
            Some(broken) if broken.said.0 == now && broken.tried.elapsed() < RETRY_EVERY => {
                return Look::Same;
            }
            broken => broken.as_ref().map(|broken| broken.said.clone()),
        };
        drop(state);
        match self.read(read) {
            Ok(()) => Look::Read,
            Err(error) if said == Some((now, error.to_string())) => Look::Same,
            Err(error) => Look::Broken(error),
        }
    }

    /// How long the files couldn't be used.
    pub(crate) fn broken_for(&self) -> Option<Duration> {
        let broken = &self.lock().broken;
        broken.as_ref().map(|broken| broken.since.elapsed())
    }

    fn stamps(&self) -> Stamps {
        self.paths.iter().map(|path| stamp(path)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None` while the file is missing.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let unix = {
        use std::os::unix::fs::MetadataExt as _;
        (
            metadata.ino(),
            metadata.mode(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        )
    };
    Some(Stamp {
        modified: metadata.modified().ok(),
        len: metadata.len(),
        #[cfg(unix)]
        unix,
    })
}
