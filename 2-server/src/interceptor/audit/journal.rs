//! Where records go: a bounded buffer, which a thread of its own writes out.
//!
//! A call never waits for a disk or a pipe. When the buffer is full (a full disk, a reader of
//! standard error that sleeps) there is one rule: a **strict** journal refuses calls until there is
//! room again, because a call that can't be recorded must not happen; any other journal lets the
//! calls go on, counts the records that it lost, and writes that count as soon as it can.
//! In `prod` the journal is strict.

use std::{
    collections::HashMap,
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    file::AuditFile,
    recent::Recent,
    record::{self, Outcome, Record},
    settings::{JournalError, JournalSettings},
};
use crate::interceptor::{
    access::scope::Scope,
    denial::{Denial, DenialKind},
};

/// How much may wait to be written.
const BUFFER: usize = 4 << 20;
/// How long a record may wait. A crash loses at most this much of the record.
const FLUSH_EVERY: Duration = Duration::from_millis(50);
/// How many refusals of one kind and identity are written each second, one by one. The rest of
/// them is counted.
const FLOOD: u64 = 20;
/// How many floods are told apart at once; beyond it they are counted together.
const MAX_FLOODS: usize = 1024;

/// A place for records besides standard error: a file, or whatever an operator collects them with.
pub trait Sink: Send {
    /// Writes records, one a line; each is a JSON object that still lacks its closing brace, so
    /// that a sink can add to it. After an error the same records come again: none of them may have
    /// been kept.
    ///
    /// # Errors
    /// When they can't be kept. A strict journal refuses calls until they can.
    fn write(&mut self, records: &str) -> io::Result<()>;
}

impl Sink for AuditFile {
    fn write(&mut self, records: &str) -> io::Result<()> {
        AuditFile::write(self, records)
    }
}

/// Hears of every message that ends, for instance to count it. It hears in the caller's time, so it
/// must be quick.
pub trait Observer: std::fmt::Debug + Send + Sync {
    /// A message ended.
    fn ended(&self, record: &Record<'_>);
    /// Whether it reports a span for each call, so that a call needs a place in a trace.
    fn opens_spans(&self) -> bool {
        false
    }
}

/// Keeps the records.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    settings: JournalSettings,
    is_off: bool,
    // Messages that came and haven't ended.
    open: AtomicUsize,
    // Unset where nobody may read records back.
    recent: OnceLock<Recent>,
    // Unset where nobody counts.
    observers: OnceLock<Observers>,
}

#[derive(Debug)]
struct Observers {
    all: Box<[Arc<dyn Observer>]>,
    opens_spans: bool,
}

#[derive(Debug, Default)]
struct State {
    // Open records, one a line: the writer seals them, so that rotation can come in between.
    waiting: String,
    lost: u64,
    floods: HashMap<(Arc<str>, Outcome), u64>,
    closing: bool,
    failing: bool,
}

impl Journal {
    /// Opens the sinks and starts the thread that writes to them.
    ///
    /// # Errors
    /// [`JournalError`] when the file can't be used. A server must not start then.
    pub fn open(settings: JournalSettings) -> Result<Self, JournalError> {
        let file = settings.file.as_ref().map(AuditFile::open).transpose()?;
        Self::start(
            settings,
            file.map(|file| -> Box<dyn Sink> { Box::new(file) }),
        )
    }

    /// The same with a place of the caller's own for the records, instead of a file.
    ///
    /// # Errors
    /// [`JournalError`] when there is no thread to write from.
    pub fn open_with(settings: JournalSettings, sink: Box<dyn Sink>) -> Result<Self, JournalError> {
        Self::start(settings, Some(sink))
    }

