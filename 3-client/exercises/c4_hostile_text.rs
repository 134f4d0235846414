//! # c4 · Make hostile text harmless
//!
//! A client shows text that it can't trust: tool descriptions, arguments that a model made up, results.
//! Such text can hold escape sequences that repaint the terminal, marks that turn the direction of
//! writing around so that a file's name reads as another one, and letters that nobody sees but the
//! model. A person who approves a call must see what is there.
//!
//! `clean` below takes out the escape character. That is one of many, and taking out is the wrong cure:
//! the reader doesn't learn that something was there. Show each such character as a mark instead.
//!
//! - In the real code: `3-client/src/untrusted.rs`, which also spares the joiners inside of emoji.
//! - Specification: <https://modelcontextprotocol.io/specification/2026-07-28/server/tools#security-considerations>: show tool
//!   inputs to the user before a call.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod c4 {
    /// The text, with everything in it visible. Line ends stay.
    pub fn clean(text: &str) -> String {
        text.replace('\u{1b}', "")
    }
}

use crate::c4::clean;

#[test]
fn what_is_hidden_becomes_visible() {
    for (text, hidden, danger) in [
        (
            "ok\u{1b}[2J",
            "1B",
            "a terminal that sees ESC [2J wipes the screen",
        ),
        (
            "ok\u{9b}2J",
            "9B",
            "U+009B is ESC [ in one character: many terminals obey it",
        ),
        (
            "ok\u{7}\u{8}\u{8}no",
            "08",
            "backspaces write over what stood there",
        ),
        (
            "rm \u{202e}txt.exe",
            "202E",
            "U+202E turns the writing around: the name reads as another",
        ),
        (
            "ok\u{200b}",
            "200B",
            "a zero-width space splits a word for a program and not for a person",
        ),
        (
            "ok\u{2066}",
            "2066",
            "U+2066 is the newer way to turn the writing around",
        ),
        (
            "ok\u{e0041}",
            "E0041",
            "U+E0041 is an invisible A: models read it, people don't",
        ),
    ] {
        let shown = clean(text);
        let mark = format!("<U+{hidden:0>4}>");
        assert!(
            shown.contains(&mark) && !shown.contains(text),
            "{text:?} was shown as {shown:?}: {danger}. Put {mark} in its place"
        );
    }
    assert_eq!(
        clean("one\ntwo"),
        "one\ntwo",
        "a line end is no danger and stays"
    );
    for plain in ["naïve – „quoted“", "日本語 العربية हिन्दी", "🦀"]
    {
        assert_eq!(
            clean(plain),
            plain,
            "{plain} is what people write, and must pass as it is: most of the world doesn't write ASCII"
        );
    }
}
