//! The keys file as it is written: keys, and the roles and grants that they name.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{File, Metadata, OpenOptions},
    io::{self, Read as _},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use super::{
    key::{Digest, KeyRecord, METHOD, label, slot},
    principal::Identity,
};
use crate::interceptor::{
    access::{
        argument_rule::ArgumentRules,
        scope::{Grant, Grants, ScopeError},
    },
    limit::rate::Rate,
};

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
    /// The moment that a date means; `None` when it is a time without a day.
    pub fn moment(date: &toml::value::Datetime) -> Option<SystemTime> {
        moment(date)
    }

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
        let mut digest = Digest::default();
        hex::decode_to_slice(&self.sha256, &mut digest).map_err(|_error| {
            wrong("sha256 must be 64 hex digits: make a key with `mcp-server keys add`".to_owned())
        })?;
        let expires = self.expires.as_ref().map(|date| {
            moment(date).ok_or_else(|| {
                wrong(format!(
                    "expires = {date} is not a valid date-time: write 2027-01-31T00:00:00Z"
                ))
            })
        });
        Ok(KeyRecord {
            digest,
            allow: allow.collect::<Result<_, _>>()?,
            identity: Identity {
                label: label(&digest),
                name: Some(self.name.as_str().into()),
                credential: Some(slot(&digest)),
                grants,
                rate: Rate::overriding(self.per_minute, self.burst).map_err(wrong)?,
                expires: expires.transpose()?,
                method: METHOD,
            },
        })
    }
}

/// What to do about a keys file that isn't there.
fn make_one(error: &io::Error, path: &Path) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        format!(
            "; make it with `mcp-server keys add NAME --role user --file {}`",
            path.display()
        )
    } else {
        String::new()
    }
}

/// A network, or an address alone, as people write them. `::ffff:10.0.0.0/104` is 10.0.0.0/8: the
/// caller's address is looked at in that form, and would never be found in the other.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let network = text
        .parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    if let IpNet::V6(mapped) = network
        && let Some(address) = mapped.addr().to_ipv4_mapped()
        && let Some(length) = mapped.prefix_len().checked_sub(96)
    {
        return Ipv4Net::new(address, length).ok().map(IpNet::V4);
    }
    Some(network)
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
    #[error("can't read the keys file {path}: {source}{}", make_one(source, path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anyone could add a key.
    #[error("everybody on this machine may write {0}, and so give themselves a key: chmod 600 {0}")]
    OpenToAll(PathBuf),
    /// Anyone could put another file in its place.
    #[error(
        "everybody on this machine may write the folder {folder}, and so put a keys file of their own there: chmod o-w {folder}"
    )]
    FolderOpenToAll {
        /// The folder.
        folder: PathBuf,
    },
    /// Its owner could add a key.
    #[error(
        "{path} belongs to the user {owner}, who could give themselves a key: chown it to root, or to the user that the server runs as ({us})"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The user's number.
        owner: u32,
        /// Ours.
        us: u32,
    },
    /// Reading a device or a pipe may never end.
    #[error("{0} isn't a regular file: name the keys file itself")]
    NotAFile(PathBuf),
    /// No keys file is this long.
    #[error("{0} is longer than {MAX_BYTES} bytes: it isn't a keys file")]
    TooLong(PathBuf),
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
    /// Reads a keys file, if nobody but its owner and root could have written it.
    ///
    /// # Errors
    /// [`KeysError`] when it can't be read, isn't a keys file, or others may write it.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let (text, metadata) = read(path)?;
        refuse_what_others_may_write(path, &metadata)?;
        Self::parse(path, &text)
    }

    /// The text of a keys file, whoever may write it: for those who look after it.
    ///
    /// # Errors
    /// [`KeysError`] when it can't be read.
    pub fn text(path: &Path) -> Result<String, KeysError> {
        read(path).map(|(text, _metadata)| text)
    }

    /// Reads the text of a keys file; the path is for errors.
    ///
    /// # Errors
    /// [`KeysError::Syntax`] when it isn't a keys file.
    pub fn parse(path: &Path, text: &str) -> Result<Self, KeysError> {
        toml::from_str(text).map_err(|error| KeysError::Syntax {
            path: path.into(),
            line: error.span().map_or(1, |span| {
                text[..span.start.min(text.len())].matches('\n').count() + 1
            }),
            message: error.message().to_owned(),
        })
    }

    /// Whether a server could use it.
    ///
    /// # Errors
    /// The first key, role or scope that is wrong.
    pub fn check(&self, roles: &Roles) -> Result<(), KeysError> {
        self.compile(roles).map(drop)
    }

    pub(super) fn compile(&self, roles: &Roles) -> Result<Vec<KeyRecord>, KeysError> {
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
                return Err(KeysError::Twice(format!(
                    "digest ({})",
                    record.identity.label
                )));
            }
            records.push(record);
        }
        Ok(records)
    }
}