    fn start(settings: JournalSettings, sink: Option<Box<dyn Sink>>) -> Result<Self, JournalError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
            is_off: sink.is_none() && !settings.stderr,
            open: AtomicUsize::new(0),
            settings,
            recent: OnceLock::new(),
            observers: OnceLock::new(),
        });
        let writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.write_out(sink))
            .map_err(|source| JournalError::Open {
                path: PathBuf::from("(thread)"),
                source,
            })?;
        Ok(Self {
            shared,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// From now on, keeps the last records of every caller who holds this scope, for that caller to
    /// read. The first scope stays.
    pub fn keep_recent(&self, scope: Scope) {
        let _ = self.shared.recent.set(Recent::new(scope));
    }

    /// From now on, tells these observers of every request that ends. The first ones stay.
    pub fn observe(&self, observers: impl IntoIterator<Item = Arc<dyn Observer>>) {
        let all: Box<[_]> = observers.into_iter().collect();
        let opens_spans = all.iter().any(|observer| observer.opens_spans());
        let _ = self.shared.observers.set(Observers { all, opens_spans });
    }

    /// Whether somebody reports a span for each call.
    pub(in super::super) fn opens_spans(&self) -> bool {
        let observers = self.shared.observers.get();
        observers.is_some_and(|observers| observers.opens_spans)
    }

    fn observers(&self) -> &[Arc<dyn Observer>] {
        let observers = self.shared.observers.get();
        observers.map_or(&[], |observers| &observers.all)
    }

    /// The last records of a caller, oldest first, each a JSON object.
    pub fn recent(&self, caller: &str) -> Vec<String> {
        let recent = self.shared.recent.get();
        recent.map_or_else(Vec::new, |recent| recent.of(caller))
    }

    /// Waits until a caller has a record that it hasn't seen: `seen` is what the last wait gave, 0
    /// at first. For ever, where none are kept.
    pub async fn news(&self, caller: &str, seen: u64) -> u64 {
        let Some(recent) = self.shared.recent.get() else {
            return std::future::pending().await;
        };
        let mut woken = recent.listen();
        loop {
            let news = recent.news_of(caller);
            if news != seen {
                return news;
            }
            if woken.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// What `seen` is now, for a first wait that should wake for later records only.
    pub fn seen(&self, caller: &str) -> u64 {
        let recent = self.shared.recent.get();
        recent.map_or(0, |recent| recent.news_of(caller))
    }

    /// Whether a call may go on: a strict journal wants room for its record.
    pub(in super::super) fn admit(&self) -> Result<(), Denial> {
        if !self.shared.settings.strict {
            return Ok(());
        }
        let state = self.shared.lock();
        if state.waiting.len() < BUFFER && !state.failing {
            return Ok(());
        }
        let mut denial = Denial::new(
            DenialKind::Unavailable,
            "the server can't keep its audit record right now, so it refuses to act: try again later",
        );
        denial.retry_after = Some(Duration::from_secs(5));
        Err(denial)
    }

    /// Notes that a message came, which must end before its record can be written.
    pub(in super::super) fn opens(&self) {
        self.shared.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a message ended.
    pub(in super::super) fn closes(&self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Waits until every message has ended, for a server that stops: what is cut off leaves its
    /// record too. It doesn't wait for long.
    pub async fn settled(&self) {
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        const MOST: u32 = 400;
        for _ in 0..MOST {
            if self.shared.open.load(Ordering::Relaxed) == 0 {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tracing::warn!("some calls don't end: their records are missing");
    }

    /// Bytes of the record that wait to be written, and floods that are being counted.
    pub(in super::super) fn waiting(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.waiting.len(), state.floods.len())
    }

    /// Whether records reach their sinks, for a readiness check.
    pub fn is_healthy(&self) -> bool {
        let state = self.shared.lock();
        !state.failing && state.waiting.len() < BUFFER
    }

    /// Writes the record of a message. One that `is_owed` finds room even where there is none: a
    /// strict journal has let its call in, and only so many calls run at once.
    pub(in super::super) fn record(&self, record: &Record<'_>, is_owed: bool) {
        for observer in self.observers() {
            observer.ended(record);
        }
        let shared = &self.shared;
        let recent = shared.recent.get().filter(|recent| recent.wants(record));
        if shared.is_off && recent.is_none() || shared.is_flooded(record) {
            return;
        }
        // Rendered outside the lock: calls wait for each other only while a line is copied.
        let line = record::render(record);
        if let Some(recent) = recent {
            recent.keep(record, &line);
        }
        if !shared.is_off {
            shared.append(&line, is_owed && shared.settings.strict);
        }
    }

    /// Writes out what waits and stops the thread. Called once, at the end.
    pub fn shut_down(&self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_all();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // A thread that panicked has nothing left to write.
            let _ = writer.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refusal, and tells whether there were so many of its kind in this second that it is
    /// only counted.
    fn is_flooded(&self, record: &Record<'_>) -> bool {
        if !record.outcome.is_refusal() {
            return false;
        }
        let mut state = self.lock();
        let identity = if state.floods.len() < MAX_FLOODS {
            record.identity()
        } else {
            "(many)".into()
        };
        let seen = state.floods.entry((identity, record.outcome)).or_default();
        *seen += 1;
        *seen > FLOOD
    }

    fn append(&self, line: &str, is_owed: bool) {
        let mut state = self.lock();
        let was_idle = state.waiting.is_empty();
        state.push(line, is_owed);
        drop(state);
        if was_idle {
            self.wake.notify_all();
        }
    }

    /// The thread's whole life.
    fn write_out(&self, mut sink: Option<Box<dyn Sink>>) {
        let mut batch = String::new();
        let mut second = Instant::now();
        loop {
            let closing = self.gather(&mut batch, &mut second);
            let written = self.write(&batch, sink.as_deref_mut());
            let failed = written.is_err();
            if let Err(error) = written {
                self.complain(&error);
            } else {
                batch.clear();
            }
            let mut state = self.lock();
            state.failing = failed;
            // At the end a sink that fails gets no second chance, or the server could never stop.
            if closing && (failed || state.waiting.is_empty() && state.lost == 0) {
                return;
            }
        }
    }

    /// Sleeps until there is something to write, lets more of it come for a moment, and takes it.
    fn gather(&self, batch: &mut String, second: &mut Instant) -> bool {
        let idle = |state: &mut State| {
            !state.closing && !state.failing && state.waiting.is_empty() && state.floods.is_empty()
        };
        let state = self
            .wake
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .wake
            .wait_timeout_while(state, FLUSH_EVERY, |state| !state.closing)
            .unwrap_or_else(PoisonError::into_inner);
        if second.elapsed() >= Duration::from_secs(1) || state.closing {
            *second = Instant::now();
            state.count_floods();
        }
        state.note_losses();
        if batch.is_empty() {
            std::mem::swap(batch, &mut state.waiting);
        }
        state.closing
    }

    fn write(&self, batch: &str, sink: Option<&mut (dyn Sink + 'static)>) -> io::Result<()> {
        let is_only = sink.is_none();
        if let Some(sink) = sink
            && !batch.is_empty()
        {
            sink.write(batch)?;
        }
        if self.settings.stderr && !batch.is_empty() {
            let mut whole = String::with_capacity(batch.len() + batch.len() / 64);
            for line in batch.lines() {
                whole.push_str(line);
                whole.push_str("}\n");
            }
            let written = io::stderr().lock().write_all(whole.as_bytes());
            // A closed standard error is no reason to stop anything while the record is kept
            // elsewhere. Where it is kept nowhere else, nobody keeps it any more.
            if is_only && self.settings.strict {
                written?;
            }
        }
        Ok(())
    }

    fn complain(&self, error: &io::Error) {
        if !self.lock().failing {
            let rule = if self.settings.strict {
                "calls are refused until it can"
            } else {
                "calls go on"
            };
            tracing::error!(%error, "THE AUDIT RECORD CAN'T BE WRITTEN; {rule}");
        }
    }
}

impl State {
    fn push(&mut self, line: &str, is_owed: bool) {
        if self.waiting.len() >= BUFFER && !is_owed {
            self.lost += 1;
            return;
        }
        self.waiting.push_str(line);
        self.waiting.push('\n');
    }

    fn count_floods(&mut self) {
        for ((identity, outcome), seen) in std::mem::take(&mut self.floods) {
            if seen > FLOOD {
                self.push(
                    &record::render_flood(&identity, outcome, seen - FLOOD),
                    false,
                );
            }
        }
    }

    fn note_losses(&mut self) {
        if self.lost > 0 && self.waiting.len() < BUFFER {
            let lost = std::mem::take(&mut self.lost);
            self.push(&record::render_lost(lost), false);
        }
    }
}
