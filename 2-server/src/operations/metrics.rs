//! Numbers for Prometheus. Every label has a fixed set of values, because a caller must not be able
//! to make a new time series: a tool that isn't in the list counts as `other`, and so does a method
//! that the specification doesn't know.

use std::sync::{Arc, OnceLock, atomic::AtomicU64};

use futures_util::StreamExt as _;
use mcp_llm::{ChatEvent, ChatRequest, ChatStream, Health, Model, Provider, ProviderError};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::interceptor::{
    Catalogue, Outcome,
    audit::{Observer, Record},
    protocol::method,
};

const OTHER: &str = "other";

/// Seconds: from a call that only echoes to a cold model.
const BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: &'static str,
    tool: Arc<str>,
    outcome: &'static str,
    transport: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    method: &'static str,
    tool: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    outcome: &'static str,
    transport: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    provider: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// The numbers.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    // Which tools may be a label: those that are there now.
    catalogue: OnceLock<Catalogue>,
    other: Arc<str>,
    none: Arc<str>,
    calls: Family<CallLabels, Counter>,
    durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
    refusals: Family<Refused, Counter>,
    tokens: Family<Tokens, Counter>,
    chats: Family<State, Gauge>,
    sessions: Gauge,
    audit: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// Numbers at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("mcp"),
            catalogue: OnceLock::new(),
            other: OTHER.into(),
            none: "".into(),
            calls: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            refusals: Family::default(),
            tokens: Family::default(),
            chats: Family::default(),
            sessions: Gauge::default(),
            audit: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "calls",
            "Requests that passed through the pipeline, by how they ended",
            metrics.calls.clone(),
        );
        registry.register_with_unit(
            "call_duration",
            "How long requests took",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register(
            "edge_refusals",
            "Requests that a transport refused before the pipeline",
            metrics.refusals.clone(),
        );
        registry.register(
            "tokens",
            "Tokens that language models read and wrote",
            metrics.tokens.clone(),
        );
        registry.register(
            "chats",
            "Chats that run, and that wait for their turn",
            metrics.chats.clone(),
        );
        registry.register(
            "sessions",
            "Sessions of clients before 2026-07-28 that are open over HTTP, and HTTP+SSE streams",
            metrics.sessions.clone(),
        );
        registry.register(
            "audit_healthy",
            "1 while records reach their sinks",
            metrics.audit.clone(),
        );
        metrics
    }

    /// Takes the tools of this catalogue for labels, whichever it has at the time; until then each
    /// counts as `other`.
    pub fn label_tools_by(&self, catalogue: Catalogue) {
        let _ = self.catalogue.set(catalogue);
    }

    /// The numbers as Prometheus reads them (OpenMetrics).
    ///
    /// # Errors
    /// When they can't be written down, which only a broken label could cause.
    pub fn render(
        &self,
        sessions: usize,
        audit_is_healthy: bool,
    ) -> Result<String, std::fmt::Error> {
        self.sessions
            .set(i64::try_from(sessions).unwrap_or(i64::MAX));
        self.audit.set(audit_is_healthy.into());
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// The same provider, counted.
    pub fn meter(self: &Arc<Self>, provider: Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Metered {
            inner: provider,
            metrics: Arc::clone(self),
        })
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Metrics {
    fn ended(&self, record: &Record<'_>) {
        let Some(call) = record.call else {
            // What isn't refused there is no refusal: a stream that was opened, a session that was
            // closed.
            if record.outcome != Outcome::Success {
                let refused = Refused {
                    outcome: record.outcome.as_str(),
                    transport: record.transport,
                };
                self.refusals.get_or_create(&refused).inc();
            }
            return;
        };
        let known = method(call.method());
        let tool = match call.tool() {
            None => Arc::clone(&self.none),
            Some(tool) => {
                let known = self.catalogue.get().and_then(|it| it.tool_name(tool));
                known.unwrap_or_else(|| Arc::clone(&self.other))
            }
        };
        let ended = CallLabels {
            method: known.map_or(OTHER, |known| known.name),
            tool,
            outcome: record.outcome.as_str(),
            transport: record.transport,
        };
        self.calls.get_or_create(&ended).inc();
        // A stream lasts as long as somebody listens: how long says nothing about how fast the
        // server is.
        if !known.is_some_and(|known| known.lasts) {
            let CallLabels { method, tool, .. } = ended;
            let labels = DurationLabels { method, tool };
            let seconds = record.took.as_secs_f64();
            self.durations.get_or_create(&labels).observe(seconds);
        }
    }
}

/// A provider whose chats and tokens are counted.
struct Metered {
    inner: Arc<dyn Provider>,
    metrics: Arc<Metrics>,
}

#[async_trait::async_trait]
impl Provider for Metered {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let mut chat = Chat::begin(Arc::clone(&self.metrics), self.inner.name());
        let stream = self.inner.chat(request).await?;
        // The closure owns the place in the count, and gives it back when the stream is dropped.
        Ok(Box::pin(stream.inspect(move |event| {
            if let Ok(event) = event {
                chat.see(event);
            }
        })))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        self.inner.models().await
    }

    async fn health(&self) -> Result<Health, ProviderError> {
        self.inner.health().await
    }
}

/// A chat that counts as running or waiting for as long as it lives.
struct Chat {
    metrics: Arc<Metrics>,
    provider: &'static str,
    state: &'static str,
}

impl Chat {
    fn begin(metrics: Arc<Metrics>, provider: &'static str) -> Self {
        let chat = Self {
            metrics,
            provider,
            state: "running",
        };
        chat.gauge().inc();
        chat
    }

    fn gauge(&self) -> impl std::ops::Deref<Target = Gauge> + '_ {
        self.metrics
            .chats
            .get_or_create(&State { state: self.state })
    }

    fn see(&mut self, event: &ChatEvent) {
        let state = match event {
            ChatEvent::Queued { .. } => "waiting",
            _ => "running",
        };
        if state != self.state {
            self.gauge().dec();
            self.state = state;
            self.gauge().inc();
        }
        if let ChatEvent::Done(done) = event {
            for (kind, count) in [
                ("prompt", done.usage.prompt_tokens),
                ("completion", done.usage.completion_tokens),
            ] {
                let provider = self.provider;
                self.metrics
                    .tokens
                    .get_or_create(&Tokens { provider, kind })
                    .inc_by(count);
            }
        }
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        self.gauge().dec();
    }
}
