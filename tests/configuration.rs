//! What a wrong configuration is told. The server doesn't start, and says where and what.

use std::process::{Command, Output};

fn start(file: Option<&str>, environment: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-server"));
    command
        .env_clear()
        .args(["--transport", "sse"])
        .current_dir(folder.path());
    if let Some(text) = file {
        std::fs::write(folder.path().join("server.toml"), text).unwrap();
        command.args(["--config", "server.toml"]);
    }
    command.envs(environment.iter().copied()).output().unwrap()
}

#[track_caller]
fn refused(file: Option<&str>, environment: &[(&str, &str)], said: &str) {
    let output = start(file, environment);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(said), "should say {said:?}:\n{text}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_line_and_the_nearest_name() {
    refused(
        Some("[server]\nprot = 8080\n"),
        &[],
        "server.toml:2: unknown setting `prot`: did you mean `port`?",
    );
    refused(Some("[server]\n\n\nport = \"x\"\n"), &[], "server.toml:4: ");
    refused(
        Some("[sever]\nport = 1\n"),
        &[],
        "server.toml:1: unknown setting `sever`: did you mean `server`?",
    );
    refused(Some("[server\n"), &[], "server.toml:1: ");
    refused(
        Some("[llm]\nprovider = \"olama\"\n"),
        &[],
        "server.toml:2: ",
    );
}

#[test]
fn a_file_that_cant_be_read_stops_the_start() {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .args(["--config", "/nowhere/server.toml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("can't read /nowhere/server.toml")
    );
}

#[test]
fn a_mistake_in_the_environment_is_named_by_its_variable() {
    refused(
        None,
        &[("MCP_SERVER__PROT", "1")],
        "MCP_SERVER__PROT: unknown setting `prot`: did you mean `port`?",
    );
    refused(None, &[("MCP_SERVER__PORT", "high")], "MCP_SERVER__PORT: ");
    refused(
        None,
        &[("MCP_SERVER__MODE", "production")],
        "MCP_SERVER__MODE: unknown variant `production`",
    );
}

#[test]
fn a_keys_file_that_isnt_there_is_named_once_with_the_command_that_makes_it() {
    let output = start(
        None,
        &[
            ("MCP_SERVER__MODE", "prod"),
            ("MCP_AUTH__KEYS_FILE", "k.toml"),
        ],
    );
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.trim_end()
            .ends_with("; make it with `mcp-server keys add NAME --role user --file k.toml`"),
        "{text}"
    );
    assert_eq!(text.matches("os error 2").count(), 1, "{text}");
}

#[test]
fn a_proxy_may_be_an_address_or_a_network() {
    for (text, network) in [
        ("10.0.0.5", "10.0.0.5/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:db8::1", "2001:db8::1/128"),
    ] {
        let file = format!("[server]\ntrusted_proxies = [\"{text}\"]\n");
        let from_file: mcp_server::config::Config = toml::from_str(&file).unwrap();
        assert_eq!(from_file.server.trusted_proxies, [network.parse().unwrap()]);
    }
}

#[test]
fn what_contradicts_the_mode_stops_the_start() {
    let prod = ("MCP_SERVER__MODE", "prod");
    refused(
        None,
        &[("MCP_SERVER__HOST", "0.0.0.0")],
        "server.host: 0.0.0.0 can be reached from outside",
    );
    refused(None, &[prod], "auth.keys_file: every caller needs a key");
    refused(
        None,
        &[prod, ("MCP_AUTH__ANONYMOUS", "true")],
        "auth.anonymous: in prod every caller needs a key",
    );
    refused(
        None,
        &[
            prod,
            ("MCP_AUTH__KEYS_FILE", "k.toml"),
            ("MCP_AUDIT__STDERR", "false"),
        ],
        "audit: in prod the record can't be switched off",
    );
    refused(
        None,
        &[
            prod,
            ("MCP_AUTH__KEYS_FILE", "k.toml"),
            ("MCP_SERVER__HOST", "0.0.0.0"),
        ],
        "server.host: 0.0.0.0 can be reached from outside without encryption",
    );
    refused(
        None,
        &[("MCP_SERVER__TRUSTED_PROXIES", "10.0.0.5, proxy")],
        "\"proxy\" is neither an address nor a network: write 10.0.0.5",
    );
    for everybody in ["0.0.0.0/0", "::/0"] {
        refused(
            None,
            &[("MCP_SERVER__TRUSTED_PROXIES", everybody)],
            "server.trusted_proxies: ",
        );
    }
    refused(
        None,
        &[("MCP_SERVER__ALLOWED_HOSTS", "*.example.com")],
        "server.allowed_hosts: ",
    );
    for anybody in ["*", "null"] {
        refused(
            None,
            &[("MCP_SERVER__ALLOWED_ORIGINS", anybody)],
            "server.allowed_origins: ",
        );
    }
    refused(
        Some("[limits.tools.weather_get]\nper_minute = 1\nburst = 1\n"),
        &[],
        "limits.tools.weather_get: there is no such tool",
    );
    refused(
        None,
        &[("MCP_METRICS__HOST", "0.0.0.0")],
        "metrics.host: 0.0.0.0 can be reached from outside",
    );
    refused(
        None,
        &[prod, ("MCP_AUTH__KEYS_FILE", "nowhere.toml")],
        "can't read the keys file nowhere.toml",
    );
}

#[test]
fn time_outs_that_dont_nest_stop_the_start() {
    refused(
        None,
        &[("MCP_SERVER__REQUEST_TIMEOUT_MS", "1000")],
        "server.request_timeout_ms is 1000: the request must last longer",
    );
}

#[test]
fn an_empty_list_of_scopes_is_no_scope() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, "[auth]\nanonymous_scopes = []\n").unwrap();
    let explain = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .env_clear()
        .arg("--config")
        .arg(file)
        .args(["policy", "explain", "--anonymous", "tools/call", "echo"])
        .output()
        .unwrap();
    assert_eq!(explain.status.code(), Some(1));
    assert!(
        String::from_utf8(explain.stdout)
            .unwrap()
            .starts_with("REFUSED")
    );
}

#[test]
fn a_port_in_use_is_said_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = start(
        None,
        &[
            ("MCP_SERVER__PORT", &port),
            ("MCP_LOG__LEVEL", "error"),
            ("MCP_AUDIT__STDERR", "false"),
        ],
    );
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(&format!("port {port} is in use")), "{text}");
}
