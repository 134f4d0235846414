//! Keeps a connection to one server alive: connects, lists, notices when it breaks, tries again.
//!
//! What it never does is repeat a call. Whether a call that was cut off ran is for a person to judge.

use std::{
    cmp::Ordering,
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::config::{Config, Limits, ServerConfig};
use crate::failure::{Failure, Kind};
use crate::secret::Secret;
use crate::session::Session;
use crate::session::question::Asker;
use crate::wire::WireLog;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// Questions of one connection that were declined unasked and that a person hears of.
const MAX_DECLINED: usize = 20;
/// A server that announces changes without end has its lists read this often and no oftener.
const BETWEEN_LISTS: Duration = Duration::from_millis(500);

/// What happened to a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkEvent {
    /// Trying.
    Connecting,
    /// Connected, and this is what the server offers. Lists that were refused are named.
    Ready(Box<Catalog>, Vec<Failure>),
    /// The server asked something in the middle of a call, and it was declined because nobody could be
    /// asked: what, and what to do.
    Declined(String),
    /// Not connected. With a wait, another attempt follows by itself; without, only when asked for.
    Down(Failure, Option<Duration>),
}

/// What a server last said that it is and offers. A call is held against it at the last moment.
#[derive(Debug)]
struct Listed {
    owner: String,
    fingerprints: HashMap<String, String>,
}

impl Listed {
    fn of(catalog: &Catalog) -> Self {
        let owner = catalog.owner();
        let tools = catalog.tools.iter();
        let fingerprints = tools.map(|t| (t.name.clone(), t.fingerprint(&owner)));
        Self {
            fingerprints: fingerprints.collect(),
            owner,
        }
    }
}

/// One server and the connection to it, if there is one.
pub struct Link {
    name: String,
    config: RwLock<ServerConfig>,
    limits: Limits,
    wire: WireLog,
    asker: Option<Asker>,
    current: RwLock<Option<Arc<Session>>>,
    /// Nothing while the lists are being read again.
    listed: watch::Sender<Option<Arc<Listed>>>,
    again: Notify,
}

impl Link {
    fn new(config: ServerConfig, limits: Limits, wire: WireLog, asker: Option<Asker>) -> Self {
        Self {
            name: config.name.clone(),
            config: RwLock::new(config),
            limits,
            wire,
            asker,
            current: RwLock::new(None),
            listed: watch::Sender::new(None),
            again: Notify::new(),
        }
    }

