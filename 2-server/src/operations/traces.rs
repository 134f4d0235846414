//! Traces for an OpenTelemetry collector (feature `otlp`): a span for each call that the pipeline
//! saw, and below it one for each chat with a model. Names and attributes follow OpenTelemetry's
//! semantic conventions for MCP and for generative AI. No argument, no text and no key is in them.
//!
//! A span is reported when it is over, from what the record is written from. So the pipeline knows
//! nothing of OpenTelemetry: it only gives each call its place in a trace.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::StreamExt as _;
use mcp_llm::{
    ChatEvent, ChatRequest, ChatStream, Completion, Health, Model, Provider, ProviderError, chat,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _,
        TraceFlags, TraceId, TraceState, Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{IdGenerator, RandomIdGenerator, SdkTracer, SdkTracerProvider},
};
use url::Url;

use crate::interceptor::{
    Outcome, Trace,
    audit::{Observer, Record, id_in_record},
    text::cut,
};

/// How long the last spans may take to leave when the server ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Reports spans. What waits to be sent is bounded: beyond it spans are dropped, never calls held up.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Reports to this collector, such as `http://127.0.0.1:4318/v1/traces`. What OpenTelemetry's
    /// own variables set besides (`OTEL_SERVICE_NAME`, `OTEL_EXPORTER_OTLP_HEADERS`,
    /// `OTEL_TRACES_SAMPLER`) holds.
    ///
    /// # Errors
    /// When the address, or one of those variables, can't be used.
    pub fn start(collector: &Url) -> Result<Self, ExporterBuildError> {
        // reqwest is built without a TLS provider of its own. An error says that there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(collector.as_str())
            .build()?;
        let name = std::env::var("OTEL_SERVICE_NAME");
        let name = name.unwrap_or_else(|_unset| env!("CARGO_PKG_NAME").to_owned());
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_id_generator(Ids::default())
            .with_resource(Resource::builder().with_service_name(name).build())
            .build();
        let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
        Ok(Self { provider, tracer })
    }

    /// A provider whose chats are reported.
    pub fn follow(self: &Arc<Self>, provider: Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Followed {
            inner: provider,
            traces: Arc::clone(self),
        })
    }

    /// Sends what waits, and ends. It waits for the collector, so not where others need the thread.
    pub fn shut_down(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_WORDS) {
            tracing::warn!(%error, "the last traces couldn't be sent");
        }
    }

    /// Reports one span at its place in its trace.
    fn report(&self, trace: &Trace, span: SpanBuilder, ended: SystemTime, failed: Option<String>) {
        let trace_id = TraceId::from_bytes(trace.trace_id);
        let above = match trace.parent {
            None => Context::new(),
            Some(parent) => Context::new().with_remote_span_context(SpanContext::new(
                trace_id,
                SpanId::from_bytes(parent),
                TraceFlags::new(trace.flags),
                true,
                trace
                    .state()
                    .and_then(|it| it.parse().ok())
                    .unwrap_or(TraceState::NONE),
            )),
        };
        NEXT.set(Some((trace_id, SpanId::from_bytes(trace.span_id))));
        let mut span = self.tracer.build_with_context(span, &above);
        NEXT.set(None);
        if let Some(failed) = failed {
            span.set_status(Status::error(failed));
        }
        span.end_with_timestamp(ended);
    }
}

impl Observer for Traces {
    fn ended(&self, record: &Record<'_>) {
        // Where no message was read, there is no trace to put it into. The audit log has it.
        let Some((call, trace)) = record.call.and_then(|call| Some((call, call.trace()?))) else {
            return;
        };
        let (method, outcome) = (call.method(), record.outcome);
        let mut attributes = vec![
            KeyValue::new("mcp.method.name", method.to_owned()),
            KeyValue::new("mcp.protocol.version", call.protocol()),
            KeyValue::new(
                "network.transport",
                if record.transport == "stdio" {
                    "pipe"
                } else {
                    "tcp"
                },
            ),
            // The name of its line in the record.
            KeyValue::new("learn_mcp.request_id", id_in_record(record.id)),
            KeyValue::new("learn_mcp.outcome", outcome.as_str()),
        ];
        if let Some(id) = call.rpc_id() {
            attributes.push(KeyValue::new("jsonrpc.request.id", short(&id.to_string())));
        }
        if let Some(principal) = record.principal {
            attributes.push(KeyValue::new(
                "enduser.pseudo.id",
                principal.label().to_string(),
            ));
        }
        let mut name = method.to_owned();
        if let Some(target) = call.target() {
            let key = match method {
                "tools/call" => "gen_ai.tool.name",
                "prompts/get" => "gen_ai.prompt.name",
                _ => "mcp.resource.uri",
            };
            attributes.push(KeyValue::new(key, target.to_owned()));
            // Names are few; a URI can be anything, and a span's name must stay groupable.
            if key != "mcp.resource.uri" {
                name = format!("{method} {target}");
            }
        }
        let failed = (outcome != Outcome::Success).then(|| outcome.as_str().to_owned());
        if let Some(failed) = &failed {
            attributes.push(KeyValue::new("error.type", failed.clone()));
        }
        let span = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Server)
            .with_start_time(record.time)
            .with_attributes(attributes);
        self.report(trace, span, record.time + record.took, failed);
    }

    fn opens_spans(&self) -> bool {
        true
    }
}

