//! The keys file as it is written: keys, and the roles and grants that they name.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use ipnet::IpNet;
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
fn make_one(error: &std::io::Error, path: &Path) -> String {
    if error.kind() == std::io::ErrorKind::NotFound {
        format!(
            "; make it with `mcp-server keys add NAME --role user --file {}`",
            path.display()
        )
    } else {
        String::new()
    }
}

/// A network, or an address alone, as people write them.
pub(crate) fn network(text: &str) -> Option<IpNet> {
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
    #[error("can't read the keys file {path}: {source}{}", make_one(source, path))]
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