    /// The live connection.
    ///
    /// # Errors
    /// [`Failure::Away`] while there is none.
    pub fn session(&self) -> Result<Arc<Session>, Failure> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current
            .clone()
            .ok_or_else(|| Failure::Away(format!("not connected to {}", self.name)))
    }

    fn set(&self, session: Option<Arc<Session>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = session;
    }

    /// Whether the server still offers exactly this tool, as the one that it was when a person, or a
    /// rule, said yes. While the lists are being read again, this waits for them.
    ///
    /// # Errors
    /// [`Failure::Held`] when it doesn't.
    pub async fn vouch(&self, tool: &str, fingerprint: &str) -> Result<(), Failure> {
        let name = crate::untrusted::label(tool, 80);
        match self.listed().await?.fingerprints.get(tool) {
            Some(now) if now == fingerprint => Ok(()),
            Some(_) => Err(Failure::Held(format!(
                "{name} changed after it was offered; the call wasn't made"
            ))),
            None => Err(Failure::Held(format!(
                "{name} is no longer offered; the call wasn't made"
            ))),
        }
    }

    /// Whether the server still says that it is the one that it was.
    ///
    /// # Errors
    /// [`Failure::Held`] when it says something else.
    pub async fn vouch_owner(&self, owner: &str) -> Result<(), Failure> {
        if self.listed().await?.owner == owner {
            return Ok(());
        }
        let name = &self.name;
        Err(Failure::Held(format!(
            "{name} says now that it is another server; nothing was sent to it"
        )))
    }

    async fn listed(&self) -> Result<Arc<Listed>, Failure> {
        let mut listed = self.listed.subscribe();
        let known = async {
            let found = listed.wait_for(Option::is_some).await.ok();
            found.and_then(|found| found.clone())
        };
        let wait = self.limits.request();
        tokio::time::timeout(wait, known)
            .await
            .map_err(|_| Failure::TimedOut(wait))?
            .ok_or_else(|| Failure::Away(format!("not connected to {}", self.name)))
    }

    /// Tells the link how a call went wrong, so that it can look after the connection.
    pub fn report(&self, failure: &Failure) {
        if failure.wants_reconnect() {
            self.again.notify_one();
        }
    }

    /// Uses this key from now on, and connects again with it.
    pub fn sign_in(&self, key: Secret) {
        let mut config = self.config.write().unwrap_or_else(PoisonError::into_inner);
        config.key = Some(key);
        drop(config);
        self.again.notify_one();
    }

    /// Tries again now, whatever the state.
    pub fn reconnect(&self) {
        self.again.notify_one();
    }

    /// Runs until told to stop. Events are numbered with the server's place.
    pub async fn run(
        &self,
        place: usize,
        events: mpsc::Sender<(usize, LinkEvent)>,
        stop: CancellationToken,
    ) {
        let mut attempt = 0u32;
        loop {
            let _ = events.send((place, LinkEvent::Connecting)).await;
            let wait = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.connect(place, &events, &stop) => match outcome {
                    // It worked for a while: start over without a wait.
                    Ok(()) => { attempt = 0; Some(Duration::ZERO) }
                    Err(failure) => {
                        let wait = pause(&failure, attempt);
                        attempt = attempt.saturating_add(1);
                        let _ = events.send((place, LinkEvent::Down(failure, wait))).await;
                        wait
                    }
                }
            };
            if stop.is_cancelled() {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.again.notified() => attempt = 0,
                () = async { match wait { Some(wait) => tokio::time::sleep(wait).await, None => std::future::pending().await } } => {}
            }
        }
    }

    /// One connection, from handshake to its end.
    async fn connect(
        &self,
        place: usize,
        events: &mpsc::Sender<(usize, LinkEvent)>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let asker = self.asker.clone();
        let config = {
            let config = self.config.read();
            config.unwrap_or_else(PoisonError::into_inner).clone()
        };
        let session = Session::connect_asking(&config, self.limits, &self.wire, asker).await?;
        let session = Arc::new(session);
        let outcome = self.watch(place, &session, events, stop).await;
        self.set(None);
        self.listed.send_replace(None);
        if stop.is_cancelled() {
            session.close().await;
        }
        // Otherwise it ends with its last call: another chat may still be reading an answer from it.
        outcome
    }

    async fn watch(
        &self,
        place: usize,
        session: &Arc<Session>,
        events: &mpsc::Sender<(usize, LinkEvent)>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let mut pulse = tokio::time::interval(Duration::from_secs(1));
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut declined = 0;
        let follow = session.follow_lists();
        tokio::pin!(follow);
        loop {
            let (catalog, refused) = session.catalog().await?;
            let read = Instant::now();
            self.listed
                .send_replace(Some(Arc::new(Listed::of(&catalog))));
            self.set(Some(session.clone()));
            let _ = events
                .send((place, LinkEvent::Ready(Box::new(catalog), refused)))
                .await;
            loop {
                tokio::select! {
                    // In this order, so that a person hears of it although the call was the last.
                    biased;
                    told = session.declined() => {
                        declined += 1;
                        let told = match declined.cmp(&MAX_DECLINED) {
                            Ordering::Less => told,
                            Ordering::Equal => "it asks without end; more of it isn't shown".into(),
                            Ordering::Greater => continue,
                        };
                        let _ = events.send((place, LinkEvent::Declined(told))).await;
                    }
                    () = stop.cancelled() => return Ok(()),
                    () = self.again.notified() => return Ok(()),
                    () = session.changed() => {
                        // From here on, no call is made by the old list.
                        self.listed.send_replace(None);
                        tokio::select! {
                            () = stop.cancelled() => return Ok(()),
                            () = tokio::time::sleep_until(read + BETWEEN_LISTS) => {}
                        }
                        break;
                    }
                    () = &mut follow => return Ok(()),
                    _ = pulse.tick() => if session.is_closed() { return Ok(()) },
                }
            }
        }
    }
}

