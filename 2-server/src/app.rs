//! The parts put together: a configuration goes in, a guarded handler comes out.

use std::sync::Arc;

use anyhow::Context as _;

#[cfg(feature = "otlp")]
use crate::operations::traces::Traces;
use crate::{
    config::{Config, ConfigError},
    features::{handler::Handler, resources::AUDIT_SCOPE},
    interceptor::{
        Authenticator, FailureLimit, Guard, Journal, KeyStore, OwnRules, Pipeline, Rate, RateLimit,
        Scope, audit::Observer, keys::resolve,
    },
    operations::{metrics::Metrics, readiness::Readiness},
};

/// A server that is ready to be served over any transport.
#[derive(Debug)]
pub struct App {
    /// What it was built from.
    pub config: Arc<Config>,
    /// The handler behind the pipeline.
    pub guard: Guard<Handler>,
    /// The pipeline's parts.
    pub pipeline: Pipeline,
    /// Whether it can do its work.
    pub readiness: Arc<Readiness>,
    /// Numbers, where somebody wants them.
    pub metrics: Option<Arc<Metrics>>,
    /// Traces, where somebody collects them.
    #[cfg(feature = "otlp")]
    pub traces: Option<Arc<Traces>>,
}

impl App {
    /// Builds a server. `environment` is where API keys and `OLLAMA_HOST` come from.
    ///
    /// # Errors
    /// When a file, a key or a tool isn't usable. A server must not start then.
    pub fn build(
        config: Config,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let config = Arc::new(config);
        let keys = match &config.auth.keys_file {
            Some(path) => KeyStore::open(path, config.roles.clone())?,
            None => KeyStore::empty(),
        };
        let anonymous = if config.anonymous() {
            Some(resolve(&config.roles, &[], &config.auth.anonymous_scopes)?)
        } else {
            None
        };
        let per_minute = config.auth.failures_per_minute;
        let failures = Rate::new(per_minute, per_minute)
            .context("auth.failures_per_minute must be at least 1")?;
        let failures = FailureLimit::new(failures, config.limits.max_identities);
        let limits = config
            .limit_settings()
            .context("limits must be at least 1")?;

        let mut provider = mcp_llm::connect(&config.llm, environment)?;
        let metrics = config.metrics.port.map(|_port| Arc::new(Metrics::new()));
        if let Some(metrics) = &metrics {
            provider = metrics.meter(provider);
        }
        #[cfg(feature = "otlp")]
        let traces = match &config.traces.endpoint {
            Some(collector) => Some(Arc::new(
                Traces::start(collector).context("traces.endpoint")?,
            )),
            None => None,
        };
        #[cfg(feature = "otlp")]
        if let Some(traces) = &traces {
            provider = traces.follow(provider);
        }
        let keys = Arc::new(keys);
        let journal = Arc::new(Journal::open(config.journal_settings())?);
        journal.keep_recent(Scope::parse(AUDIT_SCOPE)?);
        let authenticator = Arc::new(Authenticator::new(Arc::clone(&keys), anonymous, failures));
        let readiness = Readiness::new(Arc::clone(&provider), keys, Arc::clone(&journal));
        let handler = Handler::new(&config, &provider, &journal, &authenticator)
            .map_err(anyhow::Error::msg)?;
        let known: Vec<Arc<str>> = handler.tool_names().collect();
        for tool in config.limits.tools.keys() {
            if !known.iter().any(|known| **known == **tool) {
                return Err(ConfigError::Refused {
                    field: format!("limits.tools.{tool}"),
                    why: format!(
                        "there is no such tool, so it would limit nothing: there are {}",
                        known.join(", ")
                    ),
                }
                .into());
            }
        }
        let mut observers: Vec<Arc<dyn Observer>> = Vec::new();
        if let Some(metrics) = &metrics {
            metrics.name_tools(handler.tool_names());
            observers.push(Arc::clone(metrics) as _);
        }
        #[cfg(feature = "otlp")]
        observers.extend(traces.iter().map(|traces| Arc::clone(traces) as _));
        journal.observe(observers);
        let pipeline = Pipeline {
            journal,
            authenticator,
            limits: RateLimit::new(&limits),
            catalogue: Arc::new(handler.catalogue()),
            rules: OwnRules::default(),
            time_out: config.request_time_out(),
        };
        Ok(Self {
            config,
            guard: Guard::new(handler, &pipeline),
            pipeline,
            readiness: Arc::new(readiness),
            metrics,
            #[cfg(feature = "otlp")]
            traces,
        })
    }
}
