//! `MCP_SECTION__KEY`: the environment goes on top of the file. `MCP_SERVER__PORT=9000` is
//! `port = 9000` in `[server]`; lists are separated by commas.

use toml::{Table, Value};

use super::{Config, ConfigError, problem::explain};

const PREFIX: &str = "MCP_";

/// Puts the variables on top of the file's table, one after the other, so that a wrong one is
/// named.
pub(super) fn overlay(
    mut table: Table,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let parse = |table: &Table| table.clone().try_into::<Config>();
    let mut variables: Vec<_> = environment
        .filter(|(name, _)| path(name).is_some())
        .collect();
    variables.sort();
    for (variable, text) in variables {
        let Some((section, key)) = path(&variable) else {
            continue;
        };
        // A host's form that was left empty arrives as an empty text. Elsewhere an empty text is a
        // mistake that must be told: it could have been meant to close a door.
        if section == "llm" && text.is_empty() {
            continue;
        }
        // What a text means depends on the setting: a number, a switch, a list or a text. The
        // first reading that the setting takes is the right one.
        let mut last = None;
        let taken = readings(&text).into_iter().find_map(|value| {
            let is_list = value.is_array();
            let mut candidate = table.clone();
            let section = candidate
                .entry(section.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            section.as_table_mut()?.insert(key.clone(), value);
            match parse(&candidate) {
                Ok(_) => Some(candidate),
                Err(error) => {
                    // What is wrong with it as a list, only where a list is wanted.
                    let wanted = |said: &toml::de::Error| said.message().contains("a sequence");
                    if !is_list || last.as_ref().is_none_or(wanted) {
                        last = Some(error);
                    }
                    None
                }
            }
        });
        table = taken.ok_or_else(|| ConfigError::Environment {
            message: last.map_or_else(
                || "no such section".to_owned(),
                |error| explain(error.message()),
            ),
            variable,
        })?;
    }
    parse(&table).map_err(|error| ConfigError::Environment {
        variable: "(configuration)".to_owned(),
        message: explain(error.message()),
    })
}

/// `MCP_SERVER__PORT` → `server`, `port`. Variables without `__`, such as `MCP_CLIENT_KEY`, are
/// no settings of the server.
fn path(variable: &str) -> Option<(String, String)> {
    let (section, key) = variable.strip_prefix(PREFIX)?.split_once("__")?;
    Some((section.to_ascii_lowercase(), key.to_ascii_lowercase()))
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
