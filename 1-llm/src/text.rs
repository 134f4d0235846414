//! Text that came from outside, made fit to be shown: in a list, in one line of a message.

/// A name is cut here: no engine has one this long, and a list of them must stay readable.
const LONGEST_NAME: usize = 256;

/// A name (or another label) that an engine gave, without what could drive a terminal, break a
/// line, or reorder or hide what a person reads.
pub(crate) fn clean_name(raw: &str) -> String {
    raw.chars()
        .filter(|c| !is_unsafe(*c))
        .take(LONGEST_NAME)
        .collect()
}

/// [`clean_name`] for each of a list.
pub(crate) fn clean_names(raw: &[String]) -> Vec<String> {
    raw.iter().map(|name| clean_name(name)).collect()
}

/// A name between quotation marks, for a message.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", excerpt(name.as_bytes(), 80))
}

/// The beginning of some bytes as one line, with a space for each character that could forge a
/// log line, drive a terminal or hide in the text.
pub(crate) fn excerpt(raw: &[u8], longest: usize) -> String {
    // A character takes at most 4 bytes: nothing past that can be shown, so it isn't even decoded.
    let head = &raw[..raw.len().min(longest.saturating_mul(4))];
    let text = String::from_utf8_lossy(head);
    let mut shown: String = text
        .trim()
        .chars()
        .take(longest)
        .map(|c| if is_unsafe(c) { ' ' } else { c })
        .collect();
    if shown.len() < raw.trim_ascii().len() && text.trim().chars().count() > longest
        || head.len() < raw.len()
    {
        shown.push('…');
    }
    shown
}

/// Control characters, direction marks and overrides, zero-width characters, line separators,
/// and the invisible alphabet of tags, in which a whole message can be hidden.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line_whatever_came() {
        assert_eq!(excerpt(b"plain", 20), "plain");
        assert_eq!(excerpt(b"a\nb\x1b[31m\0", 20), "a b [31m ");
        assert_eq!(excerpt("a\u{202e}b\u{200b}c".as_bytes(), 20), "a b c");
        assert_eq!(excerpt("åäö".repeat(100).as_bytes(), 3), "åäö…");
        assert_eq!(excerpt(&[0xff, 0xfe, b'x'], 20), "\u{fffd}\u{fffd}x");
        assert_eq!(excerpt(&vec![b'x'; 100_000_000], 4), "xxxx…");
    }

    #[test]
    fn a_name_keeps_its_letters_and_loses_what_hides_or_drives_a_terminal() {
        for plain in ["llama3.2:latest", "hf.co/team/Modell-Å:Q4_K_M", "模型:7b"] {
            assert_eq!(clean_name(plain), plain);
        }
        assert_eq!(clean_name("a\u{1b}]0;x\u{7}b\r\nc"), "a]0;xbc");
        assert_eq!(
            clean_name("gpt\u{202e}evil\u{2066}\u{200b}\u{e0041}"),
            "gptevil"
        );
        assert_eq!(clean_name(&"x".repeat(10_000)).len(), LONGEST_NAME);
    }
}
