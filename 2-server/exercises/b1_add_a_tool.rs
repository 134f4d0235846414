//! # b1 · Add a tool
//!
//! A tool has a name, a description for the model that chooses, a schema of what it takes and one of
//! what it gives. The trait `Tool` makes both schemas from your types, so that they can't disagree
//! with the code. `WordCount` is in the list already, but it does nothing yet, swallows misspelt
//! arguments, and says nothing of what it does to the world.
//!
//! Finish it in `mod b1`. To put such a tool into the real server you would add a file to
//! `2-server/src/features/tools/`, and one line to the list in its `mod.rs`.
//!
//! - In the real code: `2-server/src/features/tools/echo.rs` is the smallest tool.
//! - Specification: <https://modelcontextprotocol.io/specification/2026-07-28/server/tools#calling-tools>, and on the same page
//!   "Structured Content" and "Tool" (annotations).
#![allow(unreachable_pub, reason = "all of it is a test")]

mod support;

mod b1 {
    use mcp_server::features::tools::{Answer, Tool, ToolContext, ToolError};
    use rmcp::model::ToolAnnotations;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// Counts words.
    #[derive(Debug)]
    pub struct WordCount;

    /// What it takes.
    #[derive(Debug, Deserialize, JsonSchema)]
    pub struct Input {
        /// The text whose words are counted.
        text: String,
    }

    /// What it gives.
    #[derive(Debug, Serialize, JsonSchema)]
    pub struct Output {
        /// How many words there are.
        words: usize,
    }

    impl Tool for WordCount {
        type Input = Input;
        type Output = Output;

        const NAME: &'static str = "text-count";
        const TITLE: &'static str = "Count words";
        const DESCRIPTION: &'static str = "Counts the words of a text.";

        fn annotations(&self) -> ToolAnnotations {
            ToolAnnotations::new()
        }

        async fn call(
            &self,
            input: Input,
            _context: ToolContext,
        ) -> Result<Answer<Output>, ToolError> {
            let bytes = input.text.len();
            Err(ToolError(format!("nobody counts these {bytes} bytes yet")))
        }
    }
}

use mcp_server::features::tools::Registered;
use serde_json::json;

use crate::{
    b1::WordCount,
    support::{Host, Toolbox, allowing},
};

#[tokio::test]
async fn the_tool_counts_and_says_what_it_is() {
    let tool = Registered::new(WordCount, "tools:text:count").unwrap();
    let mut host = Host::launch(Toolbox(vec![tool]), allowing(&["tools:text:*"]));

    let text = "A tool call\nis  a wish";
    let result = host.call("text-count", json!({ "text": text })).await["result"].clone();
    assert_eq!(
        result["structuredContent"],
        json!({ "words": 6 }),
        "text-count should find 6 words, but the server answered {result}. Return an Answer: `data` \
         is the Output for programs, `text` is the same for people and models"
    );
    let shown = result["content"][0]["text"].as_str().unwrap_or_default();
    assert!(
        shown.contains('6'),
        "hosts that know no structured content show the text, and it says {shown:?}: put the number \
         into it too"
    );

    let misspelt = json!({ "text": text, "langauge": "en" });
    let refused = host.call("text-count", misspelt).await["result"].clone();
    assert_eq!(
        refused["isError"], true,
        "the argument \"langauge\" was swallowed in silence. A model that misspells an argument must \
         hear of it: let Input refuse what it doesn't know"
    );

    let listed = host.ask("tools/list", json!({})).await["result"]["tools"][0].clone();
    assert_eq!(
        listed["annotations"]["readOnlyHint"], true,
        "a host may let tools that only read run without asking each time. This one only reads, and \
         its annotations don't say so"
    );
}
