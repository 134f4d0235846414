//! Where the specification is cited, that place exists: each citation is held against a pinned list of
//! the specification's pages and of the headings in each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::learning_path::{pages, root};

/// The pages, each with the places in it.
fn list() -> BTreeMap<String, BTreeSet<String>> {
    let text = include_str!("specification.txt");
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            (words.next().unwrap(), words.collect())
        })
        .collect()
}

/// The citations in a text: `2026-07-28/server/tools#calling-tools`, alone or at the end of a link.
fn citations(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '#' | '.');
    text.split(|c: char| !is_part(c))
        .filter_map(|word| {
            let word = word
                .split_once("modelcontextprotocol.io/")
                .map_or(word, |(_, rest)| rest);
            let word = word.strip_prefix("specification/").unwrap_or(word);
            let version = word.strip_prefix("docs/").unwrap_or(word).get(..11)?;
            let is_version = version.starts_with("20")
                && version.ends_with('/')
                && version.matches('-').count() == 2;
            is_version.then(|| word.trim_end_matches(['.', '/']).to_owned())
        })
        .collect()
}

/// The pages, and the files of code that cite.
fn texts() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    let mut found = pages();
    for folder in ["1-llm", "2-server", "3-client"] {
        for part in ["src", "exercises"] {
            walk(&root().join(folder).join(part), &mut found);
        }
    }
    found
}

#[test]
fn every_place_of_the_specification_that_is_cited_exists() {
    let list = list();
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for (path, text) in texts() {
        let path = path.strip_prefix(root()).unwrap().display().to_string();
        for cited in citations(&text) {
            let (page, place) = cited.split_once('#').unwrap_or((&cited, ""));
            let places = list.get(page);
            assert!(
                places.is_some_and(|places| place.is_empty() || places.contains(place)),
                "{path} cites {cited}, which isn't in tests/specification.txt"
            );
            *counted.entry(path.clone()).or_default() += 1;
        }
    }
    // What must cite does.
    for (file, least) in [
        ("3-client/src/wire/explain.rs", 40),
        ("3-client/src/lab/handshake.rs", 6),
        ("2-server/exercises/README.md", 7),
        ("README.md", 3),
    ] {
        let found = counted.get(file).copied().unwrap_or_default();
        assert!(
            found >= least,
            "{file} cites {found} places, and {least} were expected"
        );
    }
}

#[test]
fn a_citation_is_found_in_each_form() {
    let text = "see `2026-07-28/server/tools#tool`, (https://modelcontextprotocol.io/specification/2025-11-25/basic). \
                <https://modelcontextprotocol.io/docs/2026-07-28/a_b#c>; 2026-07-28, and 2026-07-28 alone";
    let expected = [
        "2026-07-28/server/tools#tool",
        "2025-11-25/basic",
        "docs/2026-07-28/a_b#c",
    ];
    assert_eq!(citations(text), expected);
}
