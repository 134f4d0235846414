//! What Ollama's refusals mean, in words that say what to do next.

use std::time::Duration;

use serde_json::Value;

use crate::{
    error::{ErrorKind, ProviderError},
    http::{Failure, Http, error_message},
    text::{excerpt, quoted},
};

/// When a busy engine names no time of its own, this is said to be it.
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
    let error = |kind, public: String| ProviderError::new(kind, public, &internal);
    let lower = message.to_ascii_lowercase();
    match status {
        404 if lower.contains("model") => {
            let name = model.unwrap_or("that model");
            error(
                ErrorKind::ModelNotFound,
                format!("The model {} isn't installed. Get it with: ollama pull {}", quoted(name), shell_safe(name)),
            )
        }
        404 => error(
            ErrorKind::Invalid,
            format!(
                "The program at {} has no such route. Set its address up to where /api begins, such as \
                 http://127.0.0.1:11434",
                http.address.public_description()
            ),
        ),
        403 if lower.is_empty() => error(
            ErrorKind::Unauthorized,
            "Ollama refuses this Host name. Set OLLAMA_ORIGINS and OLLAMA_HOST on its side, or use its \
             loopback address."
                .to_owned(),
        ),
        401 | 403 => error(
            ErrorKind::Unauthorized,
            "Ollama requires a credential: set OLLAMA_API_KEY, or run: ollama signin".to_owned(),
        ),
        429 | 502 | 503 => {
            let retry_after = retry_after.unwrap_or(RETRY_AFTER);
            error(
                ErrorKind::Busy { retry_after },
                format!("Ollama is busy. Try again in {} s.", retry_after.as_secs().max(1)),
            )
        }
        400 if lower.contains("does not support") => {
            let what = lower.split("does not support").nth(1).unwrap_or("").trim();
            error(
                ErrorKind::Unsupported,
                format!(
                    "The model {} doesn't support {}. Leave that out, or use a model that does: mcp-llm models",
                    quoted(model.unwrap_or("that was asked for")),
                    excerpt(what.as_bytes(), 40),
                ),
            )
        }
        400 if is_context_full(&lower) => error(ErrorKind::ContextFull, context_full()),
        400..=499 => error(
            ErrorKind::Invalid,
            format!("Ollama refuses the request: {}", excerpt(message.as_bytes(), 200)),
        ),
        _ => run_error(&message, &internal),
    }
}

/// An error that came as a line, after the answer had begun (or instead of one).
pub(super) fn line_error(http: &Http, error: &Value, model: &str) -> ProviderError {
    let message = match error {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let internal = format!(
        "{} sent an error for {}: {}",
        http.address.as_str(),
        quoted(model),
        excerpt(message.as_bytes(), 500)
    );
    run_error(&message, &internal)
}

/// Why Ollama failed while it ran the model.
fn run_error(message: &str, internal: &str) -> ProviderError {
    let lower = message.to_ascii_lowercase();
    if is_context_full(&lower) {
        return ProviderError::new(ErrorKind::ContextFull, context_full(), internal);
    }
    if lower.contains("more system memory") || lower.contains("out of memory") {
        return ProviderError::new(
            ErrorKind::Engine,
            "There isn't enough memory for that model. Use a smaller one, or a smaller num_ctx.",
            internal,
        );
    }
    ProviderError::new(
        ErrorKind::Engine,
        "Ollama failed while it ran the model. Try again; its own log says why \
         (journalctl -u ollama, or ~/.ollama/logs/server.log).",
        internal,
    )
}

fn is_context_full(lower: &str) -> bool {
    lower.contains("context")
        && (lower.contains("exceed") || lower.contains("length") || lower.contains("too long"))
}

fn context_full() -> String {
    "The conversation no longer fits into the model's context. Start a new one, or raise num_ctx."
        .to_owned()
}

/// A name for a command that somebody copies into a shell; a placeholder when it could do harm
/// there.
fn shell_safe(name: &str) -> &str {
    let harmless = |c: char| c.is_ascii_alphanumeric() || ".-_:/".contains(c);
    if !name.is_empty() && name.len() <= 120 && name.chars().all(harmless) && !name.starts_with('-')
    {
        name
    } else {
        "MODEL"
    }
}
