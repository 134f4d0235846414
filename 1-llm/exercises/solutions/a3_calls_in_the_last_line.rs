//! What a line says comes first, and that it was the last one comes last.

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
    let mut pieces = Vec::new();
    if !line.message.content.is_empty() {
        pieces.push(Piece::Text(line.message.content));
    }
    for (place, wish) in line.message.tool_calls.into_iter().enumerate() {
        let id = if wish.id.is_empty() {
            format!("call_{number}_{place}")
        } else {
            wish.id
        };
        pieces.push(Piece::Call(ToolCall {
            id,
            name: wish.function.name,
            arguments: wish.function.arguments,
        }));
    }
    if line.done {
        pieces.push(Piece::End);
    }
    Ok(pieces)
}
