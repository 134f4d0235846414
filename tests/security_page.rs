//! `SECURITY.md` names files and tests. Each of them exists, and each control names both.

use std::{collections::HashMap, fs, path::Path};

/// What stands between backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn each_file_and_test_that_the_security_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut texts = HashMap::new();
    let mut read = |path: &str| {
        let text = || {
            fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        texts.entry(path.to_owned()).or_insert_with(text).clone()
    };
    let mut tests = 0;
    for line in page.lines() {
        if let Some(files) = line.strip_prefix("- File: ") {
            assert!(quoted(files).count() > 0, "{line}");
            quoted(files).for_each(|path| drop(read(path)));
        } else if let Some(test) = line.strip_prefix("- Test: ") {
            let [path, name] = quoted(test).collect::<Vec<_>>()[..] else {
                panic!("a file and a test: {line}");
            };
            assert!(
                read(path).contains(&format!("fn {name}(")),
                "{path} has no test {name}"
            );
            tests += 1;
        }
    }
    assert!(tests > 30, "{tests}");
}

#[test]
fn each_control_says_what_stops_what_doesnt_who_does_it_and_who_shows_it() {
    let page = include_str!("../SECURITY.md");
    let controls = page.split("## The controls").nth(1).unwrap();
    let controls = controls.split("\n## ").next().unwrap();
    for control in controls.split("\n### ").skip(1) {
        let name = control.lines().next().unwrap();
        let parts = ["\n- File: ", "\n- Test: "].into_iter();
        let more = ["\n- Stops: ", "\n- Doesn't stop: "].into_iter();
        let is_summary = name == "All of it at once";
        for part in parts.chain(more.filter(|_| !is_summary)) {
            assert!(control.contains(part), "{name}: {part}");
        }
    }
}
