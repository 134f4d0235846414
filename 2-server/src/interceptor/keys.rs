//! The keys file: who may call, and what each of them may do.
//!
//! A key is 256 random bits, shown once. The file holds only its SHA-256, so a leaked file gives
//! no one a key. A running server follows the file: see [`KeyStore::follow`].

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    argument_rule::ArgumentRules,
    authenticate::{Peer, Principal},
    rate_limit::Rate,
    scope::{Grant, Grants, ScopeError},
};

/// The SHA-256 of a key.
pub type Digest = [u8; 32];

/// How often a running server looks at its keys file. An edit counts at the second look, and a
/// revocation must bite within a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// One key, as the running server knows it.
#[derive(PartialEq)]
pub struct KeyRecord {
    /// SHA-256 of the key.
    pub digest: Digest,
    /// Who holds it, in the operator's words.
    pub name: String,
    /// What it may do, roles resolved.
    pub grants: Arc<Grants>,
    /// When it stops being good.
    pub expires: Option<SystemTime>,
    /// From where it may be used; empty means anywhere.
    pub allow: Vec<IpNet>,
    /// A rate of its own, in place of the server's.
    pub rate: Option<Rate>,
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRecord({}, {})", self.label(), self.name)
    }
}

impl KeyRecord {
    /// `key:` and the first 12 hex digits of the digest: enough to tell keys apart in a log, too
    /// little to find one.
    pub fn label(&self) -> String {
        format!("key:{}", hex(&self.digest[..6]))
    }

    /// Whether the key may be used from there.
    pub fn allows(&self, peer: Peer) -> bool {
        match peer {
            Peer::Parent => true,
            Peer::Address(address) => {
                self.allow.is_empty()
                    || self
                        .allow
                        .iter()
                        .any(|net| net.contains(&unmapped(address)))
            }
        }
    }
}

/// `::ffff:10.0.0.1` is 10.0.0.1: a dual-stack listener must not step around an address rule.
fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    // By hand, because every line of the record has 64 digits: the formatting machinery takes
    // twenty times as long for them.
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

/// The SHA-256 of a key, in hexadecimal, as the keys file holds it.
pub fn fingerprint(key: &str) -> String {
    hex(&digest(key))
}

fn digest(key: &str) -> Digest {
    Sha256::digest(key.as_bytes()).into()
}

/// Named sets of scopes. A role may include others.
pub type Roles = BTreeMap<String, Role>;

/// A named set of scopes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// What the role may do.
    #[serde(default)]
    pub scopes: Vec<GrantSpec>,
    /// Roles whose scopes it has too.
    #[serde(default)]
    pub includes: Vec<String>,
}

/// A grant as a file words it: a scope alone, or with rules on the arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GrantSpec {
    /// `"tools:weather:*"`
    Scope(String),
    /// `{ scope = "tools:weather:get", where = { city = { one_of = ["Oslo"] } } }`
    Bounded(BoundedGrant),
}

/// A scope and what the arguments must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundedGrant {
    /// The scope, or a wildcard.
    pub scope: String,
    /// The rules, by argument.
    #[serde(rename = "where")]
    pub rules: ArgumentRules,
}

impl GrantSpec {
    /// The grant that is meant.
    ///
    /// # Errors
    /// [`ScopeError`] when the scope is none.
    pub fn compile(&self) -> Result<Grant, ScopeError> {
        match self {
            Self::Scope(scope) => Grant::parse(scope),
            Self::Bounded(bounded) => {
                Ok(Grant::parse(&bounded.scope)?.with_rules(bounded.rules.clone()))
            }
        }
    }
}

/// Collects the grants of a list of roles and scopes.
///
/// # Errors
/// [`KeysError`] for a role that isn't defined, a cycle of roles, or a scope that is none.
pub fn resolve(roles: &Roles, named: &[String], scopes: &[GrantSpec]) -> Result<Grants, KeysError> {
    let mut grants = Vec::new();
    let mut path = Vec::new();
    let mut done = HashSet::new();
    for role in named {
        collect(roles, role, &mut path, &mut done, &mut grants)?;
    }
    for scope in scopes {
        grants.push(scope.compile()?);
    }
    Ok(Grants::new(grants))
}

