//! Which crate and module may use which. The tree is the architecture, and this keeps it so.

use std::{fs, path::Path};

/// Every Rust file below a folder, with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((
                    path.display().to_string(),
                    fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    walk(&root.join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} is empty");
    found
}

/// No line of code below `folder` names any of these, except in a file that is excused.
fn never(folder: &str, names: &[&str], excused: &[&str]) {
    for (path, text) in sources(folder) {
        if excused.iter().any(|file| path.ends_with(file)) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for name in names {
                assert!(
                    !code.contains(name),
                    "{path}:{}: {folder} must not use {name}",
                    number + 1
                );
            }
        }
    }
}

#[test]
fn the_language_model_crate_knows_no_protocol_and_no_screen() {
    never("1-llm/src", &["rmcp", "axum", "ratatui"], &[]);
}

#[test]
fn the_interceptor_knows_no_tool_and_no_web_framework() {
    never(
        "2-server/src/interceptor",
        &[
            "axum",
            "crate::features",
            "crate::transport",
            "crate::config",
            "crate::operations",
        ],
        &[],
    );
    never(
        "2-server/src/interceptor",
        &["http::"],
        &["denial.rs", "exchange.rs", "authenticate.rs"],
    );
}

#[test]
fn tools_know_no_transport() {
    never("2-server/src/features/tools", &["transport", "axum"], &[]);
}

#[test]
fn the_client_knows_neither_other_crate() {
    never("3-client/src", &["mcp_llm", "mcp_server"], &[]);
    let manifest = include_str!("../3-client/Cargo.toml");
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
    assert!(!dependencies.contains("mcp-llm") && !dependencies.contains("mcp-server"));
}
