//! Long lists come in pages. A cursor is opaque to clients (specification, "Pagination"): it is
//! this server's word for where the next page begins, short, and good only as it was given out.

use rmcp::{
    ErrorData,
    model::{Cursor, PaginatedRequestParams},
};

/// Items of one page.
const PAGE: usize = 50;
const PREFIX: &str = "from-";

/// One page of a list, and the cursor of the next one.
///
/// # Errors
/// −32602 for a cursor that this server didn't give out.
pub fn page<T: Clone>(
    items: &[T],
    params: Option<&PaginatedRequestParams>,
) -> Result<(Vec<T>, Option<Cursor>), ErrorData> {
    let start = match params.and_then(|params| params.cursor.as_deref()) {
        None => 0,
        Some(cursor) => start(cursor)
            .filter(|start| *start < items.len())
            .ok_or_else(|| {
                ErrorData::invalid_params("unknown cursor: begin again without one", None)
            })?,
    };
    let end = items.len().min(start + PAGE);
    let next = (end < items.len()).then(|| format!("{PREFIX}{end}"));
    Ok((items[start..end].to_vec(), next))
}

fn start(cursor: &str) -> Option<usize> {
    let number = cursor.strip_prefix(PREFIX)?;
    let start: usize = number.parse().ok()?;
    // Only as it was given out: no sign, no zeros in front, and where a page ends.
    (start > 0 && start.is_multiple_of(PAGE) && start.to_string() == number).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(cursor: &str) -> PaginatedRequestParams {
        PaginatedRequestParams::default().with_cursor(Some(cursor.to_owned()))
    }

    #[test]
    fn pages_give_every_item_once_and_in_order() {
        let items: Vec<usize> = (0..120).collect();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let params = cursor.as_deref().map(at);
            let (page, next) = page(&items, params.as_ref()).unwrap();
            assert!(page.len() <= PAGE);
            seen.extend(page);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, items);
    }

    #[test]
    fn a_cursor_that_was_never_given_out_is_refused() {
        let items: Vec<usize> = (0..120).collect();
        for wrong in [
            "",
            "from-",
            "from-0",
            "from-1",
            "from-050",
            "from-+50",
            "from--50",
            "from-150",
            "50",
            "from-99999999999999999999999",
        ] {
            let error = page(&items, Some(&at(wrong))).unwrap_err();
            assert_eq!(error.code.0, -32602, "{wrong}");
        }
        assert!(page(&items, Some(&at("from-100"))).is_ok());
        assert!(page::<u8>(&[], None).unwrap().0.is_empty());
    }
}