/// How long to wait before the next attempt, or not to try at all: a refused key stays refused, and
/// each attempt would count against the server's limit for failed sign-ins.
fn pause(failure: &Failure, attempt: u32) -> Option<Duration> {
    let backoff = FIRST_WAIT
        .saturating_mul(2u32.saturating_pow(attempt))
        .min(LONGEST_WAIT);
    match failure.kind() {
        Kind::SignedOut | Kind::Forbidden => None,
        Kind::Throttled => Some(failure.retry_after().unwrap_or(LONGEST_WAIT).max(backoff)),
        Kind::Broken if !matches!(failure, Failure::Rpc { .. } | Failure::Lost) => None,
        _ => Some(backoff),
    }
}

/// All the links. More may join them; none ever leaves its place.
#[derive(Clone)]
pub struct Hub {
    links: Arc<RwLock<Vec<Arc<Link>>>>,
    limits: Limits,
    wire: WireLog,
    asker: Option<Asker>,
}

impl Hub {
    /// One link per configured server; none is started yet, and nobody answers servers' questions.
    #[must_use]
    pub fn new(config: &Config, wire: &WireLog) -> Self {
        Self::asking(config, wire, None)
    }

    /// The same; what servers ask the person goes to `asker`.
    #[must_use]
    pub fn asking(config: &Config, wire: &WireLog, asker: Option<&Asker>) -> Self {
        let hub = Self {
            links: Arc::default(),
            limits: config.limits,
            wire: wire.clone(),
            asker: asker.cloned(),
        };
        for server in &config.servers {
            hub.add(server.clone());
        }
        hub
    }

    /// One more link, which isn't started yet. Gives its place.
    pub fn add(&self, server: ServerConfig) -> usize {
        let link = Link::new(server, self.limits, self.wire.clone(), self.asker.clone());
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        links.push(Arc::new(link));
        links.len() - 1
    }

    /// Starts every link. They end when `stop` is cancelled.
    pub fn start(
        &self,
        events: &mpsc::Sender<(usize, LinkEvent)>,
        stop: &CancellationToken,
    ) -> tokio::task::JoinSet<()> {
        let mut tasks = tokio::task::JoinSet::new();
        let count = self
            .links
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        for place in 0..count {
            if let Ok(link) = self.link(place) {
                let (events, stop) = (events.clone(), stop.clone());
                tasks.spawn(async move { link.run(place, events, stop).await });
            }
        }
        tasks
    }

    /// The link at a place.
    ///
    /// # Errors
    /// [`Failure::Here`] when there is no such place.
    pub fn link(&self, place: usize) -> Result<Arc<Link>, Failure> {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        let link = links.get(place).cloned();
        link.ok_or_else(|| Failure::Here("there is no such server".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_slow_down_and_never_stop_while_the_server_is_away() {
        let away = Failure::Away("refused".into());
        let waits: Vec<_> = (0..40).map(|n| pause(&away, n).unwrap()).collect();
        assert!(waits.windows(2).all(|w| w[0] <= w[1]));
        assert_eq!((waits[0], waits[39]), (FIRST_WAIT, LONGEST_WAIT));
    }

    #[test]
    fn a_refused_key_is_not_tried_again_by_itself() {
        assert_eq!(pause(&Failure::from_rpc(401, "no", None), 0), None);
    }

    #[test]
    fn a_throttle_waits_at_least_as_long_as_the_server_asked() {
        let throttled = Failure::from_rpc(
            429,
            "slow",
            Some(&serde_json::json!({"retry_after_ms": 9000})),
        );
        assert_eq!(pause(&throttled, 0), Some(Duration::from_secs(9)));
    }
}
