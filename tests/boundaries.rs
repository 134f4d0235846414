//! Which crate and module may use which. The tree is the architecture, and this keeps it so: what isn't
//! listed here is an error, also a folder that nobody has thought about.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{learning_path::root, support::sources::Sources};

/// What one folder of a crate (or one file beside its root) may use.
struct May {
    folder: &'static str,
    /// Other folders of the same crate.
    ours: &'static [&'static str],
    /// Other crates; those that aren't limited here may use all that the manifest names.
    crates: Crates,
}

enum Crates {
    All,
    Only(&'static [&'static str]),
}

use Crates::{All, Only};

/// Step 2, in the order of its `lib.rs`.
const SERVER: &[May] = &[
    May {
        folder: "transport",
        ours: &["interceptor"],
        crates: Only(&[
            "axum",
            "bytes",
            "futures_util",
            "getrandom",
            "hex",
            "http",
            "http_body",
            "hyper",
            "hyper_util",
            "ipnet",
            "rmcp",
            "rustls",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tokio_io_timeout",
            "tokio_rustls",
            "tokio_util",
            "tower",
            "tracing",
            "url",
        ]),
    },
    // It stands in front of any handler and behind any transport, so it knows none of them: no
    // folder of this crate, no web framework.
    May {
        folder: "interceptor",
        ours: &[],
        crates: Only(&[
            "async_trait",
            "bytes",
            "chrono",
            "futures_util",
            "getrandom",
            "governor",
            "hex",
            "http",
            "ipnet",
            "rmcp",
            "serde",
            "serde_json",
            "sha2",
            "subtle",
            "thiserror",
            "tokio",
            "tokio_util",
            "toml",
            "tower",
            "tracing",
        ]),
    },
    May {
        folder: "features",
        ours: &["config", "interceptor", "outbound"],
        crates: Only(&[
            "anyhow",
            "futures_util",
            "mcp_llm",
            "percent_encoding",
            "reqwest",
            "rmcp",
            "schemars",
            "serde",
            "serde_json",
            "serde_path_to_error",
            "thiserror",
            "tokio",
            "tracing",
            "url",
        ]),
    },
    May {
        folder: "operations",
        ours: &["config", "interceptor", "transport"],
        crates: All,
    },
    May {
        folder: "app",
        ours: &["config", "features", "interceptor", "operations"],
        crates: All,
    },
    May {
        folder: "cli",
        ours: &[
            "app",
            "config",
            "features",
            "interceptor",
            "operations",
            "transport",
        ],
        crates: All,
    },
    May {
        folder: "config",
        ours: &["interceptor", "transport"],
        crates: All,
    },
    May {
        folder: "outbound",
        ours: &[],
        crates: Only(&["reqwest", "rustls", "url"]),
    },
    May {
        folder: "lab",
        ours: &["app", "config", "features", "interceptor", "transport"],
        crates: All,
    },
];

/// What is so today and shouldn't be: a folder, and what it uses. This list only shrinks.
const KNOWN: &[(&str, &str)] = &[];

/// All that step 1 may use: a language model's crate knows no protocol and no screen.
const LLM: &[&str] = &[
    "anstream",
    "anstyle",
    "async_stream",
    "async_trait",
    "bytes",
    "clap",
    "futures_util",
    "indicatif",
    "memchr",
    "reqwest",
    "rust_stemmers",
    "rustls",
    "schemars",
    "serde",
    "serde_json",
    "sse_stream",
    "thiserror",
    "tokio",
    "tracing",
    "tracing_subscriber",
    "url",
];

fn manifest(folder: &str) -> toml::Table {
    let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    text.parse().unwrap()
}

/// The crates that a package may use outside of its tests, as the code names them.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = manifest(folder);
    let names = manifest["dependencies"].as_table().unwrap().keys();
    names.map(|name| name.replace('-', "_")).collect()
}

/// The folder of a crate that a file belongs to, or the file's own name.
fn folder(file: &Path) -> &str {
    let first = file.components().next().unwrap().as_os_str();
    first.to_str().unwrap().trim_end_matches(".rs")
}

#[test]
fn each_folder_of_the_server_uses_only_what_it_may() {
    let sources = Sources::read(&root().join("2-server/src/lib.rs"));
    let mut wrong = Vec::new();
    let mut known = BTreeSet::from_iter(KNOWN);
    for file in sources.files() {
        let name = folder(&file);
        if name != "lib" && !SERVER.iter().any(|may| may.folder == name) {
            wrong.push(format!(
                "{name} isn't listed: say in tests/boundaries.rs what it may use"
            ));
        }
    }
    let may = |name: &str| SERVER.iter().find(|may| may.folder == name);
    let mut seen = 0;
    let uses = sources.uses();
    for one in &uses {
        let (from, to) = (folder(&one.from), folder(&one.to));
        let Some(may) = may(from).filter(|_| from != to) else {
            continue;
        };
        seen += 1;
        if may.ours.contains(&to) || KNOWN.contains(&(from, to)) {
            known.remove(&(from, to));
        } else {
            let (file, line) = (one.from.display(), one.line);
            wrong.push(format!(
                "2-server/src/{file}:{line}: {from} must not use {to} ({})",
                one.what
            ));
        }
    }
    for (file, line, used) in sources.uses_of_crates(&dependencies("2-server")) {
        seen += 1;
        let from = folder(&file);
        if let Some(Only(allowed)) = may(from).map(|may| &may.crates)
            && !allowed.contains(&used.as_str())
        {
            wrong.push(format!(
                "2-server/src/{}:{line}: {from} must not use the crate {used}",
                file.display()
            ));
        }
    }
    for (from, to) in known {
        wrong.push(format!(
            "{from} doesn't use {to} any more: take it out of KNOWN in tests/boundaries.rs"
        ));
    }
    assert!(seen > 200, "only {seen} uses were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_language_model_crate_knows_no_protocol_and_no_screen() {
    let allowed: BTreeSet<String> = LLM.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(dependencies("1-llm"), allowed);
}

#[test]
fn the_client_knows_neither_other_crate() {
    let client = dependencies("3-client");
    assert!(client.contains("rmcp"));
    assert!(!client.contains("mcp_llm") && !client.contains("mcp_server"));
}

#[test]
fn the_workspace_is_three_crates() {
    let members = manifest("")["workspace"]["members"].clone();
    let three = toml::Value::Array(["1-llm", "2-server", "3-client"].map(Into::into).to_vec());
    assert_eq!(members, three);
}
