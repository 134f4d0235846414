//! # b5 · Grant as little as needed
//!
//! A key is granted scopes. Whoever is in a hurry grants `*`, and then the agent that was to look up
//! the weather can also delete files, when a web page tells it to.
//!
//! Here is the entry of an intern's agent in a keys file. It needs exactly this:
//!
//! - the tool `echo`, which takes the scope `tools:util:echo`;
//! - the tool `weather-get`, which takes `tools:weather:get`, for Oslo and Bergen only.
//!
//! - In the real code: `config/keys.example.toml`, `2-server/src/interceptor/access/scope.rs` and
//!   `argument_rule.rs`.
//! - Specification: none; the protocol's security best practices,
//!   <https://modelcontextprotocol.io/docs/2026-07-28/tutorials/security/security_best_practices#scope-minimization>.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod support;

mod b5 {
    /// The scopes in the key's entry, as TOML.
    pub const SCOPES: &str = r#"["*"]"#;
}

use mcp_server::interceptor::keys::{Roles, fingerprint};
use serde_json::json;

use crate::{
    b5::SCOPES,
    support::{Dummies, Host, quiet},
};

const TOOLS: &[&str] = &["echo", "weather-get", "weather-set", "files-delete"];

#[tokio::test]
async fn the_key_opens_two_doors_and_no_third() {
    let disk = tempfile::tempdir().unwrap();
    let file = disk.path().join("keys.toml");
    let digest = fingerprint("intern");
    let scopes = SCOPES;
    let entry = format!("[[key]]\nname = \"intern\"\nsha256 = \"{digest}\"\nscopes = {scopes}\n");
    std::fs::write(&file, entry).unwrap();
    let pipeline = match quiet().keys_file(&file, Roles::new()) {
        Ok(pipeline) => pipeline,
        Err(error) => panic!("the server doesn't start with these scopes: {error}"),
    };
    let mut host = Host::launch_with_key(Dummies(TOOLS), pipeline, Some("intern"));

    for tool in ["files-delete", "weather-set"] {
        let answer = host.call(tool, json!({})).await;
        assert_eq!(
            answer["error"]["code"], 403,
            "the intern's agent called {tool}, and the server answered {answer}. Name what it needs, \
             one scope each, in place of a wildcard"
        );
    }
    let echo = host.call("echo", json!({ "message": "hi" })).await;
    assert!(
        echo.get("result").is_some(),
        "echo is needed, and was refused: {}",
        echo["error"]["message"]
    );
    for city in ["Oslo", "Bergen"] {
        let answer = host.call("weather-get", json!({ "city": city })).await;
        assert!(
            answer.get("result").is_some(),
            "the weather of {city} is needed, and was refused: {}",
            answer["error"]["message"]
        );
    }
    for arguments in [json!({ "city": "Paris" }), json!({})] {
        let answer = host.call("weather-get", arguments.clone()).await;
        assert_eq!(
            answer["error"]["code"], 403,
            "weather-get with {arguments} went through. A grant can bound the arguments: bound `city` \
             with `where`, to one of two"
        );
    }
    assert_eq!(
        host.list("tools/list", "tools", "name").await,
        ["echo", "weather-get"],
        "the list shows what the key can use, and nothing else"
    );
}
