//! Connecting a host: its own file gets one entry, keeps everything else, and gets it back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// Every host: its name, where its file is in a home on Linux, a file as people have it, and the
/// key under which its servers are.
const HOSTS: [(&str, &str, &str, &str); 5] = [
    (
        "claude-desktop",
        ".config/Claude/claude_desktop_config.json",
        include_str!("hosts/claude_desktop_config.json"),
        "mcpServers",
    ),
    (
        "claude-code",
        ".claude.json",
        include_str!("hosts/claude.json"),
        "mcpServers",
    ),
    (
        "cursor",
        ".cursor/mcp.json",
        include_str!("hosts/cursor_mcp.json"),
        "mcpServers",
    ),
    (
        "vscode",
        ".config/Code/User/mcp.json",
        include_str!("hosts/vscode_mcp.json"),
        "servers",
    ),
    (
        "zed",
        ".config/zed/settings.json",
        include_str!("hosts/zed_settings.json"),
        "context_servers",
    ),
];

struct Home(tempfile::TempDir);

impl Home {
    /// A home in which this host has this file.
    fn with(file: &str, text: Option<&str>) -> (Self, PathBuf) {
        let home = Self(tempfile::tempdir().unwrap());
        let file = home.0.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        (home, file)
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mcp-server"))
            .env_clear()
            .env("HOME", self.0.path())
            .envs(environment.iter().copied())
            .current_dir(self.0.path())
            .args(arguments)
            .output()
            .unwrap()
    }
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(text).unwrap()
}

/// Reads JSON with comments: the test's own way, so that the editor isn't checked by itself.
fn parsed(text: &str) -> Value {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            rest = &rest[rest.find("*/").unwrap() + 2..];
        } else if c == '"' {
            let mut end = 1;
            while !rest[end..].starts_with('"') {
                end += if rest[end..].starts_with('\\') { 2 } else { 1 };
            }
            plain.push_str(&rest[..=end]);
            rest = &rest[end + 1..];
        } else {
            if matches!(c, '}' | ']') && plain.trim_end().ends_with(',') {
                plain.truncate(plain.trim_end().len() - 1);
            }
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    serde_json::from_str(&plain).unwrap_or_else(|error| panic!("{error}: {plain}"))
}

