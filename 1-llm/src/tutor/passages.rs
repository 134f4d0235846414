//! The pages, cut into sections that can be quoted.

use crate::pages::Page;

/// A quotation is at most this long; a longer section is cut between paragraphs.
const LONGEST: usize = 800;

/// A part of a page under one heading.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    pub(super) page: &'static Page,
    /// The headings that lead here, outermost first.
    pub(super) headings: Vec<String>,
    pub(super) text: String,
    // The paragraphs, items and code blocks that make up the text.
    blocks: Vec<String>,
}

impl Passage {
    /// The heading right above the text.
    pub(super) fn heading(&self) -> &str {
        self.headings.last().map_or("", String::as_str)
    }

    /// All headings, for the search.
    pub(super) fn trail(&self) -> String {
        self.headings.join(" ")
    }

    /// The part of the text that a question is about: of several paragraphs or items those for
    /// which `about` holds, each with the code or the table that it introduces; all of it when none does.
    pub(super) fn quote(&self, about: impl Fn(&str) -> bool) -> String {
        // Code or a table: a sentence that ends in a colon introduces it.
        let is_shown = |block: &String| block.starts_with("```") || block.starts_with('|');
        let mut kept: Vec<&String> = Vec::new();
        for (at, block) in self.blocks.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| self.blocks.get(at));
            // Code or a table, and the sentence that introduces it, are quoted together.
            let mates = match self.blocks.get(at + 1) {
                Some(shown) if block.ends_with(':') && is_shown(shown) => Some(shown),
                _ => before.filter(|words| is_shown(block) && words.ends_with(':')),
            };
            if about(block) || mates.is_some_and(|mate| about(mate)) {
                kept.push(block);
            }
        }
        if kept.iter().all(|block| is_shown(block)) {
            self.text.clone()
        } else {
            joined(kept.into_iter())
        }
    }

    /// File and heading, as a reader looks them up.
    pub(super) fn citation(&self) -> String {
        match self.heading() {
            "" => self.page.file.to_owned(),
            heading => format!("{}, “{heading}”", self.page.file),
        }
    }
}

/// Cuts one page. Code stays with the words around it; diagrams and comments are left out,
/// because quoted in a terminal they say nothing.
pub(super) fn cut(page: &'static Page) -> Vec<Passage> {
    let mut out = Vec::new();
    let mut headings: Vec<(usize, String)> = Vec::new();
    let mut blocks: Vec<String> = Vec::new();
    let mut block = String::new();
    let mut fence: Option<Fence> = None;
    for line in page.text.lines() {
        let trimmed = line.trim_start();
        if let Some(open) = &fence {
            let closes = trimmed.starts_with(open.mark)
                && trimmed.trim_end().trim_start_matches(open.mark).is_empty();
            if !open.hidden {
                push_line(&mut block, line);
            }
            if closes {
                fence = None;
            }
        } else if let Some(open) = Fence::opened_by(trimmed) {
            if !open.hidden {
                push_line(&mut block, line);
            }
            fence = Some(open);
        } else if let Some((level, title)) = heading(line) {
            blocks.push(std::mem::take(&mut block));
            flush(page, &headings, &mut blocks, &mut out);
            headings.retain(|(above, _)| *above < level);
            headings.push((level, title));
        } else if trimmed.is_empty() || is_item(line) {
            blocks.push(std::mem::take(&mut block));
            push_line(&mut block, line.trim_end());
        } else if continues(&block, trimmed) {
            block.push(' ');
            block.push_str(trimmed);
        } else if !["<!--", "<details", "</details"]
            .iter()
            .any(|tag| trimmed.starts_with(tag))
        {
            push_line(&mut block, line);
        }
    }
    blocks.push(block);
    flush(page, &headings, &mut blocks, &mut out);
    out
}

/// An open code block.
struct Fence {
    mark: &'static str,
    hidden: bool,
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| line.starts_with(mark))?;
        let language = line.trim_start_matches(mark).trim();
        Some(Self {
            mark,
            hidden: language.starts_with("mermaid"),
        })
    }
}

fn heading(line: &str) -> Option<(usize, String)> {
    // A question whose answer is folded.
    let folded = line.strip_prefix("<summary>");
    if let Some(question) = folded.and_then(|rest| rest.strip_suffix("</summary>")) {
        return Some((6, question.to_owned()));
    }
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ')?.trim();
    (1..=6)
        .contains(&level)
        .then(|| (level, title.trim_end_matches('#').trim().replace('`', "")))
}

/// Whether a line begins an item of a list, on the outermost level: each is a thing of its own.
fn is_item(line: &str) -> bool {
    let numbered = line
        .split_once(". ")
        .is_some_and(|(n, _)| n.parse::<u8>().is_ok());
    numbered || line.starts_with("- ") || line.starts_with("* ")
}

