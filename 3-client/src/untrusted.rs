//! Text from models, tools and servers, made harmless for a terminal.
//!
//! Such text may hold escape sequences that repaint the screen or write the clipboard, bidirectional
//! overrides that make an argument read as another one, and invisible characters that carry hidden
//! instructions. Nothing is dropped: each such character is shown as a visible mark, because a reader
//! who approves a call must see that something was there.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_segmentation::UnicodeSegmentation;

/// What a character would do to a terminal or to a reader.
fn is_hostile(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // C0, DEL and C1: the last holds one-byte forms of ESC [ and friends.
        c if c.is_control() => true,
        // Zero width, invisible operators, bidi marks, embeddings, overrides and isolates.
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}'
        | '\u{17B5}' => true,
        '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' => true,
        '\u{2060}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF9}'..='\u{FFFB}' => true,
        // Variation selectors carry hidden bytes when they pile up; `clean` allows one after an emoji.
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => true,
        // Tags: invisible ASCII.
        '\u{E0000}'..='\u{E007F}' => true,
        _ => false,
    }
}

/// Inside an emoji, a joiner and a presentation selector are part of the picture.
fn belongs_to_emoji(grapheme: &str, c: char) -> bool {
    if !matches!(c, '\u{200D}' | '\u{FE0F}') || grapheme.chars().count() > 12 {
        return false;
    }
    let mut chars = grapheme.chars();
    chars.next().is_some_and(|first| {
        matches!(first, '\u{203C}'..='\u{3299}' | '\u{1F000}'..='\u{1FAFF}' | '#' | '*' | '0'..='9' | '\u{A9}' | '\u{AE}')
    })
}

fn push_mark(out: &mut String, c: char) {
    match c {
        // The control pictures exist for exactly this.
        '\0'..='\u{1F}' => out.extend(char::from_u32(0x2400 + c as u32)),
        '\u{7F}' => out.push('\u{2421}'),
        c => {
            // Writing to a String can't fail.
            let _ = write!(out, "<U+{:04X}>", c as u32);
        }
    }
}

/// Returns `text` with everything that could act on a terminal, or hide from its reader, made visible.
/// Line feeds stay; a tab becomes four spaces, because its width would depend on where it stands.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|b| (0x20..0x7F).contains(&b) || b == b'\n')
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for grapheme in text.graphemes(true) {
        // Windows line endings are no threat, only noise.
        if grapheme == "\r\n" {
            out.push('\n');
            continue;
        }
        for c in grapheme.chars() {
            if c == '\t' {
                out.push_str("    ");
            } else if is_hostile(c) && !belongs_to_emoji(grapheme, c) {
                push_mark(&mut out, c);
            } else {
                out.push(c);
            }
        }
    }
    Cow::Owned(out)
}

/// [`clean`] for a place that holds one line: line feeds become visible too.
#[must_use]
pub fn clean_line(text: &str) -> String {
    clean(text).replace('\n', "\u{240A}")
}

/// Cuts `text` to at most `max` characters for a label, and says so with an ellipsis.
#[must_use]
pub fn label(text: &str, max: usize) -> String {
    let line = clean_line(text);
    if line.chars().count() <= max {
        return line;
    }
    let mut cut: String = line.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The last line of defence: true when a drawn cell could still act on the terminal.
#[must_use]
pub fn cell_is_hostile(symbol: &str) -> bool {
    symbol
        .chars()
        .any(|c| is_hostile(c) && !belongs_to_emoji(symbol, c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_become_visible_and_inert() {
        assert_eq!(clean("\u{1b}[2Jgone\u{7}"), "␛[2Jgone␇");
        assert_eq!(clean("\u{9b}31m"), "<U+009B>31m");
    }

    #[test]
    fn bidi_overrides_and_invisible_text_are_shown_where_they_stand() {
        assert_eq!(clean("rm \u{202e}cod"), "rm <U+202E>cod");
        assert_eq!(clean("a\u{200b}b\u{e0041}"), "a<U+200B>b<U+E0041>");
    }

    #[test]
    fn emoji_and_other_scripts_pass_unchanged() {
        for text in ["👩‍👩‍👧‍👦 ❤️ 1️⃣", "日本語 العربية हिन्दी", "naïve – „quoted“"]
        {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn a_label_is_one_line_and_says_when_it_was_cut() {
        assert_eq!(label("one\ntwo", 20), "one␊two");
        assert_eq!(label("abcdef", 4), "abc…");
    }

    proptest! {
        #[test]
        fn nothing_hostile_survives(text in "\\PC{0,40}|[\\x00-\\u{ffff}]{0,60}") {
            let cleaned = clean(&text);
            for grapheme in cleaned.graphemes(true) {
                for c in grapheme.chars() {
                    prop_assert!(!c.is_control() || c == '\n');
                    prop_assert!(!is_hostile(c) || belongs_to_emoji(grapheme, c) || c == '\n');
                }
            }
        }
    }
}
