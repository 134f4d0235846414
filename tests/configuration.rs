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
    refused(
        Some("[server]\n\n\nport = \"x\"\n"),
        &[],
        "server.toml:4: server.port: \"x\" isn't a whole number from 0 to 65535",
    );
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
        "MCP_SERVER__MODE: server.mode: `production` isn't one of `local`, `dev`, `prod`: did you mean `prod`?",
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
    assert!(text.trim_end().ends_with("/k.toml`"), "{text}");
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
    for everybody in [
        "0.0.0.0/0",
        "::/0",
        "0.0.0.0/1,128.0.0.0/1",
        "::/1,8000::/1",
    ] {
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
        "server.toml:1: limits.tools.weather_get: there is no such tool",
    );
    refused(
        None,
        &[("MCP_METRICS__HOST", "0.0.0.0")],
        "metrics.host: 0.0.0.0 can be reached from outside",
    );
    refused(
        None,
        &[prod, ("MCP_AUTH__KEYS_FILE", "nowhere.toml")],
        "/nowhere.toml: No such file",
    );
}

#[test]
fn what_a_setting_must_be_is_said_in_its_own_words() {
    for (file, said) in [
        (
            "[server]\nport = 70000\n",
            ":2: server.port: 70000 isn't a whole number from 0 to 65535",
        ),
        (
            "[server]\nsse = \"yes\"\n",
            ":2: server.sse: \"yes\" isn't true or false",
        ),
        (
            "[server]\nallowed_hosts = \"x\"\n",
            ":2: server.allowed_hosts: \"x\" isn't a list",
        ),
        (
            "[server]\nhost = \"x\"\n",
            ":2: server.host: this isn't an IP address",
        ),
        ("server = 3\n", ":1: server: 3 isn't a table"),
        (
            "[server]\nmode = 3\n",
            ":2: server.mode: this isn't one of the words",
        ),
        (
            "[limits.tools]\necho = 5\n",
            ":2: limits.tools.echo: 5 isn't a rate",
        ),
        (
            "[limits.tools.echo]\nper_minute = 5\n",
            "limits.tools.echo: `burst` is missing",
        ),
        (
            "[limits.tools.echo]\nper_minute = 0\nburst = 1\n",
            ":2: limits.tools.echo.per_minute: 0 isn't a whole number from 1 to",
        ),
        (
            "[roles.x]\nscopes = [5]\n",
            ":2: roles.x.scopes: this isn't a scope",
        ),
        (
            "[weather]\nforecast_url = \"x\"\n",
            ":2: weather.forecast_url: this isn't an address",
        ),
    ] {
        refused(Some(file), &[], said);
    }
    refused(
        None,
        &[("MCP_SERVER__PORT", "abc")],
        "MCP_SERVER__PORT: server.port: \"abc\" isn't a whole number from 0 to 65535",
    );
    for table in [
        "MCP_LIMITS__TOOLS",
        "MCP_LIMITS__TOOLS__ECHO__BURST",
        "MCP_ROLES__X",
    ] {
        for text in ["", "5", "tools:*"] {
            refused(
                None,
                &[(table, text)],
                "a table can't be written in a variable",
            );
        }
    }
}

#[test]
fn a_word_that_is_no_level_stops_the_start() {
    refused(
        Some("[log]\nlevel = \"loud\"\n"),
        &[],
        "server.toml:2: log.level: \"loud\" is no level",
    );
    refused(
        None,
        &[("MCP_LOG__LEVEL", "warning")],
        "MCP_LOG__LEVEL: log.level: \"warning\" is no level: did you mean warn?",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .env_clear()
        .args(["--transport", "sse", "--log-level", "verbose"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("--log-level: \"verbose\" is no level"),
        "{text}"
    );
}

#[test]
fn what_could_never_match_or_never_be_used_stops_the_start() {
    for (file, said) in [
        (
            "[server]\nallowed_hosts = [\"https://mcp.example.com\"]\n",
            "server.toml:2: server.allowed_hosts: \"https://mcp.example.com\" can never match",
        ),
        (
            "[server]\nallowed_origins = [\"app.example.com\"]\n",
            "server.toml:2: server.allowed_origins: \"app.example.com\" can never match",
        ),
        (
            "[auth]\nanonymous_scopes = [\"tool:*\"]\n",
            "server.toml:2: auth.anonymous_scopes: nothing needs \"tool:*\": did you mean \"tools:*\"?",
        ),
        (
            "[roles.reader]\nscopes = [{ scope = \"resources:*\", where = { uri = { at_most = 9 } } }]\n",
            "server.toml:2: roles.reader.scopes: \"resources:*\" has `where`",
        ),
        (
            "[audit]\nfile = \"/dev/null\"\n",
            "server.toml:2: audit.file: /dev/null isn't a regular file",
        ),
        (
            "[server]\nport = 9464\n[metrics]\nport = 9464\n",
            "server.toml:4: metrics.port: 9464 is server.port too",
        ),
        (
            "[server]\ntrusted_proxies = [\"127.0.0.1\"]\nallowed_hosts = [\"mcp.example.com\"]\n",
            "server.toml:2: server.trusted_proxies: a proxy brings callers from other machines",
        ),
        (
            "[server]\nmode = \"dev\"\ntrusted_proxies = [\"127.0.0.1\"]\n",
            "and mode is dev, in which they need no key",
        ),
    ] {
        refused(Some(file), &[], said);
    }
}

#[test]
fn a_variable_that_lacks_an_underscore_is_told() {
    let output = start(
        None,
        &[("MCP_SERVER_PORT", "9000"), ("MCP_LOG__LEVEL", "loud")],
    );
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("warning: MCP_SERVER_PORT changes nothing")
            && text.contains("MCP_SERVER__PORT"),
        "{text}"
    );
    let output = start(
        None,
        &[
            ("MCP_SERVER_URL", "x"),
            ("MCP_CLIENT_KEY", "x"),
            ("MCP_LOG__LEVEL", "loud"),
        ],
    );
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains("warning"), "{text}");
}

