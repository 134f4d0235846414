//! Keys: who may call, and what each of them may do. `file.rs` is the keys file as it is written.
//!
//! A key is 256 random bits, shown once. The file holds only its SHA-256, so a leaked file gives
//! no one a key. A running server follows the file: see [`KeyStore::follow`].

use std::{
    collections::HashMap,
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
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    authenticate::{Peer, Principal},
    hex::hex,
    rate_limit::Rate,
    scope::Grants,
};

mod file;

pub(crate) use file::network;
pub use file::{BoundedGrant, GrantSpec, KeySpec, KeysError, KeysFile, Role, Roles, resolve};

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

/// The SHA-256 of a key, in hexadecimal, as the keys file holds it.
pub fn fingerprint(key: &str) -> String {
    hex(&digest(key))
}

fn digest(key: &str) -> Digest {
    Sha256::digest(key.as_bytes()).into()
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
