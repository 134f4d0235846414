//! Who has a key, what each may do, and what is wrong with any of them.

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use super::{
    super::{answer, is_unsafe, say},
    printable,
};
use crate::{
    config::{Config, misplaced},
    interceptor::keys::{GrantSpec, KeySpec, KeysError, KeysFile},
};

/// A key that runs out sooner is marked.
const SOON: Duration = Duration::from_secs(30 * DAY);
const DAY: u64 = 24 * 60 * 60;

/// When a key ends, as seen from now.
enum End {
    Never,
    Past,
    Soon(u64),
    Later,
}

fn end(key: &KeySpec) -> End {
    let Some(moment) = key.expires.as_ref().and_then(KeySpec::moment) else {
        return End::Never;
    };
    match moment.duration_since(SystemTime::now()) {
        Err(_past) => End::Past,
        Ok(left) if left <= SOON => End::Soon(left.as_secs().div_ceil(DAY)),
        Ok(_) => End::Later,
    }
}

pub(super) fn list(path: &Path) -> anyhow::Result<ExitCode> {
    let file = KeysFile::parse(path, &KeysFile::text(path)?)?;
    if file.keys.is_empty() {
        say(format_args!(
            "{} holds no key: make one with `mcp-server keys add NAME --role user`",
            path.display()
        ));
    }
    for key in &file.keys {
        let date = key.expires.map(|date| date.to_string()).unwrap_or_default();
        let end = match end(key) {
            End::Never => "never expires".to_owned(),
            End::Past => format!("EXPIRED {date}"),
            End::Soon(1) => format!("expires {date} (IN A DAY)"),
            End::Soon(days) => format!("expires {date} (IN {days} DAYS)"),
            End::Later => format!("expires {date}"),
        };
        let label = format!("key:{}", key.sha256.get(..12).unwrap_or("?"));
        let roles = key.roles.iter().map(|role| format!("role {role}"));
        let rights: Vec<String> = roles.chain(key.scopes.iter().map(scope)).collect();
        let line = format!(
            "{:<20} {label}  {end}  {}",
            printable(&key.name),
            rights.join(", ")
        );
        answer(format_args!("{}", line.replace(is_unsafe, "\u{fffd}")))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn scope(grant: &GrantSpec) -> String {
    match grant {
        GrantSpec::Scope(scope) => scope.clone(),
        GrantSpec::Bounded(bounded) => format!("{} (bounded)", bounded.scope),
    }
}

/// What a server would refuse is an error; what it would take and nobody can have meant is told,
/// line by line.
pub(super) fn check(path: &Path, config: &Config) -> anyhow::Result<ExitCode> {
    let file = KeysFile::parse(path, &KeysFile::text(path)?)?;
    file.check(&config.roles)?;
    let found: Vec<String> = file.keys.iter().flat_map(problems).collect();
    for problem in &found {
        say(format_args!("{}: {problem}", path.display()));
    }
    // Who may write it, as a server of this user would see it.
    match KeysFile::read(path) {
        Ok(_) => {}
        // Root looks after the files of servers that have users of their own.
        Err(KeysError::Foreign { owner, us: 0, .. }) => say(format_args!(
            "{} belongs to the user {owner}: only a server of that user takes it",
            path.display()
        )),
        Err(error) => {
            say(format_args!("{error}"));
            return Ok(ExitCode::FAILURE);
        }
    }
    if !found.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let count = match file.keys.len() {
        1 => "1 key, and it is good".to_owned(),
        more => format!("{more} keys, and all are good"),
    };
    say(format_args!("{}: {count}", path.display()));
    for key in &file.keys {
        if let (End::Soon(_), Some(date)) = (end(key), key.expires) {
            let name = printable(&key.name);
            say(format_args!("the key of {name} runs out on {date}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn problems(key: &KeySpec) -> Vec<String> {
    let name = printable(&key.name);
    let mut found = Vec::new();
    if let (End::Past, Some(date)) = (end(key), key.expires) {
        found.push(format!(
            "the key of {name} ran out on {date}: take it out with `mcp-server keys revoke`, or change the date"
        ));
    }
    if key.name.trim().is_empty() || key.name.chars().any(is_unsafe) {
        found.push(format!(
            "the name \"{name}\" is empty, or has line breaks or hidden characters"
        ));
    }
    let misplaced = key.scopes.iter().filter_map(misplaced);
    found.extend(misplaced.map(|why| format!("the key of {name}: {why}")));
    found
}
