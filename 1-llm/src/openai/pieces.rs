//! Tool calls arrive in pieces here: a name first, then the arguments as a string, letter by
//! letter. A call is passed on only when it is whole.

use serde_json::{Map, Value};

use super::wire::CallPiece;
use crate::{ProviderError, ToolCall, chat::fresh_call_id, error::ErrorKind, text::excerpt};

/// No answer needs more, and pieces of calls come without end from a server that has gone astray.
const MAX_CALLS: usize = 256;
const LONGEST_ARGUMENTS: usize = 8 << 20;

/// The calls of which some pieces have come.
#[derive(Default)]
pub(super) struct GrowingCalls {
    calls: Vec<GrowingCall>,
    bytes: usize,
}

#[derive(Default)]
struct GrowingCall {
    index: usize,
    id: String,
    name: String,
    arguments: String,
}

impl GrowingCalls {
    /// Adds a piece to the call that it belongs to.
    pub(super) fn add(&mut self, piece: CallPiece) -> Result<(), ProviderError> {
        let function = piece.function.unwrap_or_default();
        let (name, arguments) = (
            function.name.unwrap_or_default(),
            function.arguments.unwrap_or_default(),
        );
        self.bytes += name.len() + arguments.len();
        // A server that leaves the index out sends its calls one after the other, each whole or
        // with its name first.
        let index = piece.index.unwrap_or_else(|| {
            let last = self.calls.last().map_or(0, |call| call.index);
            if name.is_empty() || self.calls.is_empty() {
                last
            } else {
                last + 1
            }
        });
        let at = match self.calls.iter().position(|call| call.index == index) {
            Some(at) => at,
            None => {
                self.calls.push(GrowingCall {
                    index,
                    ..GrowingCall::default()
                });
                self.calls.len() - 1
            }
        };
        if self.calls.len() > MAX_CALLS || self.bytes > LONGEST_ARGUMENTS {
            return Err(ProviderError::new(
                ErrorKind::Engine,
                "The model asked for more tools than any answer needs, and was stopped.",
                format!(
                    "{} calls, {} bytes of arguments",
                    self.calls.len(),
                    self.bytes
                ),
            ));
        }
        if let Some(call) = self.calls.get_mut(at) {
            if let Some(id) = piece.id.filter(|id| !id.is_empty()) {
                call.id = id;
            }
            call.name.push_str(&name);
            call.arguments.push_str(&arguments);
        }
        Ok(())
    }

    /// The whole calls, in their order.
    pub(super) fn finish(mut self) -> Result<Vec<ToolCall>, ProviderError> {
        self.calls.sort_by_key(|call| call.index);
        self.calls.into_iter().map(GrowingCall::finish).collect()
    }
}

impl GrowingCall {
    fn finish(self) -> Result<ToolCall, ProviderError> {
        let arguments = match self.arguments.trim() {
            "" => Map::new(),
            text => match serde_json::from_str::<Value>(text) {
                Ok(Value::Object(arguments)) => arguments,
                _ => {
                    return Err(ProviderError::new(
                        ErrorKind::Engine,
                        format!(
                            "The model wrote arguments for {} that aren't a JSON object. Ask again, or use a \
                             model that is better at calling tools.",
                            excerpt(self.name.as_bytes(), 80)
                        ),
                        format!("arguments: {}", excerpt(text.as_bytes(), 200)),
                    ));
                }
            },
        };
        let id = if self.id.is_empty() {
            fresh_call_id()
        } else {
            self.id
        };
        Ok(ToolCall {
            id,
            name: self.name,
            arguments,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn whole(pieces: Value) -> Result<Vec<ToolCall>, ProviderError> {
        let mut growing = GrowingCalls::default();
        for piece in serde_json::from_value::<Vec<CallPiece>>(pieces).unwrap() {
            growing.add(piece)?;
        }
        growing.finish()
    }

    #[test]
    fn two_calls_whose_pieces_are_mixed_come_out_whole_and_in_order() {
        let calls = whole(json!([
            {"index": 1, "id": "b", "function": {"name": "two", "arguments": ""}},
            {"index": 0, "id": "a", "function": {"name": "one"}},
            {"index": 1, "function": {"arguments": "{\"n\""}},
            {"index": 0, "function": {"arguments": "{}"}},
            {"index": 1, "function": {"arguments": ":2}"}},
        ]))
        .unwrap();
        let shown: Vec<_> = calls
            .into_iter()
            .map(|c| (c.id, c.name, Value::from(c.arguments)))
            .collect();
        let expected = [("a", "one", json!({})), ("b", "two", json!({"n": 2}))];
        assert_eq!(
            shown,
            expected.map(|(id, name, arguments)| (id.to_owned(), name.to_owned(), arguments))
        );
    }

    #[test]
    fn calls_without_an_index_or_an_id_are_told_apart_by_their_names() {
        let calls = whole(json!([
            {"function": {"name": "one", "arguments": "{"}},
            {"function": {"arguments": "}"}},
            {"function": {"name": "two", "arguments": ""}},
        ]))
        .unwrap();
        assert_eq!(
            calls
                .iter()
                .map(|call| call.name.as_str())
                .collect::<Vec<_>>(),
            ["one", "two"]
        );
        assert_ne!(calls[0].id, calls[1].id);
    }

    #[test]
    fn arguments_that_are_no_object_are_an_error_that_names_the_tool() {
        for arguments in ["{\"city\":", "\"Oslo\"", "[1]"] {
            let error = whole(json!([{"function": {"name": "weather", "arguments": arguments}}]))
                .unwrap_err();
            assert!(error.public.contains("weather"), "{error}");
        }
    }

    #[test]
    fn calls_without_end_are_stopped() {
        let many: Vec<Value> = (0..300)
            .map(|n| json!({"index": n, "function": {"name": "x"}}))
            .collect();
        assert_eq!(whole(many.into()).unwrap_err().kind, ErrorKind::Engine);
    }
}
