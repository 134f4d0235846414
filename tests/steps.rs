//! Each step of the learning path has the same shape, tells the truth about what is to be read, and
//! leads to the next.

use std::{collections::HashSet, fs};

use crate::learning_path::{blocks, pages, root};

/// The steps, in their order.
const STEPS: [&str; 5] = [
    "README.md",
    "1-llm/README.md",
    "2-server/README.md",
    "3-client/README.md",
    "tests/README.md",
];

/// The headings of each step, in their order. What else there is to look up comes after them.
const HEADINGS: [&str; 10] = [
    "You will learn",
    "Minutes",
    "Before you start",
    "Run it",
    "What just happened",
    "Read the code",
    "Change something",
    "Check yourself",
    "In production",
    "Next",
];

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The headings of the second level, outside of code blocks.
fn headings(text: &str) -> Vec<&str> {
    let mut in_code = false;
    text.lines()
        .filter(|line| {
            in_code ^= line.starts_with("```");
            !in_code
        })
        .filter_map(|line| line.strip_prefix("## "))
        .collect()
}

fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let rest = text.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// The rows of the first table in a text, without its head.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn every_step_has_the_same_headings_in_the_same_order() {
    for step in STEPS {
        let text = page(step);
        let found = headings(&text);
        let first = &found[..HEADINGS.len().min(found.len())];
        assert_eq!(first, HEADINGS, "{step}");
        for heading in HEADINGS {
            assert!(
                !section(&text, heading).trim().is_empty(),
                "{step}: nothing under {heading}"
            );
        }
    }
}

#[test]
fn every_step_says_how_long_it_takes() {
    for step in STEPS {
        let text = page(step);
        let digits: String = section(&text, "Minutes")
            .trim()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let minutes: u32 = digits
            .parse()
            .unwrap_or_else(|_| panic!("{step}: no number"));
        assert!((1..=60).contains(&minutes), "{step}: {minutes}");
    }
}

#[test]
fn every_step_begins_with_its_check_and_ends_with_its_own() {
    for (number, step) in STEPS.iter().enumerate() {
        let text = page(step);
        for (heading, command) in [
            ("Before you start", format!("make ready-{number}")),
            ("Check yourself", format!("make check-{number}")),
        ] {
            let shown = blocks(section(&text, heading), "sh");
            let there = shown.iter().any(|block| block.contains(&command));
            assert!(there, "{step}: {heading} doesn't show `{command}`");
        }
        let run = blocks(section(&text, "Run it"), "sh");
        assert!(!run.is_empty(), "{step}: nothing to run");
    }
}

#[test]
fn every_step_asks_and_answers_with_the_code_in_hand() {
    for step in STEPS {
        let text = page(step);
        let section = section(&text, "Check yourself");
        let answers: Vec<&str> = section.split("<details>\n<summary>").skip(1).collect();
        assert!(answers.len() >= 3, "{step}: {} questions", answers.len());
        for answer in answers {
            let (question, rest) = answer.split_once("</summary>\n\n").unwrap();
            let (answer, _) = rest.split_once("\n</details>").unwrap();
            assert!(question.ends_with('?'), "{step}: {question}");
            let links = answer.split("](").skip(1);
            let code = links.filter(|link| link.split(')').next().unwrap().ends_with(".rs"));
            let is_script = answer.contains(".sh)");
            assert!(
                code.count() > 0 || is_script,
                "{step}: no code answers {question}"
            );
        }
    }
}

#[test]
fn every_step_leads_to_the_next() {
    for pair in STEPS.windows(2) {
        let text = page(pair[0]);
        let next = section(&text, "Next");
        let folder = pair[1].split('/').next().unwrap();
        assert!(
            next.contains(&format!("{folder}/README.md)")),
            "{} doesn't lead to {}",
            pair[0],
            pair[1]
        );
    }
}

