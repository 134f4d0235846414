//! Signs in by asking somebody else, who takes his time and changes his mind.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use mcp_server::{
    interceptor::{
        Authenticate, Credential, Denial, DenialKind, Grant, Grants, Identity, Peer, Principal,
    },
    transport::HttpSettings,
};
use serde_json::json;

use crate::support::{Server, next, odd::Odd};

/// A wait that doesn't end is a failure, not a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who may come in, as an issuer of tokens would know it.
#[derive(Debug, Clone, Default)]
struct Issuer(Arc<Mutex<HashMap<String, Principal>>>);

impl Issuer {
    fn admit(&self, token: &str, scopes: &[&str]) {
        let grants = scopes.iter().map(|scope| Grant::parse(scope).unwrap());
        let principal = Principal::new(Identity {
            label: format!("token:{token}").into(),
            name: Some(format!("the holder of {token}").into()),
            credential: None,
            grants: Arc::new(Grants::new(grants.collect())),
            rate: None,
            expires: None,
            method: "token",
        });
        let old = self.0.lock().unwrap().insert(token.to_owned(), principal);
        if let Some(old) = old {
            old.end_signal().cancel();
        }
    }

    fn revoke(&self, token: &str) {
        let gone = self.0.lock().unwrap().remove(token);
        gone.unwrap().end_signal().cancel();
    }

    async fn asks(&self, label: &str) -> Option<Principal> {
        // The answer comes over a network.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let known = self.0.lock().unwrap();
        let mut principals = known.values();
        principals.find(|it| **it.label() == *label).cloned()
    }
}

#[async_trait]
impl Authenticate for Issuer {
    fn method(&self) -> &'static str {
        "token"
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        credential.secret.is_some_and(|it| it.starts_with("t-"))
    }

    async fn sign_in(&self, credential: &Credential<'_>, _peer: Peer) -> Result<Principal, Denial> {
        let label = format!("token:{}", credential.secret.unwrap_or_default());
        self.asks(&label)
            .await
            .ok_or_else(|| Denial::unauthorized("the token isn't valid").because("not active"))
    }

    async fn recheck(&self, who: &Principal) -> Result<Principal, Denial> {
        if !who.end_signal().is_cancelled() {
            return Ok(who.clone());
        }
        let now = self.asks(who.label()).await;
        now.ok_or_else(|| Denial::unauthorized("the token was revoked"))
    }

    fn changes(&self) -> bool {
        true
    }
}

async fn server(issuer: &Issuer, odd: Odd) -> Server {
    let issuer = Arc::new(issuer.clone());
    // The one arm.
    Server::guarding(odd, |it| it.authenticate(issuer), HttpSettings::default()).await
}

#[tokio::test]
async fn a_token_signs_in_beside_the_keys_and_is_refused_like_them() {
    let issuer = Issuer::default();
    issuer.admit("t-1", &["tools:util:echo"]);
    let server = server(&issuer, Odd::default()).await;
    let holder = server.client("t-1");
    assert_eq!(holder.call("echo", json!({})).await.status, 200);
    assert_eq!(
        server.client("ada").call("echo", json!({})).await.status,
        200
    );
    assert_eq!(holder.call("slow", json!({})).await.status, 403);
    let refused = server.client("t-2").call("echo", json!({})).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let record = server.record();
    let of_holder: Vec<_> = record
        .iter()
        .filter(|line| line["identity"] == "token:t-1")
        .collect();
    assert_eq!(of_holder.len(), 2);
    assert!(
        of_holder
            .iter()
            .all(|line| line["name"] == "the holder of t-1" && line["address"] == "127.0.0.1")
    );
    let refused = record.last().unwrap();
    assert_eq!(refused["outcome"], "UNAUTHORIZED");
    assert_eq!(refused["reason"], "not active", "{refused}");
}

#[tokio::test]
async fn a_revoked_token_ends_what_runs_and_a_changed_one_is_announced() {
    let issuer = Issuer::default();
    issuer.admit("t-1", &["*"]);
    let odd = Odd::default();
    let server = server(&issuer, odd.clone()).await;
    let holder = server.client("t-1");
    let running = tokio::time::timeout(PATIENCE, holder.call("slow", json!({})));
    let revoke = async {
        while odd.reached() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        issuer.revoke("t-1");
    };
    let revoke = tokio::time::timeout(PATIENCE, revoke);
    let (ended, revoked) = tokio::join!(running, revoke);
    revoked.expect("the call began");
    let ended = ended.expect("it ended");
    assert_eq!(ended.status, 401, "{ended:?}");
    assert_eq!(holder.call("echo", json!({})).await.status, 401);

    issuer.admit("t-1", &["tools:util:echo"]);
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let message = holder.message("subscriptions/listen", wanted);
    let mut stream = holder.stream(message).await;
    let first = next(&mut stream).await.unwrap();
    assert_eq!(
        first["params"]["notifications"]["toolsListChanged"], true,
        "{first}"
    );
    issuer.admit("t-1", &["*"]);
    let heard = next(&mut stream).await.unwrap();
    assert_eq!(heard["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn an_issuer_that_is_away_refuses_without_counting_a_failure() {
    #[derive(Debug)]
    struct Away;

    #[async_trait]
    impl Authenticate for Away {
        fn method(&self) -> &'static str {
            "away"
        }
        fn recognises(&self, credential: &Credential<'_>) -> bool {
            credential.secret == Some("t-1")
        }
        async fn sign_in(&self, _: &Credential<'_>, _: Peer) -> Result<Principal, Denial> {
            Err(Denial::new(DenialKind::Unavailable, "try again later"))
        }
        async fn recheck(&self, _: &Principal) -> Result<Principal, Denial> {
            Err(Denial::new(DenialKind::Unavailable, "try again later"))
        }
    }

    let server = Server::guarding(
        Odd::default(),
        |it| it.authenticate(Arc::new(Away)).failed_sign_ins(1),
        HttpSettings::default(),
    )
    .await;
    for _ in 0..3 {
        let refused = server.client("t-1").call("echo", json!({})).await;
        assert_eq!(refused.status, 503, "{refused:?}");
    }
}
