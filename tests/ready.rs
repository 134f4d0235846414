//! What a newcomer's machine lacks, `scripts/ready.sh` says, and what to do about it. Each test takes
//! one thing away.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
    thread,
};

use crate::{learning_path::root, support::Server};

/// A machine: programs that are there, and variables that are set.
struct Machine {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

/// What the script itself is made of.
const TOOLS: [&str; 11] = [
    "awk", "bash", "cat", "dirname", "env", "grep", "head", "kill", "sed", "sleep", "tr",
];

impl Machine {
    /// Everything is there. Nothing listens on port 9, so there is no Ollama.
    fn whole() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
            variables: vec![
                ("OLLAMA_HOST", "127.0.0.1:9".to_owned()),
                ("MCP_SERVER__PORT", "0".to_owned()),
                ("TERM", "xterm".to_owned()),
            ],
        };
        for tool in TOOLS {
            let path = ["/usr/bin", "/bin"]
                .iter()
                .map(|folder| Path::new(folder).join(tool))
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("{tool} isn't on this machine"));
            symlink(path, machine.folder.path().join(tool)).unwrap();
        }
        machine.has("cc", "exit 0");
        machine.has("curl", "exit 0");
        machine.has_rust("1.99.0", 0);
        machine
    }

    fn has(&self, program: &str, does: &str) {
        let path = self.folder.path().join(program);
        fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A cargo of that version, which has all sources, or (code 1) has none and can't fetch any.
    fn has_rust(&self, version: &str, code: u8) {
        self.has(
            "cargo",
            &format!(
                "case \"$1\" in --version) echo \"cargo {version} (0 2026-01-01)\" ;; *) exit {code} ;; esac"
            ),
        );
    }

    fn lacks(&self, program: &str) {
        fs::remove_file(self.folder.path().join(program)).unwrap();
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value));
    }

    /// What the script says, and whether the machine is ready.
    fn ready(&self, step: &str) -> (bool, String) {
        let output = Command::new("bash")
            .arg(root().join("scripts/ready.sh"))
            .arg(step)
            .env_clear()
            .env("PATH", self.folder.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    fn says(&self, step: &str, ready: bool, words: &[&str]) {
        let (is_ready, said) = self.ready(step);
        assert_eq!(is_ready, ready, "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is missing:\n{said}");
        }
        let closing = if ready {
            "Ready for step"
        } else {
            "Not ready for step"
        };
        assert!(said.contains(closing), "{said}");
    }
}

/// Something that answers every connection with these words, until the test ends.
fn answering(words: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // The whole question, or what closes on unread bytes takes its answer back. Whoever only
            // knocked is gone.
            let mut asked = Vec::new();
            let mut piece = [0; 256];
            while !asked.ends_with(b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(length) if length > 0 => asked.extend_from_slice(&piece[..length]),
                    _ => break,
                }
            }
            let _ = stream.write_all(words.as_bytes());
        }
    });
    port
}

#[test]
fn a_machine_that_has_everything_is_ready_for_each_step() {
    let machine = Machine::whole();
    for step in ["0", "1", "2", "3", "4"] {
        machine.says(step, true, &["Rust 1.99.0"]);
    }
}

#[test]
fn without_rust_it_says_where_to_get_it() {
    let machine = Machine::whole();
    machine.lacks("cargo");
    machine.says("1", false, &["missing  Rust", "https://rustup.rs"]);
}

#[test]
fn an_old_rust_is_to_be_updated() {
    let machine = Machine::whole();
    machine.has_rust("1.70.0", 0);
    machine.says("2", false, &["this is 1.70.0", "do rustup update stable"]);
    // 1.100 is newer than 1.95, although it doesn't sort so as text.
    machine.has_rust("1.100.0", 0);
    machine.says("2", true, &["Rust 1.100.0"]);
}

#[test]
fn without_a_linker_it_says_what_to_install() {
    let machine = Machine::whole();
    machine.lacks("cc");
    machine.says(
        "1",
        false,
        &["C compiler", "build-essential", "xcode-select"],
    );
}

#[test]
fn without_network_and_sources_it_says_what_has_to_be_fetched() {
    let machine = Machine::whole();
    machine.has_rust("1.99.0", 1);
    machine.says("1", false, &["missing  network", "cargo fetch --locked"]);
}

#[test]
fn without_curl_step_2_isnt_ready_and_the_others_are() {
    let machine = Machine::whole();
    machine.lacks("curl");
    machine.says("2", false, &["missing  curl", "apt-get install curl"]);
    machine.says("3", true, &[]);
}

#[test]
fn where_nothing_is_built_yet_it_says_how_to_watch_the_build() {
    let mut machine = Machine::whole();
    let built = machine.folder.path().join("target");
    machine.set("CARGO_TARGET_DIR", built.display().to_string());
    machine.says(
        "2",
        true,
        &["nothing is built yet", "cargo build --workspace --bins"],
    );
    // `make run` of step 0 builds with its progress shown.
    assert!(!machine.ready("0").1.contains("nothing is built"));
    fs::create_dir_all(built.join("debug")).unwrap();
    machine.has("server", "exit 0");
    fs::copy(
        machine.folder.path().join("server"),
        built.join("debug/mcp-server"),
    )
    .unwrap();
    assert!(!machine.ready("2").1.contains("nothing is built"));
}

#[test]
fn a_port_that_something_else_has_is_told_with_another() {
    let mut machine = Machine::whole();
    let port = answering("what?\r\n");
    machine.set("MCP_SERVER__PORT", port.to_string());
    let next = format!("export MCP_SERVER__PORT={}", port + 1);
    machine.says("2", false, &["something else has taken", &next]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_ours_on_the_port_is_no_obstacle() {
    let server = Server::local().await;
    let mut machine = Machine::whole();
    machine.set("MCP_SERVER__PORT", server.address.port().to_string());
    tokio::task::spawn_blocking(move || {
        machine.says("3", true, &["a server is running", "make run-client"]);
    })
    .await
    .unwrap();
}

#[test]
fn without_ollama_the_tutor_answers_and_it_says_how_to_have_more() {
    let machine = Machine::whole();
    machine.says(
        "1",
        true,
        &[
            "no Ollama",
            "the built-in tutor",
            "https://ollama.com/download",
        ],
    );
    machine.has("ollama", "exit 0");
    machine.says(
        "1",
        true,
        &["is installed but isn't answering", "ollama serve"],
    );
}

#[test]
fn an_ollama_without_a_model_is_told_from_one_with() {
    let mut machine = Machine::whole();
    for (models, words) in [
        (
            r#"{"models":[]}"#,
            &["has no model", "pull llama3.2", "MCP_LLM__PROVIDER=tutor"][..],
        ),
        (r#"{"models":[{"name":"llama3.2"}]}"#, &["with a model"]),
        ("<html>", &["isn't Ollama"]),
    ] {
        let answer: &'static str = Box::leak(
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{models}").into_boxed_str(),
        );
        machine.set(
            "OLLAMA_HOST",
            format!("http://127.0.0.1:{}", answering(answer)),
        );
        machine.says("1", true, words);
    }
}

#[test]
fn a_terminal_that_cant_be_drawn_on_is_told() {
    let mut machine = Machine::whole();
    machine.set("TERM", "dumb".to_owned());
    machine.says("3", true, &["--plain"]);
}

#[test]
fn a_step_that_doesnt_exist_is_wrong_usage() {
    let (ready, said) = Machine::whole().ready("7");
    assert!(!ready && said.contains("usage:"), "{said}");
}
