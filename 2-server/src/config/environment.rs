//! `MCP_SECTION__KEY`: the environment goes on top of the file. `MCP_SERVER__PORT=9000` is
//! `port = 9000` in `[server]`; lists are separated by commas.

use toml::{Table, Value};

use super::{Config, ConfigError, problem::explain};

const PREFIX: &str = "MCP_";
/// Variables of one underscore that are meant so. The first belongs to both programs, the last two
/// to the client.
const OTHERS: &[&str] = &[
    "MCP_CLIENT_KEY",
    "MCP_CONFIG_FILE",
    "MCP_CLIENT_CONFIG",
    "MCP_SERVER_URL",
];

/// What the environment made of the file's table.
pub(super) struct Overlaid {
    pub(super) config: Config,
    /// Each setting that a variable gave, and the variable.
    pub(super) variables: Vec<(String, String)>,
    pub(super) warnings: Vec<String>,
}

/// Puts the variables on top of the file's table, one after the other, so that a wrong one is
/// named.
pub(super) fn overlay(
    mut table: Table,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Overlaid, ConfigError> {
    let mut given: Vec<_> = environment
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    given.sort();
    let (mut variables, mut warnings) = (Vec::new(), Vec::new());
    for (variable, text) in given {
        let Some((section, key)) = path(&variable) else {
            warnings.extend(one_underscore(&variable));
            continue;
        };
        // A host's form that was left empty arrives as an empty text. Elsewhere an empty text is a
        // mistake that must be told: it could have been meant to close a door.
        if section == "llm" && text.is_empty() {
            continue;
        }
        table = put(&table, &section, &key, &text).map_err(|message| ConfigError::Environment {
            message,
            variable: variable.clone(),
        })?;
        variables.push((format!("{section}.{key}"), variable));
    }
    let config = parse(&table).map_err(|error| ConfigError::Environment {
        variable: "(configuration)".to_owned(),
        message: explain("", error.message()),
    })?;
    Ok(Overlaid {
        config,
        variables,
        warnings,
    })
}

fn parse(table: &Table) -> Result<Config, toml::de::Error> {
    table.clone().try_into()
}

/// What a text means depends on the setting: a number, a switch, a list or a text. The first
/// reading that the setting takes is the right one.
fn put(table: &Table, section: &str, key: &str, text: &str) -> Result<Table, String> {
    if section == "roles" || section == "limits" && key.split("__").next() == Some("tools") {
        let header = match section {
            "roles" => "[roles.NAME]",
            _ => "[limits.tools.NAME]",
        };
        return Err(format!(
            "a table can't be written in a variable: write {header} into the configuration file"
        ));
    }
    let mut last = None;
    for value in readings(text) {
        let is_list = value.is_array();
        let mut candidate = table.clone();
        let inside = candidate
            .entry(section.to_owned())
            .or_insert_with(|| Value::Table(Table::new()));
        let Some(inside) = inside.as_table_mut() else {
            break;
        };
        inside.insert(key.to_owned(), value);
        match parse(&candidate) {
            Ok(_) => return Ok(candidate),
            Err(error) => {
                // What is wrong with it as a list, only where a list is wanted.
                let wanted = |said: &toml::de::Error| said.message().contains("a sequence");
                if !is_list || last.as_ref().is_none_or(wanted) {
                    last = Some(error);
                }
            }
        }
    }
    Err(last.map_or_else(
        || "no such section".to_owned(),
        |error| explain(&format!("{section}.{key}"), error.message()),
    ))
}

/// `MCP_SERVER__PORT` → `server`, `port`. Variables without `__`, such as `MCP_CLIENT_KEY`, are
/// no settings of the server.
fn path(variable: &str) -> Option<(String, String)> {
    let (section, key) = variable.strip_prefix(PREFIX)?.split_once("__")?;
    Some((section.to_ascii_lowercase(), key.to_ascii_lowercase()))
}

/// `MCP_SERVER_PORT`: no setting, and surely meant as one.
fn one_underscore(variable: &str) -> Option<String> {
    let (section, key) = variable.strip_prefix(PREFIX)?.split_once('_')?;
    if OTHERS.contains(&variable) || !is_setting(section, key) {
        return None;
    }
    Some(format!(
        "{variable} changes nothing: a setting has two underscores between section and name, {PREFIX}{section}__{key}"
    ))
}

fn is_setting(section: &str, key: &str) -> bool {
    // No setting is a date, so this is refused in any case: as the wrong type, or as unknown.
    let date = "2000-01-01".parse().map(Value::Datetime);
    let Ok(date) = date else { return false };
    let inside = Table::from_iter([(key.to_ascii_lowercase(), date)]);
    let table = Table::from_iter([(section.to_ascii_lowercase(), Value::Table(inside))]);
    parse(&table).is_err_and(|error| !error.message().starts_with("unknown field"))
}

fn readings(text: &str) -> Vec<Value> {
    let mut readings = Vec::new();
    readings.extend(text.parse().ok().map(Value::Integer));
    readings.extend(text.parse().ok().map(Value::Boolean));
    readings.push(Value::String(text.to_owned()));
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    readings.push(Value::Array(
        items.map(|item| Value::String(item.to_owned())).collect(),
    ));
    readings
}
