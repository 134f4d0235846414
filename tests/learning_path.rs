//! What the pages say is true: their paths exist, their commands too, their messages are answered
//! as they tell, and the settings that they show are the settings that there are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mcp_server::{
    config::Config,
    interceptor::{KeyStore, keys::KeysFile},
};
use serde_json::Value;

use crate::support::Server;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every page of the learning path: those with a fixed name, the chapters and the exercises.
pub(crate) fn pages() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = [
        "README.md",
        "SECURITY.md",
        "1-llm/README.md",
        "2-server/README.md",
        "2-server/what-changed.md",
        "3-client/README.md",
        "tests/README.md",
    ]
    .iter()
    .map(|name| root().join(name))
    .collect();
    for folder in [
        "1-llm/exercises",
        "2-server/defences",
        "2-server/exercises",
        "3-client/exercises",
    ] {
        let mut more: Vec<PathBuf> = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
            .collect();
        more.sort();
        paths.append(&mut more);
    }
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// What a heading is linked by, as GitHub and the book make it.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The fenced blocks of a page with this language.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(opened) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if opened == language {
                found.push(body.join("\n"));
            }
        }
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    for (page, text) in pages() {
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.starts_with("http") {
                continue;
            }
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            assert!(path.exists(), "{}: {target} isn't there", page.display());
            if !place.is_empty() {
                let there = fs::read_to_string(&path).unwrap().lines().any(|line| {
                    line.starts_with('#') && anchor(line.trim_start_matches('#')) == place
                });
                assert!(there, "{}: {target} has no such heading", page.display());
            }
        }
    }
}

#[test]
fn every_make_target_that_a_page_names_exists_and_is_explained() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut named = 0;
    for (page, text) in pages() {
        let commands = text
            .split("`make ")
            .skip(1)
            .chain(text.split("$ make ").skip(1))
            .chain(text.split("\nmake ").skip(1));
        for rest in commands {
            let target: String = rest
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
                .collect();
            let explained = makefile
                .lines()
                .any(|line| line.starts_with(&format!("{target}:")) && line.contains("## "));
            assert!(
                target.is_empty() || explained,
                "{}: `make {target}` is no target with a help line",
                page.display()
            );
            named += 1;
        }
    }
    assert!(named > 5, "the pages name commands");
}

/// Where something that `shown` says isn't so in `real`, which may hold more. A shown list may be the
/// beginning of the real one.
fn difference(shown: &Value, real: &Value, place: &str) -> Option<String> {
    match (shown, real) {
        (Value::Object(shown), Value::Object(real)) => shown.iter().find_map(|(key, value)| {
            let place = format!("{place}.{key}");
            match real.get(key) {
                Some(real) => difference(value, real, &place),
                None => Some(format!("{place} is on the page, and not in the answer")),
            }
        }),
        (Value::Array(shown), Value::Array(real)) if shown.len() <= real.len() => {
            let mut pairs = shown.iter().zip(real).enumerate();
            pairs.find_map(|(at, (shown, real))| difference(shown, real, &format!("{place}[{at}]")))
        }
        _ if shown == real => None,
        _ => Some(format!(
            "{place}: the page shows {shown}, and the server says {real}"
        )),
    }
}

/// That an answer is what a page shows; or else which field isn't.
fn assert_says(page: &str, request: &Value, shown: &Value, real: &Value) {
    if let Some(difference) = difference(shown, real, "") {
        let method = &request["method"];
        panic!("{page}, in the answer to {method}: {difference}");
    }
    // A message may be shortened, but not by what the protocol requires.
    let required: &[&str] = match request["method"].as_str().unwrap() {
        "server/discover" => &[
            "resultType",
            "ttlMs",
            "cacheScope",
            "supportedVersions",
            "capabilities",
        ],
        "initialize" => &["protocolVersion", "capabilities", "serverInfo"],
        "tools/list" => &["resultType", "ttlMs", "cacheScope", "tools"],
        _ => &["content"],
    };
    for field in required {
        assert!(
            !shown["result"][field].is_null(),
            "{page} leaves out {field}, which is required: {shown}"
        );
    }
    let info = "io.modelcontextprotocol/serverInfo";
    for server in [
        &shown["result"]["serverInfo"],
        &shown["result"]["_meta"][info],
    ] {
        let is_whole = server["name"].is_string() && server["version"].is_string();
        assert!(
            server.is_null() || is_whole,
            "{page}: a server has a name and a version: {server}"
        );
    }
}

#[test]
fn a_difference_names_the_field() {
    let shown = serde_json::json!({ "a": { "b": [1, 2] } });
    let more = serde_json::json!({ "a": { "b": [1, 2, 3], "c": 0 } });
    assert_eq!(difference(&shown, &more, ""), None);
    let other = serde_json::json!({ "a": { "b": [1, 5] } });
    let found = difference(&shown, &other, "").unwrap();
    assert_eq!(found, ".a.b[1]: the page shows 2, and the server says 5");
    assert!(
        difference(&more, &shown, "").is_some(),
        "what isn't there is a difference"
    );
}

