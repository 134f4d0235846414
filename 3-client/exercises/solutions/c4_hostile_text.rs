//! Nothing is taken out: what can't be seen gets a mark that can.

use std::fmt::Write as _;

/// The text, with everything in it visible. Line ends stay.
pub fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            // Writing to a String can't fail.
            let _ = write!(shown, "<U+{:04X}>", c as u32);
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' => false,
        c if c.is_control() => true,
        // Zero width, directions, invisible operators and isolates, tags.
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => true,
        '\u{FEFF}' | '\u{E0000}'..='\u{E007F}' => true,
        _ => false,
    }
}