fn collect<'a>(
    roles: &'a Roles,
    name: &'a str,
    path: &mut Vec<&'a str>,
    done: &mut HashSet<&'a str>,
    grants: &mut Vec<Grant>,
) -> Result<(), KeysError> {
    if path.contains(&name) {
        return Err(KeysError::RoleCycle(format!(
            "{} → {name}",
            path.join(" → ")
        )));
    }
    if !done.insert(name) {
        return Ok(());
    }
    let role = roles
        .get(name)
        .ok_or_else(|| KeysError::UnknownRole(name.to_owned()))?;
    path.push(name);
    for included in &role.includes {
        collect(roles, included, path, done, grants)?;
    }
    path.pop();
    for scope in &role.scopes {
        grants.push(scope.compile()?);
    }
    Ok(())
}

/// The keys file, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysFile {
    /// The keys.
    #[serde(default, rename = "key")]
    pub keys: Vec<KeySpec>,
}

/// One key of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// Who holds it; unique.
    pub name: String,
    /// SHA-256 of the key, 64 hex digits.
    pub sha256: String,
    /// Roles from the server's configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Scopes on top of the roles'.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<GrantSpec>,
    /// When it stops being good, RFC 3339; without it, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<toml::value::Datetime>,
    /// Addresses or networks that it may be used from; empty means anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Calls per minute, in place of the server's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// Calls at once, in place of the server's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// For the operator; the server doesn't read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl KeySpec {
    fn compile(&self, grants: Arc<Grants>) -> Result<KeyRecord, KeysError> {
        let wrong = |what: String| KeysError::Key {
            name: self.name.clone(),
            what,
        };
        let allow = self.allow.iter().map(|text| {
            network(text).ok_or_else(|| {
                wrong(format!(
                    "\"{text}\" is no address or network: write 10.0.0.7 or 10.0.0.0/8"
                ))
            })
        });
        Ok(KeyRecord {
            digest: parse_digest(&self.sha256).ok_or_else(|| {
                wrong(
                    "sha256 must be 64 hex digits: make a key with `mcp-server keys add`"
                        .to_owned(),
                )
            })?,
            name: self.name.clone(),
            grants,
            expires: self
                .expires
                .as_ref()
                .map(|date| {
                    moment(date).ok_or_else(|| {
                        wrong(format!(
                            "expires = {date} is no moment: write 2027-01-31T00:00:00Z"
                        ))
                    })
                })
                .transpose()?,
            allow: allow.collect::<Result<_, _>>()?,
            rate: Rate::overriding(self.per_minute, self.burst).map_err(wrong)?,
        })
    }
}

