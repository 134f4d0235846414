use std::path::Path;

use super::*;

fn resolve(text: &str, given: &Given) -> Result<Config, ConfigError> {
    parse(Path::new("client.toml"), text)?
        .resolve(given, &|name| (name == "WORK_KEY").then(|| "k".into()))
}

#[test]
fn with_nothing_given_there_is_one_server_at_the_default_address() {
    let config = resolve("", &Given::default()).unwrap();
    assert_eq!(config.servers.len(), 1);
    assert_eq!(
        config.servers[0].endpoint,
        Endpoint::Http(DEFAULT_URL.into())
    );
}

#[test]
fn an_unknown_field_is_named_with_its_line() {
    let error = resolve("[limits]\nrequest_sec = 3\n", &Given::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 2") && error.contains("request_sec"),
        "{error}"
    );
}

#[test]
fn the_environments_key_goes_to_the_chat_server_only() {
    let given = Given {
        key: Secret::new("k"),
        ..Given::default()
    };
    let config = resolve(
        "[chat]\nserver='b'\n[servers.a]\nurl='http://a/mcp'\n[servers.b]\nurl='https://b/mcp'\n",
        &given,
    )
    .unwrap();
    assert_eq!(config.servers[0].name, "b");
    assert!(config.servers[0].key.is_some() && config.servers[1].key.is_none());
}

const TWO: &str =
    "[servers.aaa]\nurl='http://127.0.0.1:1/mcp'\n[servers.local]\nurl='http://127.0.0.1:2/mcp'\n";

fn with_key() -> Given {
    Given {
        key: Secret::new("k"),
        ..Given::default()
    }
}

#[test]
fn with_several_servers_and_none_named_to_chat_with_nothing_starts_and_the_cure_is_named() {
    let error = resolve(TWO, &with_key()).unwrap_err().to_string();
    for part in [
        "aaa, local",
        "server = \"aaa\" under [chat]",
        "--chat-server aaa",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let chosen = Given {
        chat_server: Some("local".into()),
        ..with_key()
    };
    let config = resolve(TWO, &chosen).unwrap();
    assert_eq!(config.servers[0].name, "local");
    assert!(config.servers[0].key.is_some() && config.servers[1].key.is_none());
}

#[test]
fn an_address_on_the_command_line_is_the_server_to_chat_with_and_keeps_its_settings() {
    let given = |url: &str| Given {
        url: Some(url.into()),
        ..with_key()
    };
    let config = resolve(TWO, &given("http://127.0.0.1:2/mcp")).unwrap();
    assert_eq!(
        (config.servers.len(), &*config.servers[0].name),
        (2, "local")
    );
    // Another address gets a name of its own, and the key of the environment with it.
    let config = resolve(TWO, &given("http://127.0.0.1:3/mcp")).unwrap();
    let names: Vec<&str> = config.servers.iter().map(|s| &*s.name).collect();
    assert_eq!(names, ["given", "aaa", "local"]);
    assert!(config.servers[1..].iter().all(|s| s.key.is_none()));
    // The file names one server to chat with, and the command line another.
    let file = format!("[chat]\nserver='aaa'\n{TWO}");
    let error = resolve(&file, &given("http://127.0.0.1:3/mcp")).unwrap_err();
    assert!(error.to_string().contains("--chat-server"), "{error}");
}

#[test]
fn a_key_crosses_a_network_in_the_clear_only_when_the_file_says_so() {
    let file = |more: &str| format!("[servers.far]\nurl='http://192.0.2.1/mcp'\n{more}");
    let error = resolve(&file(""), &with_key()).unwrap_err().to_string();
    assert!(
        error.contains("allow_http = true under [servers.far]") && error.contains("https://"),
        "{error}"
    );
    assert!(resolve(&file("allow_http=true\n"), &with_key()).is_ok());
    assert!(
        resolve(&file(""), &Given::default()).is_ok(),
        "no key, no secret"
    );
    for near in [
        "http://127.0.0.1/mcp",
        "http://localhost:8080/mcp",
        "https://far/mcp",
    ] {
        let text = format!("[servers.a]\nurl='{near}'\n");
        assert!(resolve(&text, &with_key()).is_ok(), "{near}");
    }
    let sse = "[servers.far]\nsse_url='http://far/sse'\n";
    assert!(resolve(sse, &with_key()).is_err(), "each transport");
}

#[test]
fn a_key_that_is_named_but_missing_stops_the_start() {
    assert!(
        resolve(
            "[servers.a]\nurl='https://a/mcp'\nkey_env='WORK_KEY'\n",
            &Given::default()
        )
        .is_ok()
    );
    let error = resolve(
        "[servers.a]\nurl='http://a/mcp'\nkey_env='NOPE'\n",
        &Given::default(),
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("NOPE"), "{error}");
}

#[test]
fn claude_desktops_format_is_read() {
    let text = r#"{"mcpServers": {"fs": {"command": "npx", "args": ["-y", "x"]}, "web": {"type": "sse", "url": "http://h/sse"}}}"#;
    let config = parse(Path::new("claude.json"), text)
        .unwrap()
        .resolve(
            &Given {
                chat_server: Some("fs".into()),
                ..Given::default()
            },
            &|_| None,
        )
        .unwrap();
    assert_eq!(config.servers.len(), 2);
    assert!(
        matches!(&config.servers[0].endpoint, Endpoint::Stdio { command, .. } if command == "npx")
    );
    assert_eq!(
        config.servers[1].endpoint,
        Endpoint::Sse("http://h/sse".into())
    );
}

#[test]
fn debug_of_the_whole_configuration_shows_no_key() {
    let given = Given {
        key: Secret::new("s3cret"),
        ..Given::default()
    };
    assert!(!format!("{:?} {given:?}", resolve("", &given).unwrap()).contains("s3cret"));
}

#[test]
fn the_shipped_file_holds_exactly_the_defaults() {
    let text = include_str!("../../../config/client.toml");
    let shipped = resolve(text, &Given::default()).unwrap();
    let default = resolve("", &Given::default()).unwrap();
    assert_eq!(format!("{shipped:?}"), format!("{default:?}"));
    // The servers in its comments are real, too.
    let (_, servers) = text.split_once("no other.").unwrap();
    let uncommented: String = servers
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .map(|line| format!("{line}\n"))
        .collect();
    let error = toml::from_str::<File>(&uncommented)
        .err()
        .map(|e| e.to_string());
    assert_eq!(error, None, "{uncommented}");
}
