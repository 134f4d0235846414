//! A task is there only for the identity whose call began it.

use mcp_server::transport::HttpSettings;
use serde_json::{Value, json};

use crate::support::{Server, Wire, odd::Odd, whole};

async fn server() -> (Odd, Server) {
    let odd = Odd::default();
    let server = Server::guarding(odd.clone(), |it| it, HttpSettings::default()).await;
    std::fs::write(
        server.keys_file(),
        crate::support::keys(&[("ada", "\"*\""), ("eve", "\"*\"")]),
    )
    .unwrap();
    server.keys.reload().unwrap();
    (odd, server)
}

/// A request with the tasks capability declared.
async fn ask(client: &Wire, method: &str, params: Value) -> Value {
    let mut message = client.message(method, params);
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let answer = client.send(message).await;
    answer.messages.last().unwrap().clone()
}

const METHODS: [&str; 3] = ["tasks/get", "tasks/update", "tasks/cancel"];

#[tokio::test]
async fn over_http_a_task_is_unknown_to_everybody_else() {
    let (odd, server) = server().await;
    let (ada, eve) = (server.client("ada"), server.client("eve"));
    let begun = ask(&ada, "tools/call", json!({ "name": "task" })).await;
    let id = begun["result"]["taskId"].as_str().unwrap().to_owned();
    let before = odd.reached();
    for method in METHODS {
        let params = json!({ "taskId": id, "inputResponses": {} });
        let stolen = ask(&eve, method, params.clone()).await;
        let missing = ask(
            &eve,
            method,
            json!({ "taskId": "nowhere", "inputResponses": {} }),
        )
        .await;
        let same = |answer: &Value, id: &str| answer["error"].to_string().replace(id, "ID");
        assert_eq!(stolen["error"]["code"], -32602, "{method}: {stolen}");
        assert_eq!(same(&stolen, &id), same(&missing, "nowhere"), "{method}");
    }
    assert_eq!(odd.reached(), before, "the handler never heard of it");
    for method in METHODS {
        ask(&ada, method, json!({ "taskId": id, "inputResponses": {} })).await;
    }
    assert_eq!(odd.reached(), before + 3, "its owner gets through");
    let record = server.record();
    let refused: Vec<_> = record
        .iter()
        .filter(|line| line["outcome"] == "FORBIDDEN")
        .collect();
    assert_eq!(refused.len(), 6);
    assert_eq!(refused[0]["target"], id);
}

#[tokio::test]
async fn over_stdio_too() {
    let (odd, server) = server().await;
    let mut ada = server.talk(Some("ada"));
    let begun = ada
        .ask(1, "tools/call", whole(json!({ "name": "task" })))
        .await;
    let id = begun["result"]["taskId"].clone();
    let mut eve = server.talk(Some("eve"));
    let before = odd.reached();
    let stolen = eve
        .ask(1, "tasks/get", whole(json!({ "taskId": id })))
        .await;
    assert_eq!(
        (&stolen["error"]["code"], odd.reached()),
        (&json!(-32602), before)
    );
    ada.ask(2, "tasks/get", whole(json!({ "taskId": id })))
        .await;
    assert_eq!(odd.reached(), before + 1);
    ada.end().await.unwrap();
    eve.end().await.unwrap();
}
