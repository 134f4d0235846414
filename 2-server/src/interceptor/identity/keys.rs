//! Keys: who may call, and what each of them may do. `keys_file.rs` is the file as it is written.
//!
//! A key is 256 random bits, shown once. The file holds only its SHA-256, so a leaked file gives
//! no one a key. A running server follows the file: an edit counts within a second.

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use subtle::ConstantTimeEq as _;

#[cfg(feature = "product")]
pub(crate) use super::keys_file::network;
use super::{
    authenticate::{Authenticate, Credential},
    followed_file::{FollowedFile, Look},
    key::{self, KeyRecord, slot},
    principal::{Peer, Principal},
};
pub use super::{
    key::{Digest, fingerprint},
    keys_file::{BoundedGrant, GrantSpec, KeySpec, KeysError, KeysFile, Role, Roles, resolve},
};
use crate::interceptor::denial::{Denial, DenialKind};

/// How often a running server looks at its keys file. An edit counts at the second look, and a
/// revocation must bite within a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the last good keys stand while the file can't be used. Nobody can know then which of
/// them were revoked, so after this none is taken.
const STALE: Duration = Duration::from_secs(300);
/// How many revoked keys are remembered, for the audit log to say whose key came again.
const MOST_REVOKED: usize = 4096;

/// A key and its holder.
struct Entry {
    record: KeyRecord,
    principal: Principal,
}

// Keyed by half of the digest: the map finds the only candidate, whatever the number of keys, and
// the whole digest is then compared in constant time.
type Table = HashMap<u128, Entry>;

/// The keys that are good right now. Clones are the same store.
#[derive(Clone)]
pub struct KeyStore(Arc<Inner>);

struct Inner {
    file: Option<FollowedFile>,
    roles: Roles,
    table: RwLock<Arc<Table>>,
    revoked: RwLock<HashMap<u128, Principal>>,
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyStore({} keys)", self.len())
    }
}

impl KeyStore {
    fn new(file: Option<FollowedFile>, roles: Roles) -> Self {
        Self(Arc::new(Inner {
            file,
            roles,
            table: RwLock::default(),
            revoked: RwLock::default(),
        }))
    }

    /// A store without any key.
    pub fn empty() -> Self {
        Self::new(None, Roles::new())
    }

    /// Reads a keys file; roles come from the server's configuration.
    ///
    /// # Errors
    /// [`KeysError`] when the file can't be used. A server must not start then.
    pub fn open(path: &Path, roles: Roles) -> Result<Self, KeysError> {
        let store = Self::new(Some(FollowedFile::new([path.into()])), roles);
        store.reload()?;
        Ok(store)
    }

