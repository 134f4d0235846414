//! Which rows run.

use super::catalogue::catalogue;
use super::row::Row;

/// The rows and families that were named, or all.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    only: Vec<String>,
    skip: Vec<String>,
}

impl Choice {
    /// Rows or families, by name.
    ///
    /// # Errors
    /// When there is none of a name: a misspelt row must not pass by not running.
    pub fn new(only: &[String], skip: &[String]) -> Result<Self, String> {
        let known: Vec<&str> = catalogue().flat_map(|row| [row.id, row.family]).collect();
        for name in only.iter().chain(skip) {
            if !known.contains(&name.as_str()) {
                let near = known.iter().max_by(|a, b| {
                    strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name))
                });
                let near = near.copied().unwrap_or_default();
                return Err(format!(
                    "there is no row or family {name:?}; did you mean {near}? `mcp-client attack --list` shows all"
                ));
            }
        }
        Ok(Self {
            only: only.to_vec(),
            skip: skip.to_vec(),
        })
    }

    /// Whether a row was chosen.
    pub(super) fn includes(&self, row: &Row) -> bool {
        let named = |names: &[String]| {
            names
                .iter()
                .any(|name| name == row.id || name == row.family)
        };
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}