#[test]
fn every_file_that_a_step_tells_to_read_is_there_and_answers_something() {
    for step in STEPS {
        let text = page(step);
        let folder = root().join(step).parent().unwrap().to_owned();
        let rows = rows(section(&text, "Read the code"));
        assert!(rows.len() >= 6, "{step}: {} rows", rows.len());
        for row in rows {
            assert!(row[1].len() > 6, "{step}: {row:?} says nothing");
            let files: Vec<&str> = row[0].split('`').skip(1).step_by(2).collect();
            assert!(!files.is_empty(), "{step}: {row:?} names no file");
            for file in files {
                assert!(folder.join(file).exists(), "{step}: {file} isn't there");
            }
        }
    }
}

#[test]
fn the_index_of_ideas_names_each_once_with_a_file() {
    let text = page("README.md");
    let rows = rows(section(&text, "Where each idea stands"));
    assert!(rows.len() >= 25, "{}", rows.len());
    let mut seen = HashSet::new();
    for row in &rows {
        assert!(seen.insert(row[0]), "{} stands there twice", row[0]);
        // That the links lead somewhere is what another test looks at.
        assert!(row[2].contains("]("), "{} has no file", row[0]);
        let shown = row[2].split('`').nth(1).unwrap();
        assert!(row[2].contains(&format!("({shown})")), "{row:?}");
    }
}

#[test]
fn what_a_page_shows_of_a_command_is_marked_right() {
    // A marker that is written wrong would never be compared.
    let mut marked = 0;
    for (path, text) in pages() {
        for (place, _) in text.match_indices("<!--") {
            let rest = &text[place..];
            let comment = rest.split("-->").next().unwrap();
            if !comment.contains("output") {
                continue;
            }
            let kinds = [
                "<!-- output: ",
                "<!-- output with server: ",
                "<!-- output with ollama: ",
            ];
            assert!(
                kinds.iter().any(|kind| comment.starts_with(kind)),
                "{}: {comment}",
                path.display()
            );
            let after = rest[comment.len()..].trim_start_matches("-->");
            assert!(
                after.starts_with("\n```text\n") && !after.starts_with("\n```text\n```"),
                "{}: {comment} has no output behind it",
                path.display()
            );
            marked += 1;
        }
    }
    assert!(marked > 40, "{marked}");
}

#[test]
fn the_book_has_every_page_and_no_other() {
    let summary = page("scripts/book/SUMMARY.md");
    let listed: Vec<&str> = summary
        .split("](")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap())
        .collect();
    for (path, _) in pages() {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        assert!(
            listed.contains(&name),
            "scripts/book/SUMMARY.md leaves out {name}"
        );
    }
    for name in listed {
        assert!(
            root().join(name).is_file(),
            "scripts/book/SUMMARY.md lists {name}, which isn't there"
        );
    }
}

#[test]
fn code_on_a_page_is_never_copied_by_hand() {
    // Rust stands in files that are compiled; a copy of it in a page would go stale unseen.
    for (path, text) in pages() {
        assert!(blocks(&text, "rust").is_empty(), "{}", path.display());
    }
}

#[test]
fn the_pages_avoid_what_reads_as_translated() {
    // The field has words for these: start over, notification, requires a scope, audit log, timeout …
    let phrases = [
        " anew",
        "for ever ",
        " is told",
        " are told",
        "word of a change",
        "takes the scope",
        "may they?",
        "time-outs",
        "without a word",
    ];
    for (path, text) in pages() {
        let mut in_code = false;
        for (number, line) in text.lines().enumerate() {
            in_code ^= line.trim_start().starts_with("```");
            // In backticks stands code too.
            let prose: String = line.split('`').step_by(2).collect();
            for phrase in phrases.iter().filter(|_| !in_code) {
                let place = format!("{}:{}", path.display(), number + 1);
                assert!(!prose.contains(phrase), "{place} says {phrase:?}: {line}");
            }
        }
    }
}
