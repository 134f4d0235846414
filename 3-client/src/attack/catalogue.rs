//! All rows, in the order in which they run: what uses a caller's budget up comes last.

use super::row::Row;
use super::{
    access, bodies, credentials, deputy, floods, injection, leaks, messages, rebinding, sessions,
    slow, trust,
};

/// The whole catalogue.
pub fn catalogue() -> impl Iterator<Item = &'static Row> {
    [
        rebinding::ROWS,
        credentials::ROWS,
        access::ROWS,
        deputy::ROWS,
        sessions::ROWS,
        messages::ROWS,
        bodies::ROWS,
        injection::ROWS,
        trust::ROWS,
        leaks::ROWS,
        slow::ROWS,
        floods::ROWS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_and_says_everything() {
        let mut ids: Vec<&str> = catalogue().map(|row| row.id).collect();
        let count = ids.len();
        assert!(count >= 62, "{count}: rows were lost");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "two rows share a name");
        for row in catalogue() {
            let texts = [
                row.family,
                row.title,
                row.tried,
                row.elsewhere,
                row.advisory,
                row.remedy,
            ];
            assert!(texts.iter().all(|text| !text.is_empty()), "{}", row.id);
            let is_plain = |b: u8| b.is_ascii_lowercase() || b == b'-';
            assert!(row.id.bytes().all(is_plain), "{}", row.id);
        }
    }

    #[test]
    fn the_rows_of_a_family_stand_together() {
        let mut families: Vec<&str> = catalogue().map(|row| row.family).collect();
        families.dedup();
        assert_eq!(families.len(), 12, "{families:?}");
    }
}
