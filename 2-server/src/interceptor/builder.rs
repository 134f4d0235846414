//! A pipeline in a few lines. Whatever isn't said is the strict choice: nobody may come in, calls
//! are recorded, and a call that can't be recorded doesn't happen.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use super::{
    access::{
        catalogue::Catalogue,
        scope::{Grants, Scope},
    },
    audit::{
        journal::{Journal, Observer, Sink},
        settings::{FileSettings, JournalError, JournalSettings},
    },
    identity::{
        authenticate::Authenticate,
        failed_sign_ins::FailedSignIns,
        keys::{KeyStore, KeysError, Roles},
        sign_in::SignIn,
    },
    limit::{
        charge::Limit,
        local::{LimitSettings, LocalLimit},
        rate::Rate,
    },
    pipeline::Pipeline,
    rules::{CustomRules, Rule},
    tasks::TaskOwners,
};

/// A call that takes longer than this is stopped, unless another time is said.
const TIMEOUT: Duration = Duration::from_secs(60);
/// An audit file of this size is followed by the next, and this many are kept.
const AUDIT_BYTES: u64 = 64 << 20;
const AUDIT_FILES: u32 = 8;

/// Builds a [`Pipeline`]. Begin with [`Pipeline::builder`].
#[must_use = "a builder does nothing until it is told to build"]
pub struct PipelineBuilder {
    anonymous: Option<Grants>,
    ways: Vec<Arc<dyn Authenticate>>,
    failures: Option<Rate>,
    journal: JournalSettings,
    sink: Option<Box<dyn Sink>>,
    recent: Option<Scope>,
    observers: Vec<Arc<dyn Observer>>,
    limits: LimitSettings,
    limit: Option<Arc<dyn Limit>>,
    catalogue: Catalogue,
    rules: CustomRules,
    timeout: Duration,
}

/// Why a pipeline can't be built. A server must not start without one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no way to sign in, and there are no anonymous callers.
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
    /// No failed sign-in at all would be allowed.
    #[error("the rate of failed sign-ins must be at least 1 per minute")]
    NoFailures,
}

impl Default for PipelineBuilder {
    fn default() -> Self {
        Self {
            anonymous: None,
            ways: Vec::new(),
            failures: Rate::new(10, 10),
            journal: JournalSettings {
                stderr: true,
                file: None,
                strict: true,
            },
            sink: None,
            recent: None,
            observers: Vec::new(),
            limits: LimitSettings::default(),
            limit: None,
            catalogue: Catalogue::new(),
            rules: CustomRules::default(),
            timeout: TIMEOUT,
        }
    }
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder")
            .field("anonymous", &self.anonymous)
            .field("ways", &self.ways)
            .field("journal", &self.journal)
            .field("limits", &self.limits)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Begins a pipeline. Whatever isn't said is the strict choice.
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder::default()
    }
}

impl PipelineBuilder {
    /// One more way to sign in, asked where those before it don't know a credential.
    pub fn authenticate(mut self, way: Arc<dyn Authenticate>) -> Self {
        self.ways.push(way);
        self
    }

    /// Keys sign in.
    pub fn keys(self, keys: KeyStore) -> Self {
        self.authenticate(Arc::new(keys))
    }

    /// Keys sign in, from a file that `mcp-server keys` writes; `roles` are what its entries may
    /// name. A server that is [served](crate::transport::serve) follows the file.
    ///
    /// # Errors
    /// When the file can't be used.
    pub fn keys_file(self, path: &Path, roles: Roles) -> Result<Self, BuildError> {
        Ok(self.keys(KeyStore::open(path, roles)?))
    }

    /// What a caller without a credential may do; unless this is said, there are no such callers.
    pub fn anonymous(mut self, grants: Grants) -> Self {
        self.anonymous = Some(grants);
        self
    }

    /// How many failed sign-ins an address may have in a minute.
    pub fn failed_sign_ins(mut self, per_minute: u32) -> Self {
        self.failures = Rate::new(per_minute, per_minute);
        self
    }

    /// Keeps the audit log in this file too: chained, and rotated by size.
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

    /// A place of your own for records, instead of a file.
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Keeps the last records of every caller who holds this scope, for that caller to read.
    pub fn keep_recent(mut self, scope: Scope) -> Self {
        self.recent = Some(scope);
        self
    }

    /// Somebody who hears of every message that ends, for instance to count it.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// How much callers may ask of this process.
    pub fn limits(mut self, limits: LimitSettings) -> Self {
        self.limits = limits;
        self
    }

    /// Another limit, in place of this process's own.
    pub fn limit(mut self, limit: Arc<dyn Limit>) -> Self {
        self.limit = Some(limit);
        self
    }

    /// What each operation needs, where it doesn't follow from its name. The handler may keep a
    /// clone and [replace](Catalogue::replace) it while it is served.
    pub fn catalogue(mut self, catalogue: Catalogue) -> Self {
        self.catalogue = catalogue;
        self
    }

    /// One more check, asked after all others: only of callers that are known, within limits and
    /// have the scope. What it refuses is recorded like any other refusal.
    pub fn rule(mut self, rule: impl Rule) -> Self {
        self.rules = self.rules.and(rule);
        self
    }

    /// How long a call may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    /// [`BuildError`] when the pipeline would let nobody in, or keep no record.
    pub fn build(self) -> Result<Pipeline, BuildError> {
        if self.ways.is_empty() && self.anonymous.is_none() {
            return Err(BuildError::NobodyMayEnter);
        }
        let keeps = self.journal.stderr || self.journal.file.is_some() || self.sink.is_some();
        if self.journal.strict && !keeps {
            return Err(BuildError::NoRecord);
        }
        let failures = self.failures.ok_or(BuildError::NoFailures)?;
        let failures = FailedSignIns::new(failures, self.limits.capacity);
        let journal = match self.sink {
            Some(sink) => Journal::open_with(self.journal, sink)?,
            None => Journal::open(self.journal)?,
        };
        if let Some(scope) = self.recent {
            journal.keep_recent(scope);
        }
        journal.observe(self.observers);
        let own = || Arc::new(LocalLimit::new(&self.limits)) as Arc<dyn Limit>;
        Ok(Pipeline {
            journal: Arc::new(journal),
            sign_in: Arc::new(SignIn::new(self.anonymous, self.ways, failures)),
            limit: self.limit.unwrap_or_else(own),
            catalogue: self.catalogue,
            tasks: TaskOwners::default(),
            rules: self.rules,
            timeout: self.timeout,
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
