//! Where records go, and why they can't.

use std::{io, path::PathBuf};

/// Where records go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalSettings {
    /// Write to standard error.
    pub stderr: bool,
    /// Write to a file.
    pub file: Option<FileSettings>,
    /// Refuse calls that can't be recorded.
    pub strict: bool,
}

/// An audit file: rotated by size, chained by hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// The file; older ones get `.1`, `.2` … behind their name.
    pub path: PathBuf,
    /// Bytes after which a new file begins.
    pub max_bytes: u64,
    /// How many older files are kept.
    pub keep: u32,
}

/// Why a journal can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file can't be opened or read.
    #[error("can't open the audit file {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes it.
    #[error("the audit file {0} is in use by another server: give each server a file of its own")]
    InUse(PathBuf),
}
