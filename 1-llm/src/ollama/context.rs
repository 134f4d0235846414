//! How full the context is. Ollama cuts an over-long conversation silently and from the front,
//! so the system prompt and the tools go first. The answer carries a warning before that.

use serde_json::Value;

use crate::{
    ChatRequest, Completion,
    chat::{ContextUse, Message},
};

/// From here on the next question or two may not fit any more.
const NEARLY_FULL: f64 = 0.8;
/// A rough estimate must be this far over before it is believed.
const SURELY_OVER: f64 = 1.25;
/// What an image costs, roughly; models differ.
const IMAGE_TOKENS: u64 = 768;

/// About how many tokens a conversation takes. Four letters of English a token; other scripts
/// come nearer to one token a character.
pub(super) fn estimate(request: &ChatRequest) -> u64 {
    let messages: u64 = request.messages.iter().map(message_tokens).sum();
    let tools: u64 = request
        .tools
        .iter()
        .map(|tool| {
            8 + text_tokens(&tool.name)
                + text_tokens(&tool.description)
                + json_tokens(&tool.parameters)
        })
        .sum();
    messages + tools
}

fn message_tokens(message: &Message) -> u64 {
    let calls: u64 = message
        .tool_calls
        .iter()
        .map(|call| {
            8 + text_tokens(&call.name)
                + call
                    .arguments
                    .iter()
                    .map(|(k, v)| text_tokens(k) + json_tokens(v))
                    .sum::<u64>()
        })
        .sum();
    // Four for the words that mark where a message begins and ends.
    4 + text_tokens(&message.content) + calls + message.images.len() as u64 * IMAGE_TOKENS
}

fn text_tokens(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
    let other = text.chars().count() as u64 - ascii;
    ascii.div_ceil(4) + other
}

fn json_tokens(value: &Value) -> u64 {
    text_tokens(&value.to_string())
}

/// Adds to the answer how full the context is, and a warning when the beginning was cut off, or
/// soon will be. `size` is 0 when Ollama doesn't say.
#[allow(
    clippy::cast_precision_loss,
    reason = "token counts are far below 2^52"
)]
pub(super) fn add_use(completion: &mut Completion, size: u64, estimated: u64) {
    if size == 0 {
        return;
    }
    let used = completion.usage.prompt_tokens + completion.usage.completion_tokens;
    completion.context = Some(ContextUse { used, size });
    let cure = "Start a new conversation, or raise num_ctx.";
    if estimated as f64 > size as f64 * SURELY_OVER {
        completion.warnings.push(format!(
            "The conversation takes about {estimated} tokens and the model's context holds {size}: Ollama \
             cut its beginning off without saying so, instructions and tools first. {cure}"
        ));
    } else if used as f64 >= size as f64 * NEARLY_FULL {
        completion.warnings.push(format!(
            "The context is nearly full ({used} of {size} tokens): soon Ollama cuts the conversation's \
             beginning off without saying so, instructions and tools first. {cure}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Timings, Usage};
    use crate::{Role, ToolSpec};

    fn reported(used: u64, estimated: u64) -> Completion {
        let mut completion = Completion {
            provider: String::new(),
            model: String::new(),
            message: Message::new(Role::Assistant, ""),
            done_reason: String::new(),
            usage: Usage {
                prompt_tokens: used - 10,
                completion_tokens: 10,
            },
            timings: Timings::default(),
            context: None,
            warnings: Vec::new(),
        };
        add_use(&mut completion, 1_000, estimated);
        completion
    }

    #[test]
    fn there_is_a_warning_before_the_context_is_full_and_none_while_there_is_room() {
        assert_eq!(reported(799, 700).warnings, [""; 0]);
        assert!(reported(800, 700).warnings[0].contains("nearly full (800 of 1000 tokens)"));
        assert_eq!(
            reported(799, 700).context,
            Some(ContextUse {
                used: 799,
                size: 1_000
            })
        );
    }

    #[test]
    fn a_conversation_that_cannot_have_fitted_is_said_to_be_cut() {
        assert!(reported(999, 5_000).warnings[0].contains("cut its beginning off"));
    }

    #[test]
    fn the_estimate_counts_words_tools_and_images() {
        let mut request = ChatRequest {
            messages: vec![Message::user("word ".repeat(400))],
            ..ChatRequest::default()
        };
        let words = estimate(&request);
        assert!((450..550).contains(&words), "{words}");
        request.messages[0].images.push("aGVq".to_owned());
        assert_eq!(estimate(&request), words + IMAGE_TOKENS);
        request.tools.push(ToolSpec {
            name: "weather-get".to_owned(),
            description: "The weather in a city".to_owned(),
            parameters: serde_json::json!({"type": "object", "properties": {"city": {"type": "string"}}}),
        });
        assert!(estimate(&request) > words + IMAGE_TOKENS + 20);
        request.messages.push(Message::user("日本語".repeat(10)));
        assert!(estimate(&request) > words + IMAGE_TOKENS + 50);
    }
}
