//! What a person approves, folded into rows once. Rows are places in the text, and a frame costs only
//! those that it shows: arguments of many megabytes cost nothing while they wait.
//!
//! Nothing is lost at a fold, and nothing is added that could have been in the text: rows that go on
//! with a line begin with an arrow in a column where no argument ever stands.

use std::ops::Range;

use serde_json::{Map, Value};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::untrusted::{SPACE, exact};

/// Ends a row after a line feed inside of a string. [`exact`] lets no control character through.
const SOFT: char = '\u{b}';
/// Columns before the text: empty, or an arrow where a line goes on.
const MARGIN: u16 = 2;
/// The deepest that JSON is indented; the brackets say how deep it really is.
const MAX_INDENT: usize = 12;

struct Row {
    place: Range<usize>,
    goes_on: bool,
}

/// Arguments, ready to be drawn.
pub struct Folded {
    text: String,
    rows: Vec<Row>,
}

impl Folded {
    /// Folds a call's arguments to `width` columns, the margin included.
    #[must_use]
    pub fn arguments(arguments: &Map<String, Value>, width: u16) -> Self {
        let mut text = String::new();
        write_map(&mut text, arguments, 0);
        let width = usize::from(width.saturating_sub(MARGIN).max(4));
        let mut rows = Vec::new();
        let mut start = 0;
        let mut goes_on = false;
        for line in text.split_inclusive(['\n', SOFT]) {
            let shown = line.trim_end_matches(['\n', SOFT]);
            fold(&mut rows, shown, start, width, goes_on);
            goes_on = line.ends_with(SOFT);
            start += line.len();
        }
        Self { text, rows }
    }

    /// How many rows there are.
    /// How many rows there are.
    #[must_use]
    pub fn height(&self) -> usize {
        self.rows.len()
    }

    /// One row, as it is drawn.
    #[must_use]
    pub fn row(&self, at: usize) -> Option<String> {
        let row = self.rows.get(at)?;
        let text = &self.text[row.place.clone()];
        let mut shown = String::from(if row.goes_on { "↳ " } else { "  " });
        // A space at the edge of a row is one that nobody would see.
        let body = match text.strip_prefix(' ') {
            Some(rest) if row.goes_on => {
                shown.push(SPACE);
                rest
            }
            _ => text,
        };
        match body.strip_suffix(' ') {
            Some(before) => {
                shown.push_str(before);
                shown.push(SPACE);
            }
            None => shown.push_str(body),
        }
        Some(shown)
    }
}

fn fold(rows: &mut Vec<Row>, line: &str, start: usize, width: usize, mut goes_on: bool) {
    let mut push = |from: usize, to: usize| {
        rows.push(Row {
            place: start + from..start + to,
            goes_on,
        });
        goes_on = true;
    };
    let mut from = 0;
    if line.is_ascii() {
        while line.len() - from > width {
            push(from, from + width);
            from += width;
        }
        push(from, line.len());
        return;
    }
    let mut used = 0;
    for (at, grapheme) in line.grapheme_indices(true) {
        let wide = grapheme.width();
        if used + wide > width && at > from {
            push(from, at);
            (from, used) = (at, 0);
        }
        used += wide;
    }
    push(from, line.len());
}

fn indent(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', (2 * depth).min(MAX_INDENT)));
}

fn write_map(out: &mut String, map: &Map<String, Value>, depth: usize) {
    if map.is_empty() {
        out.push_str("{}");
        return;
    }
    out.push('{');
    for (n, (key, value)) in map.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        indent(out, depth + 1);
        write_string(out, key);
        out.push_str(": ");
        write_value(out, value, depth + 1);
    }
    indent(out, depth);
    out.push('}');
}

fn write_value(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) => write_map(out, map, depth),
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                indent(out, depth + 1);
                write_value(out, item, depth + 1);
            }
            indent(out, depth);
            out.push(']');
        }
        Value::String(text) => write_string(out, text),
        // Numbers, truth values, null and the empty list: ASCII, and never with a space in them.
        other => out.push_str(&other.to_string()),
    }
}

/// A string as JSON, with a row of its own for each of its lines: a program is read as a program.
fn write_string(out: &mut String, text: &str) {
    for (n, line) in text.split_inclusive('\n').enumerate() {
        if n > 0 {
            out.push(SOFT);
        }
        let json = Value::from(line).to_string();
        // Without its quotation marks, which belong to the whole.
        let inside = json
            .get(1..json.len().saturating_sub(1))
            .unwrap_or_default();
        if n == 0 {
            out.push('"');
        }
        out.push_str(&exact(inside));
    }
    if text.is_empty() {
        out.push('"');
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(arguments: &Value, width: u16) -> Vec<String> {
        let folded = Folded::arguments(arguments.as_object().unwrap(), width);
        (0..folded.height())
            .map(|n| folded.row(n).unwrap())
            .collect()
    }

    #[test]
    fn arguments_stand_as_json_and_a_programs_lines_as_lines() {
        let code = "def f():\n    return 1\n";
        assert_eq!(
            rows(&json!({"code": code, "n": [1, {}], "e": ""}), 40),
            [
                "  {",
                "    \"code\": \"def f():\\n",
                "↳ ␣␣␣␣return 1\\n\",",
                "    \"e\": \"\",",
                "    \"n\": [",
                "      1,",
                "      {}",
                "    ]",
                "  }",
            ]
        );
    }

    #[test]
    fn six_hundred_spaces_are_six_hundred_marks_wherever_rows_end() {
        for width in [12, 40, 80] {
            let text = format!("a{}b", " ".repeat(600));
            let shown = rows(&json!({"x": text}), width).concat();
            assert_eq!(shown.matches(SPACE).count(), 600, "{width}");
        }
    }

    #[test]
    fn a_single_space_at_a_fold_is_seen() {
        // The thirteenth column of the text is the space, and the row ends there.
        let shown = rows(&json!({"": "aaaaa bbbb"}), 15);
        let all = shown.join("|");
        assert!(all.contains('␣'), "{all}");
        let squeezed: String = shown
            .iter()
            .map(|r| r[r.char_indices().nth(2).unwrap().0..].to_owned())
            .collect();
        assert!(squeezed.contains("aaaaa␣bbbb"), "{squeezed}");
    }

    #[test]
    fn a_line_that_goes_on_cannot_be_taken_for_a_new_one() {
        let forged = format!("{}\"safe\": true", " ".repeat(30));
        for row in rows(&json!({"x": forged}), 24).iter().skip(2) {
            assert!(row.starts_with("↳ ") || row == "  }", "{row}");
        }
    }

    #[test]
    fn no_row_is_wider_than_it_may_be() {
        let text = "日本 👩‍👩‍👧‍👦 x\u{301}".repeat(20);
        for row in rows(&json!({"x": text, "y": "z".repeat(99)}), 20) {
            assert!(row.width() <= 20, "{row}");
        }
    }
}
