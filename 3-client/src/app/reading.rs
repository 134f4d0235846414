//! How much of a long text a person has had before their eyes.

/// Rows of a text that were on screen so far: from its beginning, and from its end. Paging reads on
/// without a gap; a jump to the end leaves one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    width: u16,
    rows: usize,
    room: usize,
    head: usize,
    tail: usize,
}

impl Reading {
    /// Notes what is drawn: `room` rows from `first` on, of `rows` that the text has at this width.
    #[must_use]
    pub fn with(self, width: u16, rows: usize, first: usize, room: usize) -> Self {
        // Folded at another width, the rows are others.
        let (head, tail) = if (self.width, self.rows) == (width, rows) {
            (self.head, self.tail)
        } else {
            (0, rows)
        };
        let end = (first + room).min(rows);
        Self {
            width,
            rows,
            room,
            head: if first <= head { head.max(end) } else { head },
            tail: if end >= tail { tail.min(first) } else { tail },
        }
    }

    /// Rows that were never on screen.
    #[must_use]
    pub fn unseen(&self) -> usize {
        self.tail.saturating_sub(self.head)
    }

    /// Rows that fit on screen.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room.max(1)
    }

    /// The last row that can be the topmost.
    #[must_use]
    pub fn end(&self) -> usize {
        self.rows.saturating_sub(self.room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_paged_through_is_seen_and_what_was_jumped_over_is_not() {
        let start = Reading::default().with(40, 100, 0, 10);
        assert_eq!(start.unseen(), 90);
        assert_eq!(start.with(40, 100, 10, 10).unseen(), 80);
        let jumped = start.with(40, 100, 90, 10);
        assert_eq!(jumped.unseen(), 80);
        let paged = (0..10).fold(jumped, |r, page| r.with(40, 100, page * 10, 10));
        assert_eq!(paged.unseen(), 0);
        assert_eq!(paged.with(30, 130, 0, 10).unseen(), 120, "folded again");
    }
}