thread_local! {
    /// The ids of the span that is being reported on this thread.
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Gives a span the ids that were told to others while it ran.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get()
            .map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get()
            .map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}

/// A provider whose chats are reported.
struct Followed {
    inner: Arc<dyn Provider>,
    traces: Arc<Traces>,
}

#[async_trait::async_trait]
impl Provider for Followed {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn chat(&self, mut request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let asked = request
            .trace
            .as_ref()
            .and_then(|trace| Trace::at(&trace.parent));
        let Some(place) = asked.and_then(|trace| trace.child()) else {
            return self.inner.chat(request).await;
        };
        let mut chat = Chat {
            traces: Arc::clone(&self.traces),
            provider: self.inner.name(),
            model: request.model.as_deref().map(short),
            began: SystemTime::now(),
            done: None,
            failed: Some("cancelled".to_owned()),
            place,
        };
        request.trace = Some(chat::Trace {
            parent: chat.place.header(),
            state: request.trace.and_then(|trace| trace.state),
        });
        match self.inner.chat(request).await {
            // The closure owns the chat, so it is reported when the stream is dropped.
            Ok(stream) => Ok(Box::pin(stream.inspect(move |event| chat.see(event)))),
            Err(error) => {
                chat.failed = Some(kind(&error));
                Err(error)
            }
        }
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        self.inner.models().await
    }

    async fn health(&self) -> Result<Health, ProviderError> {
        self.inner.health().await
    }
}

/// A chat that runs; reported when it is dropped.
struct Chat {
    traces: Arc<Traces>,
    place: Trace,
    provider: &'static str,
    model: Option<String>,
    began: SystemTime,
    done: Option<Box<Completion>>,
    failed: Option<String>,
}

impl Chat {
    fn see(&mut self, event: &Result<ChatEvent, ProviderError>) {
        match event {
            Ok(ChatEvent::Done(done)) => {
                self.failed = None;
                self.done = Some(done.clone());
            }
            Ok(_) => {}
            Err(error) => self.failed = Some(kind(error)),
        }
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", "chat"),
            KeyValue::new("gen_ai.provider.name", self.provider),
        ];
        let model = self.model.take();
        let mut name = "chat".to_owned();
        if let Some(model) = model {
            name = format!("chat {model}");
            attributes.push(KeyValue::new("gen_ai.request.model", model));
        }
        if let Some(done) = &self.done {
            let tokens = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            attributes.extend([
                KeyValue::new("gen_ai.response.model", short(&done.model)),
                KeyValue::new(
                    "gen_ai.usage.input_tokens",
                    tokens(done.usage.prompt_tokens),
                ),
                KeyValue::new(
                    "gen_ai.usage.output_tokens",
                    tokens(done.usage.completion_tokens),
                ),
            ]);
        }
        let failed = self.failed.take();
        if let Some(failed) = &failed {
            attributes.push(KeyValue::new("error.type", failed.clone()));
        }
        let span = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Client)
            .with_start_time(self.began)
            .with_attributes(attributes);
        self.traces
            .report(&self.place, span, SystemTime::now(), failed);
    }
}

/// As much of a caller's own words as a span needs. Spans wait in memory until they are sent.
fn short(text: &str) -> String {
    cut(text, 64).to_owned()
}

/// What failed, in one word of a fixed set.
fn kind(error: &ProviderError) -> String {
    format!("{:?}", error.kind)
}