fn parse_digest(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

fn network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn moment(date: &toml::value::Datetime) -> Option<SystemTime> {
    let text = match (date.time, date.offset) {
        (None, _) => format!("{date}T00:00:00Z"),
        (Some(_), None) => format!("{date}Z"),
        (Some(_), Some(_)) => date.to_string(),
    };
    chrono::DateTime::parse_from_rfc3339(&text)
        .ok()
        .map(SystemTime::from)
}

/// Why a keys file can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file can't be read.
    #[error("can't read the keys file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Anyone could add a key.
    #[error("everybody on this machine may write {0}, and so give themselves a key: chmod 600 {0}")]
    OpenToAll(PathBuf),
    /// The file isn't what it should be.
    #[error("{path}:{line}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// One key is wrong.
    #[error("key \"{name}\": {what}")]
    Key {
        /// The key's name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// Two keys share a name or a digest.
    #[error("two keys have the same {0}: each needs its own")]
    Twice(String),
    /// A role that is nowhere defined.
    #[error("role \"{0}\" isn't defined: add [roles.{0}] to the server's configuration")]
    UnknownRole(String),
    /// Roles that include each other.
    #[error("roles include each other: {0}")]
    RoleCycle(String),
    /// A scope that is none.
    #[error(transparent)]
    Scope(#[from] ScopeError),
}

impl KeysFile {
    /// Reads a keys file.
    ///
    /// # Errors
    /// [`KeysError`] when it can't be read or isn't a keys file.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        if is_open_to_all(path) {
            return Err(KeysError::OpenToAll(path.into()));
        }
        let text = std::fs::read_to_string(path).map_err(|source| KeysError::Read {
            path: path.into(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| KeysError::Syntax {
            path: path.into(),
            line: error.span().map_or(1, |span| {
                text[..span.start.min(text.len())].matches('\n').count() + 1
            }),
            message: error.message().to_owned(),
        })
    }

    fn compile(&self, roles: &Roles) -> Result<Vec<KeyRecord>, KeysError> {
        let (mut names, mut digests) = (HashSet::new(), HashSet::new());
        let mut records = Vec::with_capacity(self.keys.len());
        // Most keys have the same roles and nothing else. They share what follows from them, or a
        // million keys would hold a million copies.
        let mut shared: HashMap<&[String], Arc<Grants>> = HashMap::new();
        for spec in &self.keys {
            let grants = match shared.get(spec.roles.as_slice()) {
                Some(grants) if spec.scopes.is_empty() => Arc::clone(grants),
                _ => Arc::new(resolve(roles, &spec.roles, &spec.scopes)?),
            };
            if spec.scopes.is_empty() {
                shared.insert(&spec.roles, Arc::clone(&grants));
            }
            let record = spec.compile(grants)?;
            if !names.insert(spec.name.as_str()) {
                return Err(KeysError::Twice(format!("name \"{}\"", spec.name)));
            }
            if !digests.insert(slot(&record.digest)) {
                return Err(KeysError::Twice(format!("digest ({})", record.label())));
            }
            records.push(record);
        }
        Ok(records)
    }
}

// Keyed by half of the digest: the map finds the only candidate, whatever the number of keys, and
// the whole digest is then compared in constant time.
type Table = HashMap<[u8; 16], Principal>;

/// The keys that are good right now.
#[derive(Debug, Default)]
pub struct KeyStore {
    file: Option<PathBuf>,
    roles: Roles,
    table: RwLock<Arc<Table>>,
    // The file as it was when it was last read, so that no edit falls between two looks.
    seen: Mutex<Option<Stamp>>,
    broken: AtomicBool,
}

impl KeyStore {
    /// A store without any key.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads a keys file; roles come from the server's configuration.
    ///
    /// # Errors
    /// [`KeysError`] when the file can't be used. A server must not start then.
    pub fn open(path: &Path, roles: Roles) -> Result<Self, KeysError> {
        let store = Self {
            file: Some(path.into()),
            roles,
            ..Self::default()
        };
        store.reload()?;
        Ok(store)
    }

    /// Reads the file again. Keys that stand as they stood keep their sessions; the principals of
    /// all others end. After an error everything is as before.
    ///
    /// # Errors
    /// [`KeysError`] when the file can't be used.
    pub fn reload(&self) -> Result<(), KeysError> {
        let read = self.read_again();
        self.broken.store(read.is_err(), Ordering::Relaxed);
        read
    }

    /// Whether the file could be used when it was last read, for a readiness check.
    pub fn is_healthy(&self) -> bool {
        !self.broken.load(Ordering::Relaxed)
    }

    fn read_again(&self) -> Result<(), KeysError> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        // Before it is read: an edit that comes in between is then seen by the next look.
        *self.seen() = stamp(path);
        let records = KeysFile::read(path)?.compile(&self.roles)?;
        let old = self.table();
        let mut table = Table::with_capacity(records.len());
        for record in records {
            let slot = slot(&record.digest);
            let same = old
                .get(&slot)
                .filter(|principal| principal.key().is_some_and(|known| **known == record));
            let principal = same
                .cloned()
                .unwrap_or_else(|| Principal::for_key(Arc::new(record)));
            table.insert(slot, principal);
        }
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        let new = self.table();
        for (slot, principal) in old.iter() {
            let stands = new
                .get(slot)
                .is_some_and(|now| now.key() == principal.key());
            if !stands {
                principal.ended().cancel();
            }
        }
        Ok(())
    }

    /// Follows the file until the future is dropped. A broken edit keeps the last good keys and
    /// says so loudly, once for each edit.
    ///
    /// An edit counts once the file has looked the same twice: half a file can read well and say
    /// more than the whole, with a key whose `expires` or `allow` isn't written yet.
    pub async fn follow(&self) {
        let Some(path) = &self.file else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            ticks.tick().await;
            let now = Some(stamp(path));
            let settled = last == now;
            last = now;
            if !settled || now == Some(*self.seen()) {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!(
                    keys = self.len(),
                    "the keys file changed and was read again"
                ),
                Err(error) => {
                    tracing::error!(%error, "THE KEYS FILE IS BROKEN: the last good keys stay in force until it is mended");
                }
            }
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.table().len()
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.table().is_empty()
    }

    /// The principal that holds this key. The time it takes tells nothing about the keys: the key
    /// is hashed first, and an attacker can't steer a digest.
    pub(super) fn find(&self, key: &str) -> Option<Principal> {
        self.find_digest(&digest(key))
    }

    pub(super) fn find_digest(&self, digest: &Digest) -> Option<Principal> {
        let table = self.table();
        let principal = table.get(&slot(digest))?;
        let same: bool = principal.key()?.digest.ct_eq(digest).into();
        same.then(|| principal.clone())
    }

    /// The principal of the key with this name, for `policy explain`.
    pub fn by_name(&self, name: &str) -> Option<Principal> {
        self.table()
            .values()
            .find(|principal| principal.name() == Some(name))
            .cloned()
    }

    fn seen(&self) -> MutexGuard<'_, Option<Stamp>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn slot(digest: &Digest) -> [u8; 16] {
    let mut slot = [0; 16];
    slot.copy_from_slice(&digest[..16]);
    slot
}

/// When it was written, how long it is, and which file it is: two edits of the same length within
/// one tick of the file system's clock differ in the last.
type Stamp = (SystemTime, u64, u64);

/// What changes when a file is edited or replaced; `None` while it is missing.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let file = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let file = 0;
    Some((metadata.modified().ok()?, metadata.len(), file))
}

