//! Colours for code, line by line. A small lexer of our own: the grammars of a real highlighter take
//! tens of milliseconds and megabytes to load, and a chat shows short pieces in a dozen languages.

use ratatui::style::Style;

use crate::ui::theme::Theme;

/// What a language needs to be coloured roughly right.
#[derive(Clone, Copy)]
struct Language {
    names: &'static [&'static str],
    keywords: &'static str,
    line_comment: &'static [&'static str],
    block_comment: Option<(&'static str, &'static str)>,
    quotes: &'static str,
}

const LANGUAGES: [Language; 8] = [
    Language {
        names: &["rust", "rs"],
        keywords: "as async await box break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while",
        line_comment: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: "\"",
    },
    Language {
        names: &["python", "py", "python3"],
        keywords: "and as assert async await break class continue def del elif else except False finally for from global if import in is lambda None nonlocal not or pass raise return True try while with yield match case",
        line_comment: &["#"],
        block_comment: None,
        quotes: "\"'",
    },
    Language {
        names: &["javascript", "js", "typescript", "ts", "jsx", "tsx"],
        keywords: "async await break case catch class const continue debugger default delete do else enum export extends false finally for from function if implements import in instanceof interface let new null of return static super switch this throw true try type typeof undefined var void while yield",
        line_comment: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: "\"'`",
    },
    Language {
        names: &["json", "jsonc", "json5"],
        keywords: "true false null",
        line_comment: &["//"],
        block_comment: None,
        quotes: "\"",
    },
    Language {
        names: &[
            "bash",
            "sh",
            "shell",
            "zsh",
            "console",
            "make",
            "makefile",
            "dockerfile",
        ],
        keywords: "if then else elif fi case esac for while until do done in function return local export set unset echo cd exit source FROM RUN COPY CMD ENTRYPOINT ENV",
        line_comment: &["#"],
        block_comment: None,
        quotes: "\"'",
    },
    Language {
        names: &["toml", "yaml", "yml", "ini"],
        keywords: "true false null yes no",
        line_comment: &["#"],
        block_comment: None,
        quotes: "\"'",
    },
    Language {
        names: &[
            "go", "c", "cpp", "c++", "h", "java", "kotlin", "csharp", "cs", "swift", "zig",
        ],
        keywords: "auto bool break byte case catch chan char class const continue default defer do double else enum extern false final float for fn func fun go goto if implements import int interface let long map new nil null nullptr package private protected public range return short signed sizeof static string struct super switch template this throw true try type typedef union unsigned using val var virtual void volatile while",
        line_comment: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: "\"'",
    },
    Language {
        names: &["sql"],
        keywords: "SELECT FROM WHERE INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE INDEX JOIN LEFT RIGHT INNER ON AND OR NOT NULL AS ORDER BY GROUP LIMIT select from where insert into values update set delete create table index join left right inner on and or not null as order by group limit",
        line_comment: &["--"],
        block_comment: Some(("/*", "*/")),
        quotes: "'",
    },
];

/// Colours the lines of one code block.
#[derive(Clone)]
pub(super) struct Highlighter {
    language: Option<Language>,
    /// Inside a comment that began on an earlier line.
    in_comment: bool,
}

impl Highlighter {
    /// A highlighter for a fence's language; an unknown one stays plain.
    pub(super) fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        Self {
            language: LANGUAGES
                .iter()
                .find(|l| l.names.contains(&name.as_str()))
                .copied(),
            in_comment: false,
        }
    }

    /// The next line in coloured pieces.
    pub(super) fn line(&mut self, line: &str, theme: &Theme) -> Vec<(String, Style)> {
        let Some(language) = self.language else {
            return vec![(line.to_owned(), theme.code)];
        };
        let mut pieces: Vec<(String, Style)> = Vec::new();
        let mut push = |text: &str, style: Style| match pieces.last_mut() {
            Some((last, known)) if *known == style => last.push_str(text),
            _ => pieces.push((text.to_owned(), style)),
        };
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let (length, style) = if self.in_comment {
                let close = language.block_comment.map_or("", |(_, close)| close);
                match rest.find(close) {
                    Some(at) => {
                        self.in_comment = false;
                        (at + close.len(), theme.comment)
                    }
                    None => (rest.len(), theme.comment),
                }
            } else if language
                .line_comment
                .iter()
                .any(|mark| rest.starts_with(mark))
            {
                (rest.len(), theme.comment)
            } else if language
                .block_comment
                .is_some_and(|(open, _)| rest.starts_with(open))
            {
                self.in_comment = true;
                (2, theme.comment)
            } else if language.quotes.contains(first) {
                (string(rest, first), theme.string)
            } else if first.is_ascii_digit() {
                (
                    rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
                        .unwrap_or(rest.len()),
                    theme.number,
                )
            } else if first.is_alphabetic() || first == '_' {
                let end = rest
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                let known = language.keywords.split(' ').any(|k| k == &rest[..end]);
                (end, if known { theme.keyword } else { theme.code })
            } else {
                (first.len_utf8(), theme.code)
            };
            push(&rest[..length], style);
            rest = &rest[length..];
        }
        pieces
    }
}

/// The length of a string literal, or of what there is of it.
fn string(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ThemeName;

    #[test]
    fn keywords_strings_and_comments_are_told_apart_across_lines() {
        let theme = Theme::named(ThemeName::Terminal, false);
        let mut rust = Highlighter::new("Rust");
        let pieces = rust.line("let x = \"a\\\"b\"; /* on", &theme);
        assert_eq!(pieces[0], ("let".into(), theme.keyword));
        assert!(pieces.contains(&("\"a\\\"b\"".into(), theme.string)));
        assert_eq!(
            rust.line("and on */ fn", &theme)[0],
            ("and on */".into(), theme.comment)
        );
    }

    #[test]
    fn colouring_never_changes_the_text() {
        let theme = Theme::named(ThemeName::Terminal, false);
        for language in ["rust", "python", "json", "nonsense", "sql"] {
            for line in ["let s = 'é\\", "/* x", "\"日本", "# 1.5e3 -- //"] {
                let text: String = Highlighter::new(language)
                    .line(line, &theme)
                    .into_iter()
                    .map(|(t, _)| t)
                    .collect();
                assert_eq!(text, line);
            }
        }
    }
}
