//! A sentence and its words: what it begins with, what it holds, and what follows a word.

/// Whether a text can stand before `://`.
pub(super) fn is_scheme(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn words(lower: &str) -> impl Iterator<Item = &str> {
    lower
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
}

/// Whether a word is in a sentence, whichever apostrophe it is written with.
pub(super) fn has_word(lower: &str, word: &str) -> bool {
    words(lower).any(|found| found == word || found.replace('’', "'") == word)
}

/// Whether a sentence begins with a word, politeness apart.
pub(super) fn starts_word(lower: &str, word: &str) -> bool {
    words(lower)
        .find(|found| !["please", "can", "could", "you", "me", "and", "ok", "hey"].contains(found))
        .is_some_and(|found| found.replace('’', "'") == word)
}

/// What stands after the last occurrence of a word.
pub(super) fn after_word<'a>(sentence: &'a str, lower: &str, word: &str) -> Option<&'a str> {
    // Lowering can change the length of a text outside ASCII; then the positions don't fit.
    if sentence.len() != lower.len() {
        return None;
    }
    let at = lower.rfind(&format!(" {word} "))?;
    let rest = sentence.get(at + word.len() + 2..)?.trim();
    (!rest.is_empty()).then_some(rest)
}

/// "Oslo right now" → "Oslo".
pub(super) fn without_time(place: &str) -> &str {
    let mut place = place.trim().trim_end_matches(['?', '!', '.']).trim();
    for ending in [
        "right now",
        "now",
        "today",
        "tomorrow",
        "please",
        "this week",
        "at the moment",
    ] {
        let cut = place
            .len()
            .checked_sub(ending.len())
            .filter(|at| place.is_char_boundary(*at));
        if let Some(at) = cut
            && place[at..].eq_ignore_ascii_case(ending)
        {
            place = place[..at].trim_end();
        }
    }
    place.strip_prefix("the city of ").unwrap_or(place)
}

/// A text without the quotes around it.
pub(super) fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\'', '“', '”'])
}