/// Whoever may write the keys file may do everything.
#[cfg(unix)]
fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o002 != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(text: &str) -> Result<(tempfile::TempDir, KeyStore), KeysError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        std::fs::write(&path, text).unwrap();
        let roles = Roles::from([(
            "reader".to_owned(),
            Role {
                scopes: vec![GrantSpec::Scope("resources:*".into())],
                includes: vec![],
            },
        )]);
        KeyStore::open(&path, roles).map(|store| (folder, store))
    }

    fn entry(name: &str, key: &str) -> String {
        format!(
            "[[key]]\nname = \"{name}\"\nsha256 = \"{}\"\nroles = [\"reader\"]\n",
            fingerprint(key)
        )
    }

    #[test]
    fn a_key_is_found_by_its_digest_and_nothing_else() {
        let (_folder, store) = store(&(entry("ada", "one") + &entry("bob", "two"))).unwrap();
        assert_eq!(store.find("two").unwrap().name(), Some("bob"));
        assert!(store.find("three").is_none());
        assert!(
            store.find(&fingerprint("two")).is_none(),
            "the digest is no key"
        );
        assert!(
            store.find("schlüssel\u{0}").is_none(),
            "a key that isn't ASCII is just wrong"
        );
    }

    #[test]
    fn a_removed_key_ends_and_an_untouched_one_goes_on() {
        let (folder, store) = store(&(entry("ada", "one") + &entry("bob", "two"))).unwrap();
        let (ada, bob) = (store.find("one").unwrap(), store.find("two").unwrap());
        std::fs::write(folder.path().join("keys.toml"), entry("ada", "one")).unwrap();
        store.reload().unwrap();
        assert!(bob.ended().is_cancelled());
        assert!(!ada.ended().is_cancelled());
        assert!(store.find("two").is_none());
    }

    #[test]
    fn a_broken_edit_keeps_the_last_good_keys() {
        let (folder, store) = store(&entry("ada", "one")).unwrap();
        let ada = store.find("one").unwrap();
        std::fs::write(folder.path().join("keys.toml"), "[[key]]\nnam = 3").unwrap();
        let error = store.reload().unwrap_err().to_string();
        assert!(error.contains("keys.toml:2"), "{error}");
        assert!(store.find("one").is_some() && !ada.ended().is_cancelled());
    }

    #[cfg(unix)]
    #[test]
    fn a_keys_file_that_everybody_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, store) = store(&entry("ada", "one")).unwrap();
        let path = folder.path().join("keys.toml");
        let open = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(path, open).unwrap();
        let error = store.reload().unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        assert!(store.find("one").is_some(), "the last good keys stay");
    }

    #[tokio::test(start_paused = true)]
    async fn an_edit_between_the_first_reading_and_the_first_look_is_seen() {
        let (folder, store) = store(&entry("ada", "one")).unwrap();
        std::fs::write(folder.path().join("keys.toml"), entry("bob", "two2")).unwrap();
        let followed = tokio::time::timeout(LOOK_EVERY * 3, store.follow());
        assert!(followed.await.is_err(), "it follows for ever");
        assert!(store.find("one").is_none() && store.find("two2").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_still_being_written_doesnt_count() {
        let (folder, store) = store(&entry("ada", "one")).unwrap();
        let path = folder.path().join("keys.toml");
        let whole = entry("bob", "two") + "allow = [\"10.0.0.0/8\"]\n";
        let write = async {
            // The half that reads well, and more of it before the next look.
            std::fs::write(&path, entry("bob", "two")).unwrap();
            tokio::time::sleep(LOOK_EVERY / 2).await;
            assert!(store.find("two").is_none());
            std::fs::write(&path, &whole).unwrap();
            tokio::time::sleep(LOOK_EVERY).await;
            assert!(
                store.find("two").is_none(),
                "it has changed since the last look"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        };
        tokio::select! {
            () = write => {}
            () = store.follow() => {}
        }
        let bob = store.find("two").unwrap();
        assert!(
            !bob.key()
                .unwrap()
                .allows(Peer::Address([127, 0, 0, 1].into()))
        );
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said_by_name() {
        for (text, said) in [
            (
                "[[key]]\nname = \"ada\"\nsha256 = \"abc\"\n".to_owned(),
                "key \"ada\": sha256 must be 64 hex digits",
            ),
            (
                entry("ada", "one") + "allow = [\"home\"]\n",
                "\"home\" is no address",
            ),
            (entry("ada", "one") + &entry("ada", "two"), "same name"),
            (entry("ada", "one") + &entry("bob", "one"), "same digest"),
            (
                entry("ada", "one").replace("reader", "king"),
                "[roles.king]",
            ),
            (
                entry("ada", "one") + "scopes = [\"tools\"]\n",
                "is no scope",
            ),
        ] {
            let error = store(&text).unwrap_err().to_string();
            assert!(error.contains(said), "{error} should say {said}");
        }
    }

    #[test]
    fn roles_that_include_each_other_are_refused() {
        let role = |includes: &str| Role {
            scopes: vec![],
            includes: vec![includes.to_owned()],
        };
        let roles = Roles::from([("a".to_owned(), role("b")), ("b".to_owned(), role("a"))]);
        let error = resolve(&roles, &["a".to_owned()], &[])
            .unwrap_err()
            .to_string();
        assert_eq!(error, "roles include each other: a → b → a");
    }

    #[test]
    fn a_mapped_address_counts_as_the_one_it_maps() {
        let (_folder, store) =
            store(&(entry("ada", "one") + "allow = [\"10.0.0.0/8\"]\n")).unwrap();
        let ada = store.find("one").unwrap();
        let record = ada.key().unwrap();
        assert!(record.allows(Peer::Address("::ffff:10.1.2.3".parse().unwrap())));
        assert!(!record.allows(Peer::Address("192.168.0.1".parse().unwrap())));
    }
}