/// Whether a line continues the sentence before it. Pages are folded for an editor; a quotation is
/// folded for its reader.
fn continues(block: &str, line: &str) -> bool {
    let stands_alone = |line: &str| {
        line.starts_with(['|', '>', '<']) || line.starts_with("```") || line.starts_with("~~~")
    };
    let last = block.lines().next_back().unwrap_or_default();
    !last.is_empty()
        && !last.ends_with("  ")
        && !stands_alone(last.trim_start())
        && !stands_alone(line)
        && !is_item(line)
}

fn push_line(block: &mut String, line: &str) {
    if !block.is_empty() {
        block.push('\n');
    }
    block.push_str(line);
}

/// Gathers the paragraphs of a section into passages that aren't too long to quote.
fn flush(
    page: &'static Page,
    headings: &[(usize, String)],
    blocks: &mut Vec<String>,
    out: &mut Vec<Passage>,
) {
    let headings: Vec<String> = headings.iter().map(|(_, title)| title.clone()).collect();
    let mut gathered: Vec<String> = Vec::new();
    let mut emit = |blocks: Vec<String>| {
        // A number alone, as under "Minutes", answers no question.
        let says_something = |block: &String| block.contains(char::is_alphabetic);
        if blocks.iter().any(says_something) {
            out.push(Passage {
                page,
                headings: headings.clone(),
                text: joined(blocks.iter()),
                blocks,
            });
        }
    };
    let mut length = 0;
    for block in blocks.drain(..).filter(|block| !block.is_empty()) {
        if length + block.len() > LONGEST {
            emit(std::mem::take(&mut gathered));
            length = 0;
        }
        length += block.len();
        gathered.push(block);
    }
    emit(gathered);
}

/// Blocks as they stood on the page: items close together, paragraphs apart.
fn joined<'a>(blocks: impl Iterator<Item = &'a String>) -> String {
    let mut text = String::new();
    for block in blocks {
        if !text.is_empty() {
            text.push_str(if is_item(block) { "\n" } else { "\n\n" });
        }
        text.push_str(block);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passages(text: &'static str) -> Vec<Passage> {
        let page: &'static Page = Box::leak(Box::new(Page {
            name: "p",
            file: "p.md",
            text,
        }));
        cut(page)
    }

    #[test]
    fn a_passage_carries_the_headings_that_lead_to_it() {
        let found = passages("intro\n# Top\nfirst\n## Inner\nsecond\n# `Other`\nthird\n## Empty\n");
        let shown: Vec<_> = found.iter().map(|p| (p.trail(), p.text.as_str())).collect();
        let expect = [
            ("", "intro"),
            ("Top", "first"),
            ("Top Inner", "second"),
            ("Other", "third"),
        ];
        assert_eq!(shown, expect.map(|(trail, text)| (trail.to_owned(), text)));
        assert_eq!(found[2].citation(), "p.md, “Inner”");
    }

    #[test]
    fn a_number_alone_answers_nothing() {
        let found = passages("# Top\nfirst\n## Minutes\n\n25.\n\n## Next\nlast\n");
        let shown: Vec<_> = found.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(shown, ["first", "last"]);
    }

    #[test]
    fn a_hash_inside_code_is_no_heading_and_a_diagram_is_left_out() {
        let found =
            passages("# A\n```sh\n# a comment\n\nmake run\n```\n```mermaid\ngraph LR\n```\nafter");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text, "```sh\n# a comment\n\nmake run\n```\nafter");
    }

    #[test]
    fn a_quotation_keeps_what_is_asked_about_and_the_code_that_it_introduces() {
        let found =
            passages("# A\nAbout cats.\n\nAbout dogs:\n\n```sh\nbark\n```\n\n- a bird\n- a fish\n");
        let quote = |word: &str| found[0].quote(|block| block.contains(word));
        assert_eq!(quote("cats"), "About cats.");
        assert_eq!(quote("dogs"), "About dogs:\n\n```sh\nbark\n```");
        assert_eq!(quote("fish"), "- a fish");
        assert_eq!(quote("bark"), quote("dogs"));
        assert_eq!(quote("horse"), found[0].text);
    }

    #[test]
    fn folded_sentences_are_whole_and_what_has_lines_keeps_them() {
        let found = passages(
            "# A\nOne sentence\nin two lines.  \nA verse.\n\n- an item\n  that goes on\n  - and one inside\n\nThe table:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nAfter it.\n",
        );
        let text = "One sentence in two lines.  \nA verse.\n- an item that goes on\n  - and one inside\n\nThe table:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nAfter it.";
        assert_eq!(found[0].text, text);
        let quote = found[0].quote(|block| block.contains("table"));
        assert_eq!(quote, "The table:\n\n| a | b |\n|---|---|\n| 1 | 2 |");
    }

    #[test]
    fn a_long_section_is_cut_between_paragraphs() {
        let paragraph = "word ".repeat(100);
        let text: &'static str =
            Box::leak(format!("# A\n{}", format!("{paragraph}\n\n").repeat(5)).into_boxed_str());
        let found = passages(text);
        assert!(
            found.len() > 1
                && found
                    .iter()
                    .all(|p| p.text.len() <= LONGEST && p.heading() == "A")
        );
    }
}
