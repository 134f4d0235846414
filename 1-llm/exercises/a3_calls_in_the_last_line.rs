//! # a3 · Tool calls in the last line
//!
//! A model that wants a tool says so in its answer, and the program that runs the loop then calls it over
//! MCP. Ollama may put that wish into any line of the stream, also into the one that says
//! `"done": true`, together with the last piece of text. A reader that looks at `done` first loses it,
//! and the person sees a model that "ignores its tools".
//!
//! `read` below is such a reader. It has a second fault: older engines give a call no id, and two
//! calls without one can't be told apart when their results come back.
//!
//! - In the real code: `1-llm/src/ollama/decode.rs`, and `fresh_call_id` in `1-llm/src/chat.rs`.
//! - Specification: Ollama's API, "Chat request (Streaming with tools)". In MCP the wish becomes a
//!   `tools/call`, <https://modelcontextprotocol.io/specification/2026-07-28/server/tools#calling-tools>.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod a3 {
    use mcp_llm::ToolCall;
    use serde::Deserialize;
    use serde_json::{Map, Value};

    /// What a line can bring.
    #[derive(Debug, PartialEq)]
    pub enum Piece {
        Text(String),
        Call(ToolCall),
        End,
    }

    #[derive(Deserialize)]
    struct Line {
        #[serde(default)]
        message: Said,
        #[serde(default)]
        done: bool,
    }

    #[derive(Default, Deserialize)]
    struct Said {
        #[serde(default)]
        content: String,
        #[serde(default)]
        tool_calls: Vec<Wish>,
    }

    #[derive(Deserialize)]
    struct Wish {
        #[serde(default)]
        id: String,
        function: Function,
    }

    #[derive(Deserialize)]
    struct Function {
        name: String,
        #[serde(default)]
        arguments: Map<String, Value>,
    }

    /// Reads one line; `number` is its number in the answer, from 0.
    pub fn read(text: &str, number: usize) -> Result<Vec<Piece>, String> {
        let wrong = |error| format!("line {number} isn't what Ollama sends: {error}");
        let line: Line = serde_json::from_str(text).map_err(wrong)?;
        if line.done {
            return Ok(vec![Piece::End]);
        }
        let mut pieces = Vec::new();
        if !line.message.content.is_empty() {
            pieces.push(Piece::Text(line.message.content));
        }
        for wish in line.message.tool_calls {
            pieces.push(Piece::Call(ToolCall {
                id: wish.id,
                name: wish.function.name,
                arguments: wish.function.arguments,
            }));
        }
        Ok(pieces)
    }
}

use mcp_llm::ToolCall;

use crate::a3::{Piece, read};

fn calls(pieces: &[Piece]) -> Vec<&ToolCall> {
    let mut calls = Vec::new();
    for piece in pieces {
        if let Piece::Call(call) = piece {
            calls.push(call);
        }
    }
    calls
}

#[test]
fn a_wish_is_heard_in_every_line() {
    let last = r#"{"message":{"content":" Looking.","tool_calls":[
        {"id":"call_7","function":{"name":"weather-get","arguments":{"city":"Oslo"}}}]},"done":true}"#;
    let pieces = read(last, 3).unwrap();
    let heard = calls(&pieces);
    assert_eq!(
        heard.len(),
        1,
        "the last line asked for weather-get, and nobody heard it. Read what a line says before you \
         look whether it is the last one"
    );
    assert_eq!(
        (&*heard[0].id, &*heard[0].name),
        ("call_7", "weather-get"),
        "a call keeps the id that the engine gave it: the result goes back under that id"
    );
    assert_eq!(
        (pieces.first(), pieces.last()),
        (Some(&Piece::Text(" Looking.".into())), Some(&Piece::End)),
        "the last line may carry text too; the end comes after everything else"
    );

    let nameless =
        r#"{"message":{"tool_calls":[{"function":{"name":"echo"}},{"function":{"name":"echo"}}]}}"#;
    let (one, two) = (read(nameless, 0).unwrap(), read(nameless, 1).unwrap());
    let mut ids: Vec<&str> = calls(&one)
        .into_iter()
        .chain(calls(&two))
        .map(|call| &*call.id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert!(
        ids.len() == 4 && !ids.contains(&""),
        "four calls came without an id, and have these: {ids:?}. Give each one of its own, or nobody \
         can say which result answers which call"
    );
}
