//! The parts put together: a configuration goes in, a guarded handler comes out.

use std::sync::Arc;

use anyhow::Context as _;

#[cfg(feature = "otlp")]
use crate::operations::traces::Traces;
use crate::{
    config::{Config, ConfigError},
    features::{handler::Handler, resources::AUDIT_SCOPE},
    interceptor::{Catalogue, Guard, KeyStore, Pipeline, Scope, keys::resolve},
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
    /// The keys that may sign in.
    pub keys: KeyStore,
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
        let limits = config
            .limit_settings()
            .context("limits must be at least 1")?;
        let catalogue = Catalogue::new();
        let mut builder = Pipeline::builder()
            .failed_sign_ins(config.auth.failures_per_minute)
            .journal(config.journal_settings())
            .keep_recent(Scope::parse(AUDIT_SCOPE)?)
            .limits(limits)
            .catalogue(catalogue.clone())
            .timeout(config.request_time_out());
        if config.auth.keys_file.is_some() {
            builder = builder.keys(keys.clone());
        }
        if config.anonymous() {
            let grants = resolve(&config.roles, &[], &config.auth.anonymous_scopes)?;
            builder = builder.anonymous(grants);
        }

        let mut provider = mcp_llm::connect(&config.llm, environment)?;
        let metrics = config.metrics.port.map(|_port| Arc::new(Metrics::new()));
        if let Some(metrics) = &metrics {
            metrics.label_tools_by(catalogue.clone());
            provider = metrics.meter(provider);
            builder = builder.observer(Arc::clone(metrics) as _);
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
            builder = builder.observer(Arc::clone(traces) as _);
        }

        let pipeline = builder.build()?;
        let handler =
            Handler::new(&config, &provider, pipeline.journal()).map_err(anyhow::Error::msg)?;
        catalogue.replace(&handler.catalogue());
        check_limits(&config, &handler)?;
        let readiness = Readiness::new(
            provider,
            Arc::clone(pipeline.authenticator()),
            Arc::clone(pipeline.journal()),
        );
        Ok(Self {
            config,
            guard: Guard::new(handler, &pipeline),
            pipeline,
            keys,
            readiness: Arc::new(readiness),
            metrics,
            #[cfg(feature = "otlp")]
            traces,
        })
    }
}

/// A limit for a tool that isn't there would limit nothing.
fn check_limits(config: &Config, handler: &Handler) -> Result<(), ConfigError> {
    let known: Vec<&str> = handler.tool_names().collect();
    match config
        .limits
        .tools
        .keys()
        .find(|tool| !known.contains(&tool.as_str()))
    {
        None => Ok(()),
        Some(tool) => Err(ConfigError::Refused {
            field: format!("limits.tools.{tool}"),
            why: format!(
                "there is no such tool, so it would limit nothing: there are {}",
                known.join(", ")
            ),
        }),
    }
}
