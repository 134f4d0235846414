//! What went wrong below a conversation, as this client's own failures.

use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;

use crate::failure::Failure;
use crate::http::{HttpError, certificate_fault, too_large};
use crate::untrusted::label;

/// Finds this client's own error inside rmcp's.
pub(super) fn transport_failure(error: &DynamicTransportError) -> Failure {
    match error.error.downcast_ref::<StreamableHttpError<HttpError>>() {
        Some(error) => http_failure(error),
        // A child process whose pipe is gone.
        None => Failure::Lost,
    }
}

pub(super) fn http_failure(error: &StreamableHttpError<HttpError>) -> Failure {
    match error {
        StreamableHttpError::Client(HttpError::Refused(failure)) => failure.clone(),
        StreamableHttpError::Client(error @ HttpError::Request(source)) if source.is_connect() => {
            match certificate_fault(source) {
                Some(fault) => Failure::Untrusted(fault),
                None => Failure::Away(error.to_string()),
            }
        }
        StreamableHttpError::Client(HttpError::Request(_))
        | StreamableHttpError::Sse(_)
        | StreamableHttpError::UnexpectedEndOfStream
        | StreamableHttpError::TransportChannelClosed => Failure::Lost,
        StreamableHttpError::ResponseBodyTooLarge { .. } => too_large(),
        StreamableHttpError::SessionExpired => Failure::SessionExpired,
        other => Failure::Protocol(label(&other.to_string(), 200)),
    }
}
