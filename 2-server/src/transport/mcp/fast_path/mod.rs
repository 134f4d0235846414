//! The fast path of `/mcp`: a `tools/call` of 2026-07-28 that is in order in every respect, and that
//! asks for nothing but its answer, goes straight to the guard, and its answer straight back.
//!
//! rmcp gives each request a service, a transport and three tasks of its own, after it has tried the
//! message as one type after the other and turned it back into JSON to compare it with the headers.
//! That is half of what a call takes, and a call like this needs none of it.
//!
//! **It never refuses.** What it isn't sure of, however little, goes the long way, and whatever is
//! said of it is rmcp's word. So there is one place that knows what is wrong with a request, and a
//! doubt costs nothing but time. The guard, with every control, stands at the end of both ways.

use std::{sync::OnceLock, task::Poll};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    response::Response,
};
use futures_util::poll;
use http::{HeaderMap, HeaderName, Method, StatusCode, header, request::Parts};
use rmcp::{
    ErrorData, Peer, RoleServer, ServerHandler, Service,
    model::{
        CallToolRequest, CallToolRequestMethod, CallToolRequestParams, ClientRequest, ErrorCode,
        InitializeRequestParams, JsonObject, JsonRpcVersion2_0, ProtocolVersion, RequestId,
        RequestMetaObject, ServerJsonRpcMessage, ServerResult,
    },
    service::{RequestContext, serve_directly},
};
use serde::Deserialize;
use serde_json::Value;

use super::super::{
    edge::json_response,
    headers::{self, single},
};
use crate::interceptor::Guard;

/// What `_meta` may hold. A progress token or a log level asks for more than the answer, and what
/// isn't known could.
const PLAIN: [&str; 6] = [
    VERSION,
    CAPABILITIES,
    "io.modelcontextprotocol/clientInfo",
    "traceparent",
    "tracestate",
    "baggage",
];
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The short way to a guard.
pub(super) struct FastPath<H: ServerHandler> {
    guard: Guard<H>,
    max_body: usize,
    /// There is nobody to ask or to notify before the answer: what a handler sends here fails.
    nobody: OnceLock<Peer<RoleServer>>,
}

/// A call, as it is on the wire. A field that isn't here, or is here twice, is a doubt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    #[serde(rename = "jsonrpc")]
    _jsonrpc: JsonRpcVersion2_0,
    id: RequestId,
    #[serde(rename = "method")]
    _method: CallToolRequestMethod,
    params: Params,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(rename = "_meta")]
    meta: JsonObject,
    name: String,
    arguments: Option<JsonObject>,
}

impl<H: ServerHandler> FastPath<H> {
    pub(super) fn new(guard: Guard<H>, max_body: usize) -> Self {
        Self {
            guard,
            max_body,
            nobody: OnceLock::new(),
        }
    }

    /// Answers a request, or gives it back as it was, for the long way.
    pub(super) async fn answer(&self, request: Request) -> Result<Response, Request> {
        if !has_plain_headers(&request) {
            return Err(request);
        }
        let (parts, body) = request.into_parts();
        // The edge has read it already, within the same bound; nothing is no call.
        let body = to_bytes(body, self.max_body).await.unwrap_or_default();
        let Some(call) = self.plain_call(&parts.headers, &body) else {
            return Err(Request::from_parts(parts, Body::from(body)));
        };
        // It may be large, and the call long.
        drop(body);
        let id = call.id.clone();
        let result = self.run(call, parts).await;
        let (status, message) = match result {
            Ok(result) => (StatusCode::OK, ServerJsonRpcMessage::response(result, id)),
            Err(error) => (
                status_of(error.code),
                ServerJsonRpcMessage::error(error, Some(id)),
            ),
        };
        Ok(written(status, &message))
    }

    /// The call, if nothing about it could be wrong or unusual.
    fn plain_call(&self, headers: &HeaderMap, body: &[u8]) -> Option<Message> {
        let call: Message = serde_json::from_slice(body).ok()?;
        let Params {
            meta,
            name,
            arguments,
        } = &call.params;
        // `=?` begins a name that is encoded.
        let is_named = single(headers, &headers::NAME) == Some(name) && !name.starts_with("=?");
        let version = meta.get(VERSION).and_then(Value::as_str);
        (is_named
            && version == Some(ProtocolVersion::V_2026_07_28.as_str())
            && meta.keys().all(|key| PLAIN.contains(&&**key))
            && is_declared(meta)
            && (arguments.is_none() || !self.wants_headers(name)))
        .then_some(call)
    }

