//! `mcp-server keys`: what it refuses, what it keeps, and what it says of a running server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{Process, Wire, keys};

struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with a keys file.
    fn with(text: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.file(), text).unwrap();
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self) -> PathBuf {
        self.path().join("keys.toml")
    }

    fn keys(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
        let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
            .env_clear()
            .env("MCP_AUTH__KEYS_FILE", "keys.toml")
            .envs(environment.iter().copied())
            .current_dir(self.path())
            .arg("keys")
            .args(arguments)
            .output()
            .unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    }
}

#[test]
fn a_key_that_would_never_be_good_or_whose_name_would_forge_a_list_is_refused() {
    let folder = Folder::with("");
    for (wrong, said) in [
        (
            &["ada", "--role", "user", "--expires", "2020-01-31"][..],
            "that has passed",
        ),
        (
            &["ada", "--role", "user", "--expires", "tomorrow"],
            "write 2027-01-31",
        ),
        (
            &["ada", "--role", "user", "--expires", "12:00:00"],
            "write a day too",
        ),
        (&["", "--role", "user"], "is no name"),
        (&[" ada", "--role", "user"], "is no name"),
        (
            &["ada\nbob", "--role", "user"],
            "has line breaks or hidden characters",
        ),
        (
            &["a\u{202e}da", "--role", "user"],
            "has line breaks or hidden characters",
        ),
        (
            &["ada", "--role", "user", "--note", "a\u{1b}[2J"],
            "the note",
        ),
        (&["ada", "--scope", "tool:*"], "did you mean \"tools:*\"?"),
        (
            &["ada", "--scope", "resources:docs:write"],
            "\"resources:docs:read\"",
        ),
    ] {
        let (code, text) = folder.keys(&[&["add"], wrong].concat(), &[]);
        assert_eq!(code, Some(2), "{wrong:?}: {text}");
        assert!(text.contains(said), "{wrong:?}: {text}");
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text:?}");
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), "");
    }
}

#[test]
fn a_list_marks_what_has_run_out_and_a_check_reports_it() {
    let soon = chrono::Utc::now() + chrono::TimeDelta::days(3);
    let soon = soon.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let text = [
        keys(&[("old", "\"*\"")]) + "expires = 2020-01-31\n",
        keys(&[("soon", "\"*\"")]) + &format!("expires = {soon}\n"),
        keys(&[("ada", "\"*\"")]) + "expires = 2130-01-31\n",
        keys(&[("typo", "\"tool:*\"")]),
        keys(&[(
            "bound",
            r#"{ scope = "resources:*", where = { a = { at_most = 1 } } }"#,
        )]),
    ];
    let folder = Folder::with(&text.concat());
    let listed = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .env_clear()
        .current_dir(folder.path())
        .args(["keys", "list", "--file", "keys.toml"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let line = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("old").contains("EXPIRED 2020-01-31"), "{listed}");
    assert!(line("soon").contains("(IN 3 DAYS)"), "{listed}");
    assert!(line("ada").contains("  expires 2130-01-31  "), "{listed}");

    let (code, text) = folder.keys(&["check"], &[]);
    assert_eq!(code, Some(1), "{text}");
    for said in [
        "the key of old ran out on 2020-01-31",
        "the key of typo: nothing needs \"tool:*\"",
        "the key of bound: \"resources:*\" has `where`",
    ] {
        assert!(text.contains(said), "{text}");
    }
    assert!(!text.contains("good"), "{text}");
    let (code, text) = folder.keys(&["rotate", "old"], &[]);
    assert!(
        code == Some(2) && text.contains("change `expires`"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn owner_group_and_mode_of_the_file_stay() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    let folder = Folder::with(&keys(&[("ada", "\"*\""), ("bob", "\"*\"")]));
    let there = || fs::metadata(folder.file()).unwrap();
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o640)).unwrap();
    let mut owner = (there().uid(), there().gid());
    if owner.0 == 0 {
        owner = (0, 12_345);
        chown(folder.file(), None, Some(owner.1)).unwrap();
    }
    for change in [
        &["revoke", "ada"][..],
        &["rotate", "bob"],
        &["add", "eve", "--role", "user"],
    ] {
        let (code, text) = folder.keys(change, &[]);
        assert_eq!(code, Some(0), "{text}");
        assert_eq!((there().uid(), there().gid()), owner, "{change:?}");
        assert_eq!(there().mode() & 0o7777, 0o640, "{change:?}");
    }
}

/// The port in `http://127.0.0.1:4321`.
fn port_of(url: &str) -> String {
    url.rsplit(':').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_server_made_of_a_change_is_asked_before_it_is_promised() {
    let folder = Folder::with(&keys(&[("ada", "\"*\""), ("bob", "\"*\"")]));
    let prod = ("MCP_SERVER__MODE", "prod");

    // Nothing listens on the lowest of all ports.
    let (code, text) = folder.keys(&["rotate", "bob"], &[("MCP_SERVER__PORT", "1")]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("no server answers at http://127.0.0.1:"),
        "{text}"
    );

    let file = ("MCP_AUTH__KEYS_FILE", "keys.toml");
    let server = Process::start(folder.path(), &[prod, file]);
    let url = server.url_after("listening on ");
    let port = port_of(&url);
    let port = ("MCP_SERVER__PORT", port.as_str());
    let url = url + "/mcp";
    let ping = || async {
        Wire::new(&url, Some("ada"))
            .request("tools/list", serde_json::json!({}))
            .await
            .status
    };
    assert_eq!(ping().await, 200);
    let (code, text) = folder.keys(&["revoke", "ada"], &[port]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("good after the change: the key of ada isn't good any more"),
        "{text}"
    );
    assert_eq!(ping().await, 401, "and so it is");

    // A role that the server's own configuration doesn't have: the file is no good to it.
    fs::write(
        folder.path().join("more.toml"),
        "[roles.extra]\nscopes = [\"tools:*\"]\n",
    )
    .unwrap();
    let more = ("MCP_CONFIG_FILE", "more.toml");
    let (code, text) = folder.keys(&["add", "eve", "--role", "extra"], &[port, more]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("CAN'T USE") && !text.contains("is good"),
        "{text}"
    );

    // Another file than the server's.
    let (code, text) = folder.keys(
        &["add", "eve", "--role", "user", "--file", "other.toml"],
        &[port],
    );
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("doesn't use that file"), "{text}");
}

#[test]
fn a_server_behind_its_own_certificate_is_asked_too() {
    let folder = Folder::with(&keys(&[("ada", "\"*\""), ("bob", "\"*\"")]));
    crate::operations::certificate(folder.path());
    let environment = [
        ("MCP_SERVER__MODE", "prod"),
        ("MCP_SERVER__ALLOWED_HOSTS", "mcp.example.com"),
        ("MCP_SERVER__TLS_CERT", "cert.pem"),
        ("MCP_SERVER__TLS_KEY", "key.pem"),
        ("MCP_AUTH__KEYS_FILE", "keys.toml"),
    ];
    let server = Process::start(folder.path(), &environment);
    let port = port_of(&server.url_after("listening on "));
    let environment = [&environment[..], &[("MCP_SERVER__PORT", port.as_str())]].concat();
    let (code, text) = folder.keys(&["revoke", "ada"], &environment);
    assert_eq!(code, Some(0), "{text}");
    let said = format!("the server at https://127.0.0.1:{port} finds its keys file good");
    assert!(text.contains(&said), "{text}");
}
