//! Where a caller sits: what a proxy says counts only from a proxy that is trusted, and a key can
//! be bound to networks.

use reqwest::StatusCode;
use serde_json::json;

use crate::support::Server;

/// `ada`'s key is good in 10.0.0.0/8 and nowhere else.
async fn server(proxies: &[&str]) -> Server {
    let proxies = proxies.iter().map(|net| net.parse().unwrap()).collect();
    let server = Server::prod_with(|config| config.server.trusted_proxies = proxies).await;
    let mut file = crate::support::keys(&[("ada", "\"*\"")]);
    file.push_str("allow = [\"10.0.0.0/8\"]\n");
    file.push_str(&crate::support::keys(&[("bob", "\"tools:util:echo\"")]));
    std::fs::write(server.keys_file(), file).unwrap();
    server.keys.reload().unwrap();
    server
}

async fn status(server: &Server, who: &str, forwarded: &[&str]) -> StatusCode {
    let client = server.client(who);
    let message = client.message("tools/list", json!({}));
    let mut request = client.post(&message);
    for hop in forwarded {
        request = request.header("x-forwarded-for", *hop);
    }
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_caller_cant_say_where_it_sits() {
    let server = server(&[]).await;
    assert_eq!(status(&server, "bob", &[]).await, 200);
    assert_eq!(status(&server, "ada", &[]).await, 401, "not from here");
    assert_eq!(
        status(&server, "ada", &["10.1.2.3"]).await,
        401,
        "whatever it says"
    );
}

#[tokio::test]
async fn a_trusted_proxy_says_it_and_only_its_own_word_counts() {
    let server = server(&["127.0.0.0/8"]).await;
    assert_eq!(status(&server, "ada", &["10.1.2.3"]).await, 200);
    assert_eq!(
        status(&server, "ada", &["::ffff:10.1.2.3"]).await,
        200,
        "a mapped address is the one it maps"
    );
    assert_eq!(
        status(&server, "ada", &["10.1.2.3, 192.0.2.1"]).await,
        401,
        "the last hop is the caller's"
    );
    assert_eq!(
        status(&server, "ada", &["192.0.2.1, 10.1.2.3"]).await,
        200,
        "what is further left is only said"
    );
    assert_eq!(
        status(&server, "ada", &["192.0.2.1", "10.1.2.3, 127.0.0.9"]).await,
        200,
        "through two proxies"
    );
    for unreadable in ["", "unknown", "10.1.2.3:99", "10.1.2.3,"] {
        assert_eq!(
            status(&server, "bob", &[unreadable]).await,
            401,
            "{unreadable:?}: nobody knows who that is"
        );
    }
    for unreadable in [&b"\xff, 10.1.2.3:99"[..], b"10.1.2.3, \xff", b"\xff"] {
        let value = reqwest::header::HeaderValue::from_bytes(unreadable).unwrap();
        let client = server.client("bob");
        let request = client
            .post(&client.message("tools/list", json!({})))
            .header("x-forwarded-for", value);
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    let begun = reqwest::header::HeaderValue::from_bytes(b"\xff, 10.1.2.3").unwrap();
    let client = server.client("ada");
    let request = client
        .post(&client.message("tools/list", json!({})))
        .header("x-forwarded-for", begun);
    assert_eq!(
        request.send().await.unwrap().status(),
        200,
        "what the caller put in front is neither here nor there"
    );
    let record = server.record();
    assert!(
        record
            .iter()
            .all(|line| !line.to_string().contains("127.0.0.1")),
        "{record:?}"
    );
}

#[tokio::test]
async fn failed_sign_ins_count_for_the_caller_behind_the_proxy() {
    let server = Server::prod_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.auth.failures_per_minute = 1;
    })
    .await;
    assert_eq!(status(&server, "mallory", &["192.0.2.1"]).await, 401);
    assert_eq!(status(&server, "mallory", &["192.0.2.1"]).await, 429);
    assert_eq!(
        status(&server, "bob", &["192.0.2.1"]).await,
        200,
        "a good key at the same address comes in"
    );
    assert_eq!(
        status(&server, "mallory", &["192.0.2.2"]).await,
        401,
        "its neighbour is somebody else"
    );
    assert_eq!(status(&server, "mallory", &["2001:db8::1"]).await, 401);
    assert_eq!(
        status(&server, "mallory", &["2001:db8::2"]).await,
        429,
        "one /64 is one peer"
    );
}

#[tokio::test]
async fn when_the_table_of_callers_is_full_a_newcomer_waits() {
    let server = Server::start(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.max_identities = 1;
        config.limits.burst = 1_000;
        config.limits.per_minute = 1;
    })
    .await;
    let client = server.anonymous();
    let message = client.message("tools/list", json!({}));
    let mut statuses = Vec::new();
    for caller in 0..200 {
        let request = client
            .post(&message)
            .header("x-forwarded-for", format!("192.0.2.{caller}"));
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    let let_in = statuses.iter().filter(|status| **status == 200).count();
    // One for each of the table's sixteen parts.
    assert!((1..=16).contains(&let_in), "{let_in}");
    assert!(statuses.iter().all(|status| [200, 429].contains(status)));
    assert_eq!(statuses[0], 200);
    let known = client
        .post(&message)
        .header("x-forwarded-for", "192.0.2.0")
        .send()
        .await
        .unwrap();
    assert_eq!(known.status(), 200, "who is known goes on");
}