    /// Whether an argument of the tool must be told in a header, too.
    fn wants_headers(&self, tool: &str) -> bool {
        let tool = self.guard.get_tool(tool);
        tool.is_some_and(|tool| tool.input_schema.iter().any(|(key, it)| is_marked(key, it)))
    }

    async fn run(&self, call: Message, parts: Parts) -> Result<ServerResult, ErrorData> {
        let mut context = RequestContext::new(call.id, self.nobody());
        context.meta = RequestMetaObject::from(call.params.meta);
        context.extensions.insert(parts);
        let mut params = CallToolRequestParams::new(call.params.name);
        params.arguments = call.params.arguments;
        let cancel = context.ct.clone();
        let guard = self.guard.clone();
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let mut work = Box::pin(async move { guard.handle_request(request, context).await });
        // What is ready at once costs no task.
        if let Poll::Ready(result) = poll!(work.as_mut()) {
            return result;
        }
        // Anything else gets one: a caller who hangs up cancels the call, as on the long way, and
        // doesn't tear it apart in its midst.
        let _hung_up = cancel.drop_guard();
        let ended = tokio::spawn(work).await;
        ended.unwrap_or_else(|_| Err(ErrorData::internal_error("the call broke off", None)))
    }

    fn nobody(&self) -> Peer<RoleServer> {
        let nobody = self.nobody.get_or_init(|| {
            let stateless = InitializeRequestParams::default()
                .with_protocol_version(ProtocolVersion::V_2026_07_28);
            let closed = (tokio::io::empty(), tokio::io::sink());
            let service = serve_directly(self.guard.clone(), closed, Some(stateless));
            service.peer().clone()
        });
        nobody.clone()
    }
}

fn has_plain_headers(request: &Request) -> bool {
    let headers = request.headers();
    let version = ProtocolVersion::V_2026_07_28;
    request.method() == Method::POST
        && request.uri().authority().is_none()
        && single(headers, &headers::PROTOCOL_VERSION) == Some(version.as_str())
        && single(headers, &headers::METHOD) == Some("tools/call")
        && single(headers, &header::CONTENT_TYPE) == Some("application/json")
        && single(headers, &header::ACCEPT).is_some_and(takes_both)
        && !headers.keys().any(may_ask_for_more)
}

fn may_ask_for_more(name: &HeaderName) -> bool {
    *name == headers::SESSION_ID
        || *name == header::ORIGIN
        || name.as_str().starts_with("mcp-param-")
        || name.as_str() == "last-event-id"
}

/// Both are always to be accepted, and a client says so in these words; any other wording is rmcp's
/// to judge.
fn takes_both(accept: &str) -> bool {
    let mut types: Vec<_> = accept.split(',').map(str::trim).collect();
    types.sort_unstable();
    types == ["application/json", "text/event-stream"]
}

/// Whether the client's capabilities are there and can be read; none is what nearly all declare.
fn is_declared(meta: &JsonObject) -> bool {
    let declared = meta.get(CAPABILITIES).and_then(Value::as_object);
    declared.is_some_and(|declared| {
        declared.is_empty()
            || RequestMetaObject::from(meta.clone())
                .missing_required_keys(&ProtocolVersion::V_2026_07_28)
                .is_empty()
    })
}

/// Whether a schema says anywhere that a value goes into a header.
fn is_marked(key: &str, value: &Value) -> bool {
    key == "x-mcp-header"
        || match value {
            Value::Object(inner) => inner.iter().any(|(key, value)| is_marked(key, value)),
            Value::Array(inner) => inner.iter().any(|value| is_marked("", value)),
            _ => false,
        }
}

/// The statuses of 2026-07-28, transports, "Streamable HTTP".
fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
        | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY
        | ErrorCode::HEADER_MISMATCH => StatusCode::BAD_REQUEST,
        ErrorCode::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    }
}

fn written(status: StatusCode, message: &ServerJsonRpcMessage) -> Response {
    match serde_json::to_vec(message) {
        Ok(body) => json_response(status, body),
        Err(error) => {
            tracing::error!(%error, "an answer couldn't be written");
            json_response(StatusCode::INTERNAL_SERVER_ERROR, Body::empty())
        }
    }
}

#[cfg(test)]
mod tests;
