//! The pages, cut into sections that can be quoted.

use crate::pages::Page;

/// A quotation is at most this long; a longer section is cut between paragraphs.
const LONGEST: usize = 1_200;

/// A part of a page under one heading.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    pub(super) page: &'static Page,
    /// The headings that lead here, outermost first.
    pub(super) headings: Vec<String>,
    pub(super) text: String,
}

impl Passage {
    /// The heading that it stands under.
    pub(super) fn heading(&self) -> &str {
        self.headings.last().map_or("", String::as_str)
    }

    /// All headings, for the search.
    pub(super) fn trail(&self) -> String {
        self.headings.join(" ")
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
pub(super) fn of(page: &'static Page) -> Vec<Passage> {
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
        } else if trimmed.is_empty() {
            blocks.push(std::mem::take(&mut block));
        } else if !trimmed.starts_with("<!--") {
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
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ')?.trim();
    (1..=6)
        .contains(&level)
        .then(|| (level, title.trim_end_matches('#').trim().replace('`', "")))
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
    let mut text = String::new();
    let mut emit = |text: &mut String| {
        if !text.is_empty() {
            out.push(Passage {
                page,
                headings: headings.clone(),
                text: std::mem::take(text),
            });
        }
    };
    for block in blocks.drain(..).filter(|block| !block.is_empty()) {
        if !text.is_empty() && text.len() + block.len() > LONGEST {
            emit(&mut text);
        }
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&block);
    }
    emit(&mut text);
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
        of(page)
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
    fn a_hash_inside_code_is_no_heading_and_a_diagram_is_left_out() {
        let found =
            passages("# A\n```sh\n# a comment\n\nmake run\n```\n```mermaid\ngraph LR\n```\nafter");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text, "```sh\n# a comment\n\nmake run\n```\nafter");
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
