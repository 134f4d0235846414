//! Finding things by a few of their letters.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// The places of the items that match, best first. An empty needle matches all, in their order.
#[must_use]
pub fn find<'a>(needle: &str, items: impl Iterator<Item = &'a str>) -> Vec<usize> {
    if needle.trim().is_empty() {
        return (0..items.count()).collect();
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(needle, CaseMatching::Ignore, Normalization::Smart);
    let mut buffer = Vec::new();
    let mut found: Vec<(u32, usize)> = items
        .enumerate()
        .filter_map(|(place, item)| {
            pattern
                .score(Utf32Str::new(item, &mut buffer), &mut matcher)
                .map(|score| (score, place))
        })
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    found.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_comes_first_and_strangers_not_at_all() {
        let items = ["resources", "tools", "reconnect"];
        assert_eq!(find("recon", items.into_iter()), [2]);
        assert_eq!(find("", items.into_iter()), [0, 1, 2]);
        assert!(find("xyz", items.into_iter()).is_empty());
    }
}
