//! A Rust file as words and signs: enough to find names in it, and no more.

/// A token, with the line that it stands in.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

pub(super) fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The words and signs of a file, without comments. A string stays with its opening quote.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line) = (0, 1);
    let mut found = Vec::new();
    let is = |at: usize, word: &str| {
        word.chars()
            .enumerate()
            .all(|(n, c)| chars.get(at + n) == Some(&c))
    };
    let push = |found: &mut Vec<Token>, from: usize, to: usize, line: usize| {
        let text: String = chars[from..to].iter().collect();
        found.push(Token { text, line });
    };
    while at < chars.len() {
        let (start, begun) = (at, line);
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
        } else if is(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if is(at, "/*") {
            let mut depth = 0;
            loop {
                if is(at, "/*") {
                    depth += 1;
                    at += 2;
                } else if is(at, "*/") {
                    depth -= 1;
                    at += 2;
                } else {
                    at += 1;
                }
                if depth == 0 || at >= chars.len() {
                    break;
                }
            }
        } else if let Some(end) = raw_string(&chars, at) {
            at = end;
        } else if c == '"' || (matches!(c, 'b' | 'c') && chars.get(at + 1) == Some(&'"')) {
            at += if c == '"' { 1 } else { 2 };
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
            push(&mut found, start, at.min(chars.len()), begun);
        } else if c == '\'' {
            // A character, or else a lifetime.
            if chars.get(at + 1) == Some(&'\\') {
                at += 3;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
            } else if chars.get(at + 2) == Some(&'\'') {
                at += 3;
            } else {
                at += 1;
                while chars
                    .get(at)
                    .is_some_and(|c| c.is_alphanumeric() || *c == '_')
                {
                    at += 1;
                }
            }
        } else if c.is_alphanumeric() || c == '_' {
            if is(at, "r#") {
                at += 2;
            }
            let from = at;
            while chars
                .get(at)
                .is_some_and(|c| c.is_alphanumeric() || *c == '_')
            {
                at += 1;
            }
            push(&mut found, from, at, begun);
        } else {
            at += if is(at, "::") { 2 } else { 1 };
            push(&mut found, start, at, begun);
        }
        let end = at.min(chars.len());
        line += chars[start..end].iter().filter(|c| **c == '\n').count();
    }
    found
}

/// Where a raw string that begins here ends.
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let mut next = at;
    if matches!(chars.get(next), Some('b' | 'c')) {
        next += 1;
    }
    if chars.get(next) != Some(&'r') {
        return None;
    }
    next += 1;
    let from = next;
    while chars.get(next) == Some(&'#') {
        next += 1;
    }
    let hashes = next - from;
    if chars.get(next) != Some(&'"') {
        return None;
    }
    next += 1;
    while next < chars.len() {
        let closes = chars[next] == '"' && (1..=hashes).all(|n| chars.get(next + n) == Some(&'#'));
        next += 1;
        if closes {
            return Some(next + hashes);
        }
    }
    Some(next)
}

/// Takes out what is compiled for tests only: the item behind `#[cfg(test)]` or `#[test]`.
pub(super) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if text(at) == "#" && text(at + 1) == "[" {
            let end = closing(tokens, at + 1);
            let attribute: Vec<&str> = (at + 2..end).map(text).collect();
            let is_test = match attribute.as_slice() {
                ["test"] => true,
                ["cfg", rest @ ..] => {
                    rest.contains(&"test") && !rest.contains(&"not") && !rest.contains(&"any")
                }
                _ => false,
            };
            if is_test {
                at = item_end(tokens, end + 1);
                continue;
            }
        }
        kept.push(tokens[at].clone());
        at += 1;
    }
    kept
}

/// Behind the item that begins here, with its other attributes.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at + 1,
            "{" => return closing(tokens, at) + 1,
            "[" | "(" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
    at
}

/// Where the bracket that opens here is closed.
fn closing(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    tokens.len()
}
