//! Text from models, tools and servers, made harmless for a terminal.
//!
//! Such text may hold escape sequences that repaint the screen or write the clipboard, bidirectional
//! overrides that make an argument read as another one, and invisible characters that carry hidden
//! instructions. Nothing is dropped: each such character is shown as a visible mark, because a reader
//! who approves a call must see that something was there.

use std::{borrow::Cow, fmt::Write as _};

use icu_properties::{
    CodePointMapData, CodePointSetData, CodePointSetDataBorrowed, PropertyNamesLong,
    props::{DefaultIgnorableCodePoint, Script, WhiteSpace},
};
use unicode_segmentation::UnicodeSegmentation;

/// What Unicode says of itself that it isn't to be seen: joiners, bidi marks and overrides, fillers,
/// variation selectors, tags, and what is reserved to join them.
const INVISIBLE: CodePointSetDataBorrowed<'static> =
    CodePointSetData::new::<DefaultIgnorableCodePoint>();
const BLANK: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<WhiteSpace>();

/// How [`exact`] shows a space that wouldn't be seen.
pub const SPACE: char = '\u{2423}';

/// What a character would do to a terminal or to a reader.
fn is_hostile(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // C0, DEL and C1: the last holds one-byte forms of ESC [ and friends.
        c if c.is_control() => true,
        // Nothing below the soft hyphen is invisible; most text ends here.
        '\0'..'\u{AD}' => false,
        // Separators of lines and paragraphs, and annotations: not ignorable, and not to be seen either.
        '\u{2028}' | '\u{2029}' | '\u{FFF9}'..='\u{FFFB}' => true,
        c => INVISIBLE.contains(c),
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

/// [`clean`] for text that leaves the screen for the clipboard or a file: tabs stay tabs, because a
/// Makefile that is copied needs them.
#[must_use]
pub fn portable(text: &str) -> String {
    let parts: Vec<Cow<'_, str>> = text.split('\t').map(clean).collect();
    parts.join("\t")
}

/// JSON with each character that [`clean`] would mark written as its escape: the same value, and
/// harmless to look at.
#[must_use]
pub fn escaped_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if is_hostile(c) {
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String can't fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// [`clean_line`] for a name: where letters of several scripts stand in one word, those that aren't
/// Latin are marked. `pay` with a Cyrillic `а` is another name that looks like it.
#[must_use]
pub fn name(text: &str) -> String {
    let line = clean_line(text);
    if line.is_ascii() {
        return line;
    }
    let mut out = String::with_capacity(line.len() + 16);
    for word in line.split_inclusive([' ', '/', ':']) {
        push_word(&mut out, word);
    }
    out
}

/// The scripts of a name's letters besides Latin: what is written in one of them alone may look like
/// another word.
#[must_use]
pub fn scripts(text: &str) -> Vec<&'static str> {
    let names = PropertyNamesLong::<Script>::new();
    let mut found: Vec<&str> = Vec::new();
    for script in text.chars().filter_map(script) {
        let name = names.get(script).unwrap_or("unknown");
        if script != Script::Latin && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn script(c: char) -> Option<Script> {
    if c.is_ascii() {
        return c.is_ascii_alphabetic().then_some(Script::Latin);
    }
    let script = CodePointMapData::<Script>::new().get(c);
    (!matches!(script, Script::Common | Script::Inherited | Script::Unknown)).then_some(script)
}

/// Whether letters of these scripts belong together in one word: of one script, or as Japanese, Korean
/// and Chinese are written, with Latin among them.
fn belong_together(scripts: &[Script]) -> bool {
    const TOGETHER: [&[Script]; 3] = [
        &[
            Script::Latin,
            Script::Han,
            Script::Hiragana,
            Script::Katakana,
        ],
        &[Script::Latin, Script::Han, Script::Hangul],
        &[Script::Latin, Script::Han, Script::Bopomofo],
    ];
    scripts.len() < 2
        || TOGETHER
            .iter()
            .any(|known| scripts.iter().all(|s| known.contains(s)))
}

fn push_word(out: &mut String, word: &str) {
    let mut found: Vec<Script> = Vec::new();
    for script in word.chars().filter_map(script) {
        if !found.contains(&script) {
            found.push(script);
        }
    }
    if belong_together(&found) {
        out.push_str(word);
        return;
    }
    for c in word.chars() {
        if script(c).is_some_and(|s| s != Script::Latin) {
            push_mark(out, c);
        } else {
            out.push(c);
        }
    }
}

/// One line of what a person approves, so that it can be read in one way only. Besides what [`clean`]
/// marks, several spaces in a row and each other kind of space are shown, also inside of emoji; letters
/// of several scripts in one word are marked; and what looks like a mark but was in the text is marked
/// itself.
#[must_use]
pub fn exact(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_letter = |c: char| c.is_alphanumeric() && !is_hostile(c);
        let taken = if is_letter(c) {
            let word = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
            push_word(&mut out, &rest[..word]);
            word
        } else if c == ' ' {
            let run = rest.len() - rest.trim_start_matches(' ').len();
            let is_edge = out.is_empty() || run == rest.len();
            let shown = if run > 1 || is_edge { SPACE } else { ' ' };
            out.extend(std::iter::repeat_n(shown, run));
            run
        } else {
            let is_mark = matches!(c, '\u{2400}'..='\u{2426}' | '\u{2800}');
            let reads_like_one = rest.starts_with("<U+");
            if is_mark || reads_like_one || BLANK.contains(c) || c.is_control() || is_hostile(c) {
                push_mark(&mut out, c);
            } else {
                out.push(c);
            }
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    out
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
    fn whatever_unicode_calls_ignorable_is_shown() {
        let tried = [
            '\u{1BCA0}',
            '\u{1BCA3}',
            '\u{1D173}',
            '\u{1D17A}',
            '\u{FFF0}',
            '\u{FFF8}',
            '\u{E0080}',
            '\u{E0FFF}',
            '\u{200B}',
            '\u{2065}',
            '\u{3164}',
            '\u{E0041}',
            '\u{FFFB}',
            '\u{180F}',
        ];
        for c in tried {
            let text = format!("a{c}b");
            assert_eq!(clean(&text), format!("a<U+{:04X}>b", c as u32));
            assert_eq!(exact(&text), clean(&text));
        }
        for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let hidden = INVISIBLE.contains(c);
            assert!(!hidden || clean(&format!("a{c}b")).contains("<U+"), "{c:?}");
        }
    }

    #[test]
    fn a_letter_of_another_script_in_a_word_is_marked_and_other_languages_are_not() {
        assert_eq!(name("pay"), "pay");
        assert_eq!(name("p\u{430}y"), "p<U+0430>y");
        assert_eq!(name("admin_\u{440}\u{430}y"), "admin_<U+0440><U+0430>y");
        for honest in [
            "оплата",
            "日本語のtool",
            "naïve",
            "한국어",
            "pay/оплата",
            "σ-algebra",
        ] {
            let mixed = honest == "σ-algebra";
            assert_eq!(name(honest) != honest, mixed, "{honest}");
        }
        assert_eq!(scripts("p\u{430}y"), ["Cyrillic"]);
        assert!(scripts("pay_1").is_empty());
    }

    #[test]
    fn what_is_approved_shows_each_space_and_each_look_alike() {
        for (text, shown) in [
            ("a b", "a b"),
            ("a  b", "a␣␣b"),
            (" a ", "␣a␣"),
            ("a\u{A0}b\u{2003}c", "a<U+00A0>b<U+2003>c"),
            (
                "https://p\u{430}ypal.example",
                "https://p<U+0430>ypal.example",
            ),
            ("a␣b<U+200B>", "a<U+2423>b<U+003C>U+200B>"),
            ("x\u{2800}y", "x<U+2800>y"),
            ("1\u{FE0F}", "1<U+FE0F>"),
        ] {
            assert_eq!(exact(text), shown);
        }
    }

    #[test]
    fn json_that_leaves_holds_nothing_that_a_terminal_acts_on_and_means_the_same() {
        let value = serde_json::json!({"a": "\u{7f}\u{9b}2J\u{202e}\u{e0041}é"});
        let safe = escaped_json(&value.to_string());
        assert!(!safe.chars().any(is_hostile), "{safe}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
            value
        );
        assert_eq!(portable("a\tb\u{1b}[201~\r\nc"), "a\tb␛[201~\nc");
    }

    #[test]
    fn a_label_is_one_line_and_says_when_it_was_cut() {
        assert_eq!(label("one\ntwo", 20), "one␊two");
        assert_eq!(label("abcdef", 4), "abc…");
    }

    proptest! {
        #[test]
        fn two_different_texts_never_look_the_same_to_who_approves(
            one in "[ab <U+0\u{a0}\u{200b}␣␛А\u{430}>]{0,8}",
            other in "[ab <U+0\u{a0}\u{200b}␣␛А\u{430}>]{0,8}",
        ) {
            prop_assert_eq!(one == other, exact(&one) == exact(&other));
        }

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