#[tokio::test]
async fn every_message_in_the_readme_is_answered_as_it_tells() {
    let server = Server::local().await;
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let messages: Vec<Value> = blocks(&text, "json")
        .iter()
        .map(|block| serde_json::from_str(block).unwrap())
        .collect();
    assert!(messages.len() >= 4, "requests and their answers");
    for pair in messages.chunks(2) {
        let [request, shown] = pair else {
            panic!("a request without an answer: {pair:?}")
        };
        let answer = server.anonymous().send(request.clone()).await;
        assert_says("README.md", request, shown, answer.messages.last().unwrap());
    }
}

#[test]
fn the_settings_file_shows_every_setting_with_its_default() {
    let path = root().join("config/server.toml");
    let nothing = std::iter::empty();
    assert_eq!(
        Config::load(Some(&path), nothing).unwrap(),
        Config::default(),
        "config/server.toml differs from the defaults"
    );

    // What is commented out is still named right, and with it every setting there is is shown.
    let text = fs::read_to_string(&path).unwrap();
    let uncommented: String = text
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| rest.contains(" = ") || rest.starts_with('['))
                .unwrap_or(line)
                .to_owned()
                + "\n"
        })
        .collect();
    let shown: toml::Table = uncommented.parse().unwrap();
    let _: Config = shown.clone().try_into().unwrap();
    let all: toml::Table = toml::Table::try_from(Config::default()).unwrap();
    for (section, settings) in all.iter().filter(|(section, _)| *section != "roles") {
        for key in settings.as_table().unwrap().keys() {
            let there = shown
                .get(section)
                .and_then(|settings| settings.get(key))
                .is_some();
            assert!(there, "config/server.toml doesn't show {section}.{key}");
        }
    }
}

#[test]
fn the_example_keys_file_is_a_keys_file() {
    let path = root().join("config/keys.example.toml");
    assert_eq!(KeysFile::read(&path).unwrap().keys.len(), 2);
    assert_eq!(
        KeyStore::open(&path, Config::default().roles)
            .unwrap()
            .len(),
        2
    );
}

/// The messages between two places of a page.
fn messages_between(text: &str, from: &str, to: &str) -> Vec<Value> {
    let text = text.split(from).nth(1).unwrap().split(to).next().unwrap();
    let blocks = blocks(text, "json");
    blocks
        .iter()
        .map(|block| serde_json::from_str(block).unwrap())
        .collect()
}

#[tokio::test]
async fn both_lifecycles_of_step_2_are_answered_as_it_tells() {
    let server = Server::start(|config| config.auth.keys_file = None).await;
    let text = fs::read_to_string(root().join("2-server/README.md")).unwrap();
    let client = server.anonymous();

    let page = "2-server/README.md";
    let session = messages_between(&text, "**With a session", "**Without one");
    let [hello, greeted, ready, call, called] = &session[..] else {
        panic!("a handshake and a call: {session:?}");
    };
    let answer = client.send(hello.clone()).await;
    assert_says(page, hello, greeted, &answer.messages[0]);
    client.join(answer.header("mcp-session-id"), "2025-11-25");
    assert_eq!(client.send(ready.clone()).await.status, 202);
    let answer = client.send(call.clone()).await;
    assert_says(page, call, called, answer.messages.last().unwrap());

    let stateless = messages_between(&text, "**Without one", "Over HTTP the new version");
    assert_eq!(stateless.len(), 4, "a call and a question: {stateless:?}");
    for pair in stateless.chunks(2) {
        let answer = server.anonymous().send(pair[0].clone()).await;
        assert_says(page, &pair[0], &pair[1], answer.messages.last().unwrap());
    }
}

#[test]
fn the_settings_table_of_step_2_is_the_settings_that_there_are() {
    let text = fs::read_to_string(root().join("2-server/README.md")).unwrap();
    let shown: std::collections::BTreeMap<String, String> = text
        .split("## Settings")
        .nth(1)
        .unwrap()
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let name = cells.next()?.trim_end_matches('`').to_owned();
            Some((name, cells.next()?.trim_matches('`').to_owned()))
        })
        .collect();
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let mut real = std::collections::BTreeMap::new();
    for section in defaults
        .keys()
        .filter(|name| !matches!(name.as_str(), "roles" | "llm"))
    {
        // What serde says of a setting that isn't one names all that are.
        let error = toml::from_str::<Config>(&format!("[{section}]\nno-such = 1")).unwrap_err();
        let known = error.message().split("expected").nth(1).unwrap().to_owned();
        for name in known.split('`').skip(1).step_by(2) {
            let default = defaults[section].get(name);
            let default = default.map_or_else(|| "none".to_owned(), toml::Value::to_string);
            real.insert(format!("{section}.{name}"), default);
        }
    }
    assert_eq!(shown, real);
}