    /// Reads the file again. Keys that stand as they stood keep their sessions; the principals of
    /// all others end. After an error everything is as before.
    ///
    /// # Errors
    /// [`KeysError`] when the file can't be used.
    pub fn reload(&self) -> Result<(), KeysError> {
        match &self.0.file {
            None => Ok(()),
            Some(file) => file.read(|| self.0.read(file)),
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.table().len()
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The principal of the key with this name.
    pub fn by_name(&self, name: &str) -> Option<Principal> {
        let table = self.0.table();
        let mut principals = table.values().map(|entry| &entry.principal);
        principals
            .find(|principal| principal.name() == Some(name))
            .cloned()
    }

    /// Looks at the file, and says in the log what came of it.
    fn look(&self) {
        let Some(file) = &self.0.file else {
            return;
        };
        match file.look(|| self.0.read(file)) {
            Look::Same => {}
            Look::Read => {
                tracing::info!(
                    keys = self.len(),
                    "the keys file changed and was read again"
                );
            }
            Look::Broken(error) => {
                tracing::error!(%error, "THE KEYS FILE IS BROKEN: the last good keys stand for {} more seconds, and no longer", STALE.as_secs());
            }
        }
    }

    /// # Errors
    /// 503 when the file couldn't be used for so long that the keys can't be trusted any more.
    fn trusted(&self) -> Result<(), Denial> {
        let broken = self.0.file.as_ref().and_then(FollowedFile::broken_for);
        if broken.is_some_and(|time| time > STALE) {
            return Err(Denial::new(
                DenialKind::Unavailable,
                "the server can't check keys right now: try again later, or tell the operator",
            )
            .because("the keys file couldn't be used for too long"));
        }
        Ok(())
    }
}

impl Inner {
    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn read(&self, file: &FollowedFile) -> Result<(), KeysError> {
        let mut records = Vec::new();
        for path in file.paths() {
            records.extend(KeysFile::read(path)?.compile(&self.roles)?);
        }
        let old = self.table();
        let mut new = Table::with_capacity(records.len());
        for record in records {
            let same = old.get(&slot(&record.digest)).filter(|known| {
                known.record.allow == record.allow && known.record.identity == record.identity
            });
            let principal = match same {
                Some(known) => known.principal.clone(),
                None => Principal::new(record.identity.clone()),
            };
            new.insert(slot(&record.digest), Entry { record, principal });
        }
        let new = Arc::new(new);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        revoked.retain(|slot, _| !new.contains_key(slot));
        for (slot, entry) in old.iter() {
            let now = new.get(slot).map(|now| &now.principal);
            if now.is_none() && revoked.len() < MOST_REVOKED {
                revoked.insert(*slot, entry.principal.clone());
            }
            let stands = now.is_some_and(|now| Principal::ptr_eq(now, &entry.principal));
            if !stands {
                entry.principal.end_signal().cancel();
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Authenticate for KeyStore {
    fn method(&self) -> &'static str {
        key::METHOD
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        credential.secret.is_some()
    }

    async fn sign_in(&self, credential: &Credential<'_>, peer: Peer) -> Result<Principal, Denial> {
        self.trusted()?;
        // The time that this takes tells nothing about the keys: the key is hashed first, and an
        // attacker can't steer a digest.
        let digest = key::digest(credential.secret.unwrap_or_default());
        let table = self.0.table();
        let entry = table.get(&slot(&digest));
        let found = entry.filter(|entry| entry.record.digest.ct_eq(&digest).into());
        let (why, whose) = match found {
            None => {
                let revoked = self.0.revoked.read();
                let revoked = revoked.unwrap_or_else(PoisonError::into_inner);
                match revoked.get(&slot(&digest)) {
                    Some(principal) => ("revoked", Some(principal.clone())),
                    None => ("unknown", None),
                }
            }
            Some(entry) if entry.principal.has_expired() => {
                ("expired", Some(entry.principal.clone()))
            }
            Some(entry) if !entry.record.allows(peer) => {
                ("wrong network", Some(entry.principal.clone()))
            }
            Some(entry) => return Ok(entry.principal.clone()),
        };
        let denial = Denial::unauthorized(
            "the key isn't valid: check MCP_CLIENT_KEY, or ask the operator for a new key",
        )
        .because(why);
        Err(match whose {
            None => denial,
            Some(whose) => {
                denial.of_credential(Arc::clone(whose.label()), whose.name().unwrap_or_default())
            }
        })
    }

    async fn recheck(&self, who: &Principal) -> Result<Principal, Denial> {
        self.trusted()?;
        let gone = |why| {
            Denial::unauthorized(
                "the key was revoked or has expired: ask the operator for a new key",
            )
            .because(why)
        };
        if who.has_expired() {
            return Err(gone("expired"));
        }
        if !who.end_signal().is_cancelled() {
            return Ok(who.clone());
        }
        // It changed: the key may still be there, with other rights.
        let table = self.0.table();
        let slot = who.identity().credential;
        let now = slot.and_then(|slot| Some(table.get(&slot)?.principal.clone()));
        now.filter(|now| !now.has_expired())
            .ok_or_else(|| gone("revoked"))
    }

    fn changes(&self) -> bool {
        self.0.file.is_some()
    }

    fn is_healthy(&self) -> bool {
        let broken = self.0.file.as_ref().and_then(FollowedFile::broken_for);
        broken.is_none()
    }

    /// Follows the file. A broken edit keeps the last good keys for a while and says so loudly.
    async fn follow(&self) {
        if self.0.file.is_none() {
            return std::future::pending().await;
        }
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let store = self.clone();
            // On a thread of its own: a file on a mount that hangs must not stop the server.
            let looked = tokio::task::spawn_blocking(move || store.look()).await;
            if let Err(error) = looked {
                tracing::error!(%error, "a look at the keys file failed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

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

    /// The principal of a key, wherever it is used.
    fn find(store: &KeyStore, key: &str) -> Option<Principal> {
        let credential = Credential::secret(key);
        let signed_in = store.sign_in(&credential, Peer::Parent).now_or_never();
        signed_in.unwrap().ok()
    }

    fn refused(store: &KeyStore, key: &str, peer: Peer) -> String {
        let credential = Credential::secret(key);
        let signed_in = store.sign_in(&credential, peer).now_or_never();
        signed_in
            .unwrap()
            .unwrap_err()
            .note
            .unwrap()
            .why
            .into_owned()
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
        assert_eq!(find(&store, "two").unwrap().name(), Some("bob"));
        assert!(find(&store, "three").is_none());
        assert!(
            find(&store, &fingerprint("two")).is_none(),
            "the digest is no key"
        );
        assert!(
            find(&store, "schlüssel\u{0}").is_none(),
            "a key that isn't ASCII is just wrong"
        );
    }

    #[test]
    fn a_removed_key_ends_and_an_untouched_one_goes_on() {
        let (folder, store) = store(&(entry("ada", "one") + &entry("bob", "two"))).unwrap();
        let (ada, bob) = (find(&store, "one").unwrap(), find(&store, "two").unwrap());
        std::fs::write(folder.path().join("keys.toml"), entry("ada", "one")).unwrap();
        store.reload().unwrap();
        assert!(bob.end_signal().is_cancelled());
        assert!(!ada.end_signal().is_cancelled());
        assert!(find(&store, "two").is_none());
    }

    #[test]
    fn a_broken_edit_keeps_the_last_good_keys() {
        let (folder, store) = store(&entry("ada", "one")).unwrap();
        let ada = find(&store, "one").unwrap();
        std::fs::write(folder.path().join("keys.toml"), "[[key]]\nnam = 3").unwrap();
        let error = store.reload().unwrap_err().to_string();
        assert!(error.contains("keys.toml:2"), "{error}");
        assert!(find(&store, "one").is_some() && !ada.end_signal().is_cancelled());
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
        assert!(find(&store, "one").is_some(), "the last good keys stay");
    }

    #[tokio::test(start_paused = true)]
    async fn an_edit_between_the_first_reading_and_the_first_look_is_seen() {
        let (folder, store) = store(&entry("ada", "one")).unwrap();
        std::fs::write(folder.path().join("keys.toml"), entry("bob", "two2")).unwrap();
        let followed = tokio::time::timeout(LOOK_EVERY * 3, store.follow());
        assert!(followed.await.is_err(), "it follows for ever");
        assert!(find(&store, "one").is_none() && find(&store, "two2").is_some());
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
            assert!(find(&store, "two").is_none());
            std::fs::write(&path, &whole).unwrap();
            tokio::time::sleep(LOOK_EVERY).await;
            assert!(
                find(&store, "two").is_none(),
                "it has changed since the last look"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        };
        tokio::select! {
            () = write => {}
            () = store.follow() => {}
        }
        assert_eq!(
            refused(&store, "two", Peer::Address([127, 0, 0, 1].into())),
            "wrong network"
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
        let from = |address: &str| {
            let peer = Peer::Address(address.parse().unwrap());
            let credential = Credential::secret("one");
            store
                .sign_in(&credential, peer)
                .now_or_never()
                .unwrap()
                .is_ok()
        };
        assert!(from("::ffff:10.1.2.3"));
        assert!(!from("192.168.0.1"));
    }

    #[test]
    fn the_audit_log_learns_why_a_key_was_refused_and_whose_it_was() {
        let (folder, store) = store(
            &(entry("ada", "one")
                + &entry("bob", "two")
                + "allow = [\"10.0.0.0/8\"]\n"
                + &entry("eve", "three")
                + "expires = 2020-01-01T00:00:00Z\n"),
        )
        .unwrap();
        let peer = Peer::Address([127, 0, 0, 1].into());
        assert_eq!(refused(&store, "none", peer), "unknown");
        assert_eq!(refused(&store, "two", peer), "wrong network");
        assert_eq!(refused(&store, "three", peer), "expired");
        std::fs::write(folder.path().join("keys.toml"), entry("bob", "two")).unwrap();
        store.reload().unwrap();
        let credential = Credential::secret("one");
        let denial = store.sign_in(&credential, peer).now_or_never().unwrap();
        let note = denial.unwrap_err().note.unwrap();
        assert_eq!(note.why, "revoked");
        assert_eq!(&*note.credential.unwrap().1, "ada");
    }

    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn rights_that_are_repaired_count_without_an_edit() {
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, store) = store(&(entry("ada", "one") + &entry("bob", "two"))).unwrap();
        let path = folder.path().join("keys.toml");
        let rights = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
        let mend = async {
            // The revoking edit comes with rights that make the file unusable.
            rights(0o666).unwrap();
            std::fs::write(&path, entry("bob", "two")).unwrap();
            tokio::time::sleep(LOOK_EVERY * 5).await;
            assert!(!store.is_healthy() && find(&store, "one").is_some());
            rights(0o600).unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
        tokio::select! {
            () = mend => {}
            () = store.follow() => {}
        }
        assert!(store.is_healthy());
        assert!(find(&store, "one").is_none(), "it was revoked");
        assert!(find(&store, "two").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_nobody_can_check_any_more_are_refused() {
        let (folder, store) = store(&entry("ada", "one")).unwrap();
        let ada = find(&store, "one").unwrap();
        std::fs::remove_file(folder.path().join("keys.toml")).unwrap();
        let time = async {
            tokio::time::sleep(STALE - Duration::from_secs(5)).await;
            assert!(find(&store, "one").is_some(), "the last good keys stand");
            tokio::time::sleep(Duration::from_secs(10)).await;
        };
        tokio::select! {
            () = time => {}
            () = store.follow() => {}
        }
        assert!(find(&store, "one").is_none());
        let now = store.recheck(&ada).await.unwrap_err();
        assert_eq!(now.kind, DenialKind::Unavailable);
    }
}
