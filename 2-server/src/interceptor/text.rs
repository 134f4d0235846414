//! What a caller wrote, made safe to show: cut to a length, and without what hides or reorders.

/// Cuts a text at a character boundary, after at most `most` characters.
pub fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text; // no text has more characters than bytes
    }
    match text.char_indices().nth(most) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Direction marks and overrides, zero-width characters, line separators, and the invisible
/// alphabet of tags, in which a whole message can be hidden.
pub fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What could break a line, move the cursor, or reorder or hide what a person reads.
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || is_hidden(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_falls_between_characters() {
        assert_eq!(cut("åse", 1), "å");
        assert_eq!(cut("åse", 3), "åse");
        assert_eq!(cut("", 0), "");
    }
}
