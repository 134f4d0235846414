//! Each control of SECURITY.md has a chapter, in the same order, and each chapter shows the same
//! control's attack without it and with it.

use std::fs;

use crate::learning_path::root;

const FOLDER: &str = "2-server/defences";

/// A control of SECURITY.md: its name, its chapter and its files.
struct Control {
    name: String,
    chapter: String,
    files: Vec<String>,
}

fn controls() -> Vec<Control> {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let controls = page.split("## The controls").nth(1).unwrap();
    let controls = controls.split("\n## ").next().unwrap();
    controls
        .split("\n### ")
        .skip(1)
        .map(|control| {
            let line = |start: &str| {
                let found = control.lines().find(|line| line.starts_with(start));
                found.unwrap_or_else(|| panic!("no {start} in {control}"))
            };
            let link = line("- Chapter: ").split("](").nth(1).unwrap();
            Control {
                name: control.lines().next().unwrap().to_owned(),
                chapter: link.trim_end_matches(')').to_owned(),
                files: line("- File: ")
                    .split('`')
                    .skip(1)
                    .step_by(2)
                    .map(str::to_owned)
                    .collect(),
            }
        })
        .collect()
}

/// The chapters that there are, in their order.
fn chapters() -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(root().join(FOLDER))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md") && name != "README.md")
        .map(|name| format!("{FOLDER}/{name}"))
        .collect();
    found.sort();
    found
}

#[test]
fn every_control_has_its_chapter_and_every_chapter_its_control() {
    let mut named: Vec<Control> = controls();
    let summary = named.pop().unwrap();
    assert_eq!(summary.name, "All of it at once");
    assert_eq!(summary.chapter, format!("{FOLDER}/README.md"));
    let named: Vec<String> = named.into_iter().map(|control| control.chapter).collect();
    assert_eq!(named, chapters());
    assert!(named.len() >= 19);
}

#[test]
fn every_chapter_shows_the_attack_both_ways_and_the_code_between() {
    let overview = fs::read_to_string(root().join(FOLDER).join("README.md")).unwrap();
    let chapters = chapters();
    for (number, (control, chapter)) in controls().iter().zip(&chapters).enumerate() {
        let text = fs::read_to_string(root().join(chapter)).unwrap();
        let title = format!("# Defence {}: {}\n", number + 1, control.name);
        assert!(text.starts_with(&title), "{chapter} should begin: {title}");
        let parts: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        let expected = [
            "The attack",
            "Without the control",
            "With it",
            "The code that does it",
            "What it doesn't stop",
            "Change something",
            "Next",
        ];
        assert_eq!(parts, expected, "{chapter}");
        let part = |name: &str| {
            let rest = text.split(&format!("\n## {name}\n")).nth(1).unwrap();
            rest.split("\n## ").next().unwrap().to_owned()
        };
        assert!(
            part("Without the control").contains("<!-- output: make attack DEFENCE="),
            "{chapter}"
        );
        assert!(
            part("With it").contains("<!-- output: make attack ONLY="),
            "{chapter}"
        );
        for file in &control.files {
            assert!(
                part("The code that does it").contains(&format!("(../../{file})")),
                "{chapter} leaves out {file}"
            );
        }
        let file = chapter.rsplit('/').next().unwrap();
        assert!(
            overview.contains(&format!("({file})")),
            "{file} isn't in the overview"
        );
        if let Some(next) = chapters.get(number + 1) {
            let next = next.rsplit('/').next().unwrap();
            assert!(part("Next").contains(&format!("({next})")), "{chapter}");
        }
    }
}

#[test]
fn an_attack_succeeds_without_the_control_and_fails_with_it() {
    // What the pages show is what was printed; another check compares that. Here: that it is the
    // right way round.
    for chapter in chapters() {
        let text = fs::read_to_string(root().join(&chapter)).unwrap();
        let (without, with) = text.split_once("\n## With it\n").unwrap();
        let with = with.split("\n## ").next().unwrap();
        if without.contains("Attacking http") {
            assert!(without.contains("\nBROKEN "), "{chapter}");
            assert!(
                with.contains("\nheld ") && !with.contains("BROKEN"),
                "{chapter}"
            );
        } else {
            assert_ne!(
                without.split("```text").last(),
                with.split("```text").last(),
                "{chapter}"
            );
        }
    }
}
