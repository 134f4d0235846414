//! This step's page, compared with the code that it describes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic in a test is its report"
)]

use mcp_llm::Settings;
use serde_json::Value;

const README: &str = include_str!("../README.md");

/// The rows of the table under a heading: the cells between the bars.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = README.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let table = section.lines().filter(|line| line.starts_with('|')).skip(2);
    table
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().replace('`', ""))
                .collect()
        })
        .collect()
}

#[test]
fn the_table_of_settings_is_what_the_code_has() {
    let Value::Object(settings) = serde_json::to_value(Settings::default()).unwrap() else {
        panic!("no object")
    };
    let shown = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut in_code: Vec<(String, String)> = settings
        .iter()
        .map(|(name, value)| (name.clone(), shown(value)))
        .collect();
    let mut in_page: Vec<(String, String)> = rows("Settings")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    in_code.sort();
    in_page.sort();
    assert_eq!(in_page, in_code);
}

#[test]
fn every_file_to_read_is_there() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for row in rows("Read the code") {
        for file in row[0].split(", ") {
            assert!(here.join(file).exists(), "{file}");
        }
    }
}

#[test]
fn the_tutors_answer_on_the_page_is_a_section_of_the_page_that_it_cites() {
    let (_, after) = README
        .split_once("ask --stats \"What is a tool?\"")
        .unwrap();
    let shown = after
        .split("```text\n")
        .nth(1)
        .unwrap()
        .split("\n\n— ")
        .next()
        .unwrap();
    let glossary = mcp_llm::pages::get("glossary").unwrap();
    assert!(
        glossary.text.contains(&format!("## Tool\n{shown}\n")),
        "{shown}"
    );
}

#[test]
fn the_doctors_words_on_the_page_are_the_doctors_words() {
    let told = include_str!("snapshots/doctor__no_ollama.snap")
        .split("---\n")
        .nth(2)
        .unwrap();
    let told = told.replace("(from OLLAMA_HOST)", "(from the default)");
    assert!(
        README.contains(told.trim_end()),
        "the page should show:\n{told}"
    );
}

#[test]
fn the_scope_in_the_glossary_is_one_that_the_servers_page_has() {
    let glossary = mcp_llm::pages::get("glossary").unwrap().text;
    let section = glossary.split("\n## Scope\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let server = mcp_llm::pages::get("2-server").unwrap().text;
    let scopes: Vec<&str> = section
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.contains(':') && *code != "kind:name:action")
        .collect();
    assert!(scopes.len() >= 2, "{scopes:?}");
    for scope in scopes {
        assert!(server.contains(scope), "2-server/README.md has no {scope}");
    }
}
