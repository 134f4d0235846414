//! There is one way out with a text, and it is past `Done`.

use futures_util::StreamExt as _;
use mcp_llm::{ChatEvent, ChatStream, ErrorKind, ProviderError};

/// Waits for the whole answer, and gives its text.
pub async fn whole(mut answer: ChatStream) -> Result<String, ProviderError> {
    while let Some(event) = answer.next().await {
        if let ChatEvent::Done(completion) = event? {
            return Ok(completion.message.content);
        }
    }
    Err(ProviderError::new(
        ErrorKind::Truncated,
        "The answer was cut off. Ask again.",
        "the stream ended without Done",
    ))
}