#[test]
fn a_role_that_the_file_doesnt_name_is_still_there() {
    let config: mcp_server::config::Config =
        toml::from_str("[roles.viewer]\nscopes = []\n[roles.extra]\nscopes = [\"tools:*\"]\n")
            .unwrap();
    let built_in = mcp_server::config::Config::default().roles;
    assert_eq!(config.roles["admin"], built_in["admin"]);
    assert_eq!(config.roles["user"], built_in["user"]);
    assert!(
        config.roles["viewer"].scopes.is_empty(),
        "the file's own word"
    );
    assert_eq!(config.roles.len(), 4);
}

#[test]
fn a_path_is_relative_to_the_file_that_names_it_and_to_the_folder_in_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("etc/server.toml");
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    let text = "[server]\ntls_cert = \"../tls/cert.pem\"\ntls_key = \"/abs/key.pem\"\n[auth]\nkeys_file = \"keys.toml\"\n[audit]\nfile = \"a.jsonl\"\n";
    std::fs::write(&file, text).unwrap();
    let variable = [("MCP_AUDIT__FILE".to_owned(), "b.jsonl".to_owned())];
    let config = mcp_server::config::Config::load(Some(&file), variable.into_iter()).unwrap();
    let etc = folder.path().join("etc");
    assert_eq!(config.auth.keys_file.unwrap(), etc.join("keys.toml"));
    assert_eq!(config.server.tls_cert.unwrap(), etc.join("../tls/cert.pem"));
    assert_eq!(
        config.server.tls_key.unwrap(),
        std::path::Path::new("/abs/key.pem")
    );
    assert_eq!(
        config.audit.file.unwrap(),
        std::path::absolute("b.jsonl").unwrap()
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

/// What `mcp-server config …` says of a file and an environment.
fn config(
    command: &str,
    file: &str,
    environment: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("server.toml"), file).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(folder.path())
        .args(["--config", "server.toml", "config", command])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn what_holds_is_shown_with_where_it_was_set_and_could_be_used_as_a_file() {
    let file = "[server]\nmode = \"dev\"\n\n[llm]\nbase_url = \"http://ada:secret@127.0.0.1:1\"\n[roles.reader]\nscopes = [\"resources:*\"]\n";
    let (_, shown, _) = config("show", file, &[("MCP_SERVER__PORT", "9000")]);
    let line = |start: &str| {
        let line = shown.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("{start}: {shown}"))
            .to_owned()
    };
    assert!(line("mode = ").ends_with("# server.toml:2"), "{shown}");
    assert!(
        line("port = 9000").ends_with("# MCP_SERVER__PORT"),
        "{shown}"
    );
    assert!(
        line("max_sessions = 1024").ends_with("# default"),
        "{shown}"
    );
    assert!(line("reader = ").ends_with("# server.toml:6"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    let again: mcp_server::config::Config = toml::from_str(&shown).unwrap();
    assert_eq!(again.server.port, 9000);
    assert_eq!(again.roles.len(), 4);
}

#[test]
fn a_check_tells_every_problem_and_looks_into_the_keys_file_too() {
    let bad = "[server]\nhost = \"0.0.0.0\"\n[log]\nlevel = \"loud\"\n[audit]\nkeep = 0\n";
    let (code, out, text) = config("check", bad, &[]);
    assert_eq!(code, Some(2), "{text}");
    assert_eq!(out, "");
    for said in [
        "server.toml:2: server.host",
        "server.toml:4: log.level",
        "server.toml:6: audit.keep",
    ] {
        assert!(text.contains(said), "{text}");
    }
    let keys = "[auth]\nkeys_file = \"nowhere.toml\"\n";
    let (code, _, text) = config("check", keys, &[]);
    assert!(code == Some(2) && text.contains("nowhere.toml"), "{text}");
    let tool = "[limits.tools.nope]\nper_minute = 1\nburst = 1\n";
    let (code, _, text) = config("check", tool, &[]);
    assert!(
        code == Some(2) && text.contains("there is no such tool"),
        "{text}"
    );
    let (code, _, text) = config("check", "", &[]);
    assert!(
        code == Some(0) && text.contains("a server starts"),
        "{text}"
    );
}
