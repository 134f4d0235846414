//! # b4 · Complete an argument
//!
//! A prompt is a ready-made message that a person picks, and it may take arguments. While the person
//! types one, the host asks the server what it could be: `completion/complete`. `propose` below
//! answers for the argument `city` of the prompt `travel-plan`. It finds something in easy cases.
//!
//! Real lists are long, and people type in lower case. The protocol allows 100 values in an answer, and
//! wants the rest announced.
//!
//! - In the real code: `2-server/src/features/completion.rs`, `propose`.
//! - Specification: <https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/completion#completion-results>.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod support;

mod b4 {
    use rmcp::model::CompletionInfo;

    /// What the argument could be, for somebody who has typed this much of it.
    pub fn propose(cities: &[String], typed: &str) -> Result<CompletionInfo, String> {
        let values = cities.iter().filter(|city| city.contains(typed));
        CompletionInfo::new(values.cloned().collect())
    }
}

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CompleteRequestParams, CompleteResult, ServerCapabilities, ServerConfig},
    service::RequestContext,
};
use serde_json::{Value, json};

use crate::{
    b4::propose,
    support::{Host, allowing},
};

struct Travel {
    cities: Vec<String>,
}

impl ServerHandler for Travel {
    fn get_info(&self) -> ServerConfig {
        let offers = ServerCapabilities::builder().enable_prompts();
        ServerConfig::new(offers.enable_completions().build())
    }

    async fn complete(
        &self,
        params: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let info = propose(&self.cities, &params.argument.value);
        let info = info.map_err(|why| ErrorData::internal_error(why, None))?;
        Ok(CompleteResult::new(info))
    }
}

async fn typed(host: &mut Host, text: &str) -> Value {
    let params = json!({
        "ref": { "type": "ref/prompt", "name": "travel-plan" },
        "argument": { "name": "city", "value": text },
    });
    host.ask("completion/complete", params).await
}

#[tokio::test]
async fn what_is_proposed_is_ordered_and_bounded() {
    let mut cities: Vec<String> = ["Lagos", "Oslo", "Osaka", "Bergen"]
        .map(String::from)
        .into();
    let grants = &["prompts:travel-plan:get"];
    let few = Travel {
        cities: cities.clone(),
    };
    let mut host = Host::launch(few, allowing(grants));

    let answer = typed(&mut host, "OS").await;
    assert_eq!(
        answer["result"]["completion"]["values"],
        json!(["Oslo", "Osaka", "Lagos"]),
        "somebody typed \"OS\". Upper and lower case are the same while one types; what begins with \
         the text comes before what only contains it"
    );

    cities.extend((0..250).map(|number| format!("Newtown {number}")));
    let mut host = Host::launch(Travel { cities }, allowing(grants));
    let answer = typed(&mut host, "new").await;
    let completion = &answer["result"]["completion"];
    assert_eq!(
        completion["values"].as_array().map_or(0, Vec::len),
        100,
        "250 cities match, and the server answered {answer}. An answer holds at most 100 values: send \
         the first hundred"
    );
    assert_eq!(
        (&completion["total"], &completion["hasMore"]),
        (&json!(250), &json!(true)),
        "the person should know that there are more: say how many match in all, and hasMore"
    );
}
