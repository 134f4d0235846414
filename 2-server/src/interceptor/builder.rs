//! A pipeline in a few lines. Whatever isn't said is the strict choice: nobody may come in, calls
//! are recorded, and a call that can't be recorded doesn't happen.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    Authenticator, Catalogue, FailureLimit, Grants, Journal, JournalSettings, KeyStore,
    LimitSettings, OwnRules, Pipeline, Rate, RateLimit, Rule,
    audit::{FileSettings, JournalError},
    keys::{KeysError, Roles},
};

/// A call that takes longer than this is stopped, unless another time is said.
const TIME_OUT: Duration = Duration::from_secs(60);
/// An audit file of this size is followed by the next, and this many are kept.
const AUDIT_BYTES: u64 = 64 << 20;
const AUDIT_FILES: u32 = 8;

/// Builds a [`Pipeline`]. Begin with [`Pipeline::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is told to build"]
pub struct PipelineBuilder {
    keys: Option<KeyStore>,
    anonymous: Option<Grants>,
    journal: JournalSettings,
    limits: LimitSettings,
    failures: Option<Rate>,
    catalogue: Catalogue,
    rules: OwnRules,
    time_out: Duration,
}

/// Why a pipeline can't be built. A server must not start without one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There are no keys, and no anonymous callers.
    #[error("nobody could ever come in: give keys, or say what anonymous callers may do")]
    NobodyMayEnter,
    /// There is no place for records.
    #[error("calls would leave no record: give an audit file, or leave standard error on")]
    NoRecord,
    /// The keys file can't be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The audit file can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A rate of nothing.
    #[error("the rate of failed sign-ins must be at least 1 per minute")]
    NoFailures,
}

impl Default for PipelineBuilder {
    fn default() -> Self {
        Self {
            keys: None,
            anonymous: None,
            journal: JournalSettings {
                stderr: true,
                file: None,
                strict: true,
            },
            limits: LimitSettings::default(),
            failures: Rate::new(10, 10),
            catalogue: Catalogue::new(),
            rules: OwnRules::default(),
            time_out: TIME_OUT,
        }
    }
}

impl PipelineBuilder {
    /// Who may come in, by key.
    pub fn keys(mut self, keys: KeyStore) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Who may come in, from a file that `mcp-server keys` writes; `roles` are what its entries may
    /// name. Spawn [`KeyStore::follow`] of the pipeline's [`Authenticator::keys`] to have a running
    /// server follow the file.
    ///
    /// # Errors
    /// When the file can't be used.
    pub fn keys_file(self, path: &Path, roles: Roles) -> Result<Self, BuildError> {
        Ok(self.keys(KeyStore::open(path, roles)?))
    }

    /// What a caller without a key may do; without a word, there are no such callers.
    pub fn anonymous(mut self, grants: Grants) -> Self {
        self.anonymous = Some(grants);
        self
    }

    /// Keeps the record in this file too: chained, and rotated by size.
    pub fn audit_file(mut self, path: &Path) -> Self {
        self.journal.file = Some(FileSettings {
            path: path.into(),
            max_bytes: AUDIT_BYTES,
            keep: AUDIT_FILES,
        });
        self
    }

    /// Where records go, in every detail.
    pub fn journal(mut self, settings: JournalSettings) -> Self {
        self.journal = settings;
        self
    }

    /// How much callers may ask.
    pub fn limits(mut self, limits: LimitSettings) -> Self {
        self.limits = limits;
        self
    }

    /// How many failed sign-ins an address may have.
    pub fn failed_sign_ins(mut self, per_minute: u32) -> Self {
        self.failures = Rate::new(per_minute, per_minute);
        self
    }

    /// What each operation needs, where it doesn't follow from its name.
    pub fn catalogue(mut self, catalogue: Catalogue) -> Self {
        self.catalogue = catalogue;
        self
    }

    /// One more check, asked after all others: only of callers that are known, within limits and
    /// have the scope. What it refuses is recorded like any other refusal.
    pub fn rule(mut self, rule: impl Rule<Permit = ()>) -> Self {
        self.rules = self.rules.and(rule);
        self
    }

    /// How long a call may take.
    pub fn time_out(mut self, time_out: Duration) -> Self {
        self.time_out = time_out;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    /// [`BuildError`] when the pipeline would let nobody in, or keep no record.
    pub fn build(self) -> Result<Pipeline, BuildError> {
        if self.keys.is_none() && self.anonymous.is_none() {
            return Err(BuildError::NobodyMayEnter);
        }
        if self.journal.strict && !self.journal.stderr && self.journal.file.is_none() {
            return Err(BuildError::NoRecord);
        }
        let failures = self.failures.ok_or(BuildError::NoFailures)?;
        let failures = FailureLimit::new(failures, self.limits.capacity);
        let keys = Arc::new(self.keys.unwrap_or_else(KeyStore::empty));
        Ok(Pipeline {
            journal: Arc::new(Journal::open(self.journal)?),
            authenticator: Arc::new(Authenticator::new(keys, self.anonymous, failures)),
            limits: RateLimit::new(&self.limits),
            catalogue: Arc::new(self.catalogue),
            rules: self.rules,
            time_out: self.time_out,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_isnt_said_is_the_strict_choice() {
        let nobody = Pipeline::builder().build().unwrap_err();
        assert!(matches!(nobody, BuildError::NobodyMayEnter));
        let silent = JournalSettings {
            strict: true,
            ..JournalSettings::default()
        };
        let unrecorded = Pipeline::builder()
            .anonymous(Grants::default())
            .journal(silent)
            .build();
        assert!(matches!(unrecorded.unwrap_err(), BuildError::NoRecord));
        let unlimited = Pipeline::builder()
            .anonymous(Grants::default())
            .failed_sign_ins(0)
            .build();
        assert!(matches!(unlimited.unwrap_err(), BuildError::NoFailures));
        let missing = Pipeline::builder().keys_file(Path::new("/nowhere/keys.toml"), Roles::new());
        assert!(matches!(missing.unwrap_err(), BuildError::Keys(_)));
    }
}
