//! The best first, at most as many as the protocol allows, and the rest announced.

use rmcp::model::CompletionInfo;

/// What the argument could be, for somebody who has typed this much of it.
pub fn propose(cities: &[String], typed: &str) -> Result<CompletionInfo, String> {
    let typed = typed.to_lowercase();
    let (mut values, rest): (Vec<String>, Vec<String>) = cities
        .iter()
        .cloned()
        .partition(|city| city.to_lowercase().starts_with(&typed));
    let contains = |city: &String| city.to_lowercase().contains(&typed);
    values.extend(rest.into_iter().filter(contains));
    let total = u32::try_from(values.len()).ok();
    let has_more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    CompletionInfo::with_pagination(values, total, has_more)
}
