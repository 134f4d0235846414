//! What the refusals of an OpenAI-compatible server mean, in words that say what to do next.

use std::time::Duration;

use crate::{
    error::{ErrorKind, ProviderError},
    http::{Failure, Http, error_message},
    text::{excerpt, quoted},
};

/// When a busy server names no time of its own, this is said to be it.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Puts an answer other than 2xx into words. `model` is the one that was asked for, if any.
pub(super) fn explain(http: &Http, failure: Failure, model: Option<&str>) -> ProviderError {
    let (status, retry_after, body) = match failure {
        Failure::Error(error) => return error,
        Failure::Refused {
            status,
            retry_after,
            body,
        } => (status.as_u16(), retry_after, body),
    };
    let message = error_message(&body);
    let internal = format!("{} answered {status}: {message}", http.address.as_str());
    let lower = message.to_ascii_lowercase();
    let named = quoted(model.unwrap_or("that was asked for"));
    let (kind, public) = match status {
        401 | 403 => (
            ErrorKind::Unauthorized,
            "The model server refuses the key: set OPENAI_API_KEY.".to_owned(),
        ),
        404 if model.is_some() && lower.contains("model") => (
            ErrorKind::ModelNotFound,
            format!("The model server has no model {named}. List what it has with: mcp-llm models"),
        ),
        404 => (
            ErrorKind::Invalid,
            "The model server has no such route. base_url must end where /chat/completions begins, such as \
             http://127.0.0.1:8000/v1"
                .to_owned(),
        ),
        429 | 502 | 503 => {
            let retry_after = retry_after.unwrap_or(RETRY_AFTER);
            let public = format!("The model server is busy. Try again in {} s.", retry_after.as_secs().max(1));
            (ErrorKind::Busy { retry_after }, public)
        }
        400 | 413 | 422 if is_context_full(&lower) => (ErrorKind::ContextFull, context_full()),
        400 | 422 if lower.contains("tool") && (lower.contains("support") || lower.contains("enable")) => (
            ErrorKind::Unsupported,
            format!("The model {named} can't use tools as that server runs it. Leave them out, or start the server with them."),
        ),
        400..=499 => (
            ErrorKind::Invalid,
            format!("The model server refuses the request: {}", excerpt(message.as_bytes(), 200)),
        ),
        _ => (ErrorKind::Engine, failed()),
    };
    ProviderError::new(kind, public, internal)
}

/// An error that came in the middle of an answer.
pub(super) fn stream_error(http: &Http, data: &[u8]) -> ProviderError {
    let message = error_message(data);
    let internal = format!("{} sent an error: {message}", http.address.as_str());
    if is_context_full(&message.to_ascii_lowercase()) {
        return ProviderError::new(ErrorKind::ContextFull, context_full(), internal);
    }
    ProviderError::new(ErrorKind::Engine, failed(), internal)
}

fn is_context_full(lower: &str) -> bool {
    lower.contains("context")
        && ["exceed", "maximum", "length", "too long", "size"]
            .iter()
            .any(|w| lower.contains(w))
}

fn context_full() -> String {
    "The conversation no longer fits into the model's context. Start a new one, or start the server with a \
     larger context."
        .to_owned()
}

fn failed() -> String {
    "The model server failed while it ran the model. Try again; its own log says why.".to_owned()
}