#[cfg(target_os = "linux")]
#[test]
fn each_host_gets_the_entry_keeps_what_it_had_and_gets_its_file_back() {
    for (host, path, before, key) in HOSTS {
        let (home, file) = Home::with(path, Some(before));
        let output = home.run(&["install", host], &[]);
        assert!(output.status.success(), "{host}: {}", said(&output));
        let text = said(&output);
        assert!(!text.contains("somebody-elses-secret"), "{host}: {text}");
        assert!(
            text.contains("learn-mcp") && text.contains(path),
            "{host}: {text}"
        );

        let after = fs::read_to_string(&file).unwrap();
        let mut value = parsed(&after);
        let entry = value[key]
            .as_object_mut()
            .unwrap()
            .remove("learn-mcp")
            .unwrap();
        let command = entry["command"].as_str().unwrap();
        assert!(
            Path::new(command).is_absolute() && Path::new(command).is_file(),
            "{host}: {entry}"
        );
        assert_eq!(entry["args"], serde_json::json!([]));
        let had = parsed(before);
        if had.get(key).is_none() {
            value.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(value, had, "{host}: everything else is as it was");
        let has_comments = matches!(host, "vscode" | "zed");
        let comments = before
            .lines()
            .filter(|line| line.contains("//") || line.contains("/*"));
        for comment in comments.filter(|_| has_comments) {
            assert!(after.contains(comment), "{host}: {comment} is gone");
        }
        let kept = text.split("what it was is in ").nth(1).unwrap();
        let kept = kept.lines().next().unwrap().to_owned();
        assert_eq!(fs::read_to_string(&kept).unwrap(), before, "{host}");

        let again = home.run(&["install", host], &[]);
        assert!(
            said(&again).contains("connected already"),
            "{host}: {}",
            said(&again)
        );

        let undone = home.run(&["install", host, "--undo"], &[]);
        assert!(undone.status.success(), "{host}: {}", said(&undone));
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            before,
            "{host}: to the last character"
        );
        assert!(
            !Path::new(&kept).exists(),
            "{host}: it is back in its place"
        );
        let nothing = home.run(&["install", host, "--undo"], &[]);
        assert!(nothing.status.success() && said(&nothing).contains("nothing to undo"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn print_writes_nothing() {
    for (host, path, before, _) in HOSTS {
        let (home, file) = Home::with(path, Some(before));
        let output = home.run(&["install", host, "--print"], &[]);
        assert!(
            output.status.success() && said(&output).contains("\"command\""),
            "{}",
            said(&output)
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
        assert_eq!(
            fs::read_dir(file.parent().unwrap()).unwrap().count(),
            1,
            "{host}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_host_that_was_never_configured_gets_a_file_and_one_that_isnt_there_gets_none() {
    let (home, file) = Home::with(".cursor/mcp.json", None);
    assert!(home.run(&["install", "cursor"], &[]).status.success());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it may come to hold a key");
    assert!(
        home.run(&["install", "cursor", "--undo"], &[])
            .status
            .success()
    );
    assert!(!file.exists(), "there was none before");
    let shown = home.run(&["install", "zed", "--print"], &[]);
    assert!(shown.status.success() && said(&shown).contains("\"command\""));
    let output = home.run(&["install", "zed"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("install Zed and start it once"),
        "{}",
        said(&output)
    );
    assert!(!home.0.path().join(".config").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cant_be_understood_or_is_a_link_is_treated_with_care() {
    let (home, file) = Home::with(".cursor/mcp.json", Some("{ \"mcpServers\": "));
    let output = home.run(&["install", "cursor"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("is left as it is"),
        "{}",
        said(&output)
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "{ \"mcpServers\": ");

    // People keep such files elsewhere, and link to them.
    let real = home.0.path().join("dotfiles.json");
    fs::write(&real, "{}").unwrap();
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&real, &file).unwrap();
    assert!(home.run(&["install", "cursor"], &[]).status.success());
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("learn-mcp"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_configuration_goes_along_by_its_absolute_path_and_a_key_only_when_asked() {
    let (home, file) = Home::with(".cursor/mcp.json", None);
    let folder = home.0.path();
    let config = |keys: &str| {
        let text = format!("[server]\nmode = \"prod\"\n[auth]\nkeys_file = \"{keys}\"\n");
        fs::write(folder.join("server.toml"), text).unwrap();
    };
    let install = ["--config", "server.toml", "install", "cursor"];
    // Relative to the configuration, so the host's own folder doesn't matter.
    config("keys.toml");
    let keyless = home.run(&install, &[]);
    assert_eq!(keyless.status.code(), Some(2));
    assert!(said(&keyless).contains("--with-key"), "{}", said(&keyless));
    assert!(!file.exists());

    let with_key = [&install[..], &["--with-key"]].concat();
    let output = home.run(&with_key, &[("MCP_CLIENT_KEY", "mcp_secret")]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(!said(&output).contains("mcp_secret"), "{}", said(&output));
    let entry = parsed(&fs::read_to_string(&file).unwrap())["mcpServers"]["learn-mcp"].clone();
    let config = fs::canonicalize(folder.join("server.toml")).unwrap();
    let written = fs::canonicalize(entry["args"][1].as_str().unwrap()).unwrap();
    assert_eq!(written, config);
    assert_eq!(entry["env"]["MCP_CLIENT_KEY"], "mcp_secret");
}

#[cfg(target_os = "linux")]
#[test]
fn an_entry_of_the_same_name_is_replaced_only_when_asked_and_comes_back() {
    let own = r#"{ "command": "x", "env": { "TOKEN": "somebody-elses-secret" } }"#;
    let before = format!("{{\n\t\"mcpServers\": {{\n\t\t\"learn-mcp\": {own}\n\t}}\n}}\n");
    let (home, file) = Home::with(".cursor/mcp.json", Some(&before));
    let now = || fs::read_to_string(&file).unwrap();
    let refused = home.run(&["install", "cursor"], &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("--replace"), "{}", said(&refused));
    assert!(!said(&refused).contains("secret"), "{}", said(&refused));
    assert_eq!(now(), before);

    let run = |arguments: &[&str]| {
        let output = home.run(&[&["install", "cursor"], arguments].concat(), &[]);
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    run(&["--replace"]);
    assert!(!now().contains("secret"));
    run(&["--undo"]);
    assert_eq!(now(), before, "to the last byte");

    // Twice, with another configuration: each undo takes one back.
    fs::write(home.0.path().join("server.toml"), "").unwrap();
    run(&["--replace"]);
    let once = now();
    run(&["--replace", "--config", "server.toml"]);
    run(&["--undo"]);
    assert_eq!(now(), once);
    run(&["--undo"]);
    assert_eq!(now(), before);

    // The host has written its file since: what it wrote stays, and the entry comes back.
    run(&["--replace"]);
    fs::write(&file, now().replacen('{', "{\n\t\"theme\": \"dark\",", 1)).unwrap();
    let text = run(&["--undo"]);
    assert!(text.contains("has changed since"), "{text}");
    assert!(
        now().contains(own) && now().contains("\"theme\": \"dark\""),
        "{}",
        now()
    );
    assert!(!now().contains("target/"), "{}", now());
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_name_is_refused() {
    let (home, file) = Home::with(".cursor/mcp.json", Some("{}"));
    for name in ["", " ", "a/b", "a b", "\u{202e}"] {
        let output = home.run(&["install", "cursor", "--name", name], &[]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(
            said(&output).contains("such as learn-mcp"),
            "{}",
            said(&output)
        );
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "{}");
}