/// A million keys take less.
const MAX_BYTES: u64 = 256 << 20;

/// The file's text, and what the system says of the file that was read. Whatever the path leads to,
/// this ends: it is a file, it is opened without waiting, and it is read no further than the bound.
fn read(path: &Path) -> Result<(String, Metadata), KeysError> {
    let wrong = |source| KeysError::Read {
        path: path.into(),
        source,
    };
    // Before it is opened, which alone does something to some devices; and again on what was opened.
    if !std::fs::metadata(path).map_err(wrong)?.is_file() {
        return Err(KeysError::NotAFile(path.into()));
    }
    let file = open(path).map_err(wrong)?;
    let metadata = file.metadata().map_err(wrong)?;
    if !metadata.is_file() {
        return Err(KeysError::NotAFile(path.into()));
    }
    let mut text = String::new();
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    if read.map_err(wrong)? as u64 > MAX_BYTES {
        return Err(KeysError::TooLong(path.into()));
    }
    Ok((text, metadata))
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A pipe that was put there in between must not be waited for.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options.open(path)
}

/// Whoever may write the keys file, or put another in its place, may do everything.
#[cfg(unix)]
fn refuse_what_others_may_write(path: &Path, metadata: &Metadata) -> Result<(), KeysError> {
    use std::os::unix::fs::MetadataExt as _;
    const BY_OTHERS: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    if metadata.mode() & BY_OTHERS != 0 {
        return Err(KeysError::OpenToAll(path.into()));
    }
    let us = rustix::process::geteuid().as_raw();
    if metadata.uid() != us && metadata.uid() != 0 {
        return Err(KeysError::Foreign {
            path: path.into(),
            owner: metadata.uid(),
            us,
        });
    }
    // Where a link stands counts, and where it leads.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_gone| path.into());
    for folder in [path.parent(), real.parent()].into_iter().flatten() {
        let here = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let open = std::fs::metadata(here).is_ok_and(|folder| {
            // In a sticky folder, such as /tmp, a file is its owner's alone.
            folder.mode() & BY_OTHERS != 0 && folder.mode() & STICKY == 0
        });
        if open {
            return Err(KeysError::FolderOpenToAll {
                folder: here.into(),
            });
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_what_others_may_write(_path: &Path, _metadata: &Metadata) -> Result<(), KeysError> {
    Ok(())
}

#[cfg(test)]
mod network_tests {
    use super::network;

    #[test]
    fn an_address_means_the_same_in_each_of_its_forms() {
        for (text, meant) in [
            ("10.0.0.7", "10.0.0.7/32"),
            ("::ffff:10.0.0.7", "10.0.0.7/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), meant, "{text}");
        }
        assert_eq!(network("home"), None);
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{
        fs::{Permissions, set_permissions},
        os::unix::fs::PermissionsExt as _,
        sync::mpsc,
        time::Duration,
    };

    use super::*;

    /// Reads on a thread of its own, so that a hang fails the test.
    fn read_in_time(path: PathBuf) -> String {
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            let read = KeysFile::read(&path).map_err(|error| error.to_string());
            sender.send(read.map_or_else(|error| error, |_file| "good".to_owned()))
        });
        said.recv_timeout(Duration::from_secs(5)).unwrap()
    }

    #[test]
    fn what_isnt_a_file_is_refused_before_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("keys.toml");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [pipe, "/dev/zero".into(), folder.path().into()] {
            let said = read_in_time(path.clone());
            assert!(said.contains("isn't a regular file"), "{path:?}: {said}");
        }
    }

    #[test]
    fn a_folder_that_everybody_may_write_is_refused_and_a_sticky_one_isnt() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys.toml");
        std::fs::write(&keys, "").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link.toml");
        std::os::unix::fs::symlink(&keys, &link).unwrap();
        for (mode, good) in [(0o700, true), (0o777, false), (0o1777, true)] {
            set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            for path in [&keys, &link] {
                let said = read_in_time(path.clone());
                let fits = if good {
                    said == "good"
                } else {
                    said.contains("chmod o-w")
                };
                assert!(fits, "{mode:o}: {said}");
            }
        }
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        if !rustix::process::geteuid().is_root() {
            return; // Only root can give a file away.
        }
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys.toml");
        std::fs::write(&keys, "").unwrap();
        assert_eq!(read_in_time(keys.clone()), "good");
        std::os::unix::fs::chown(&keys, Some(12_345), None).unwrap();
        let said = read_in_time(keys);
        assert!(said.contains("belongs to the user 12345"), "{said}");
    }

    #[test]
    fn a_file_without_end_is_read_no_further_than_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys.toml");
        // Sparse: it takes no room.
        File::create(&keys).unwrap().set_len(MAX_BYTES * 4).unwrap();
        assert!(read_in_time(keys).contains("isn't a keys file"));
    }
}
