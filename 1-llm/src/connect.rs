//! From settings to a provider, and the one that chooses: Ollama when it answers, else the tutor.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::{
    ChatEvent, ChatRequest, ChatStream, Gate, Health, Model, Ollama, OpenAi, Provider,
    ProviderError, Settings, Tutor, error::ErrorKind, ollama::Host, settings::Choice, tutor,
};

/// Whether Ollama answers is asked again after this long: soon enough for somebody who has just
/// started it, seldom enough that a chat doesn't wait for it.
const VERDICT_LASTS: Duration = Duration::from_secs(3);

/// Builds the provider that the settings ask for. Nothing is sent yet.
///
/// `env` reads the environment: `OLLAMA_HOST`, and the keys, `OLLAMA_API_KEY` and
/// `OPENAI_API_KEY`, which are taken from nowhere else.
///
/// # Errors
/// When the settings or the environment can't work; the message names which.
pub fn connect(
    settings: &Settings,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<dyn Provider>, ProviderError> {
    let invalid = |problem: String| {
        ProviderError::new(
            ErrorKind::Invalid,
            problem,
            "refused before anything was sent",
        )
    };
    settings
        .validate()
        .map_err(|refused| invalid(refused.to_string()))?;
    let key = |name: &str| env(name).filter(|key| !key.trim().is_empty());
    let ollama = || {
        let host = Host::find(settings.base_url.as_deref(), "OLLAMA_HOST", env).map_err(invalid)?;
        if let Some(warning) = &host.warning {
            tracing::warn!("{}: {warning}", host.source);
        }
        Ollama::new(host, settings, key("OLLAMA_API_KEY").as_deref())
    };
    let provider: Arc<dyn Provider> = match settings.provider {
        Choice::Auto => Arc::new(Auto::new(ollama()?)),
        Choice::Ollama => Arc::new(ollama()?),
        Choice::Tutor => Arc::new(Tutor::new()),
        Choice::Openai => {
            let variable = "OPENAI_BASE_URL";
            let host = Host::find(settings.base_url.as_deref(), variable, env).map_err(invalid)?;
            if host.source == "the default" {
                return Err(invalid(
                    "provider openai needs an address: set base_url or OPENAI_BASE_URL, such as \
                     http://127.0.0.1:8000/v1"
                        .to_owned(),
                ));
            }
            Arc::new(OpenAi::new(
                host,
                settings,
                key("OPENAI_API_KEY").as_deref(),
            )?)
        }
    };
    Ok(Arc::new(Gate::new(provider, settings)))
}

/// Ollama when it answers, else the tutor; decided for each chat.
struct Auto {
    ollama: Ollama,
    tutor: Tutor,
    // When Ollama was last asked, and what came. Whoever asks holds the lock, so that a burst of
    // chats asks once.
    verdict: Mutex<Option<(Instant, Result<(), ProviderError>)>>,
}

impl Auto {
    fn new(ollama: Ollama) -> Self {
        Self {
            ollama,
            tutor: Tutor::new(),
            verdict: Mutex::new(None),
        }
    }

    async fn ollama_answers(&self) -> Result<(), ProviderError> {
        let mut verdict = self.verdict.lock().await;
        if let Some((asked, known)) = &*verdict
            && asked.elapsed() < VERDICT_LASTS
        {
            return known.clone();
        }
        let fresh = self.ollama.version().await.map(|_| ());
        if let Err(error) = &fresh {
            tracing::debug!(
                internal = error.internal(),
                "Ollama doesn't answer; the tutor speaks"
            );
        }
        *verdict = Some((Instant::now(), fresh.clone()));
        fresh
    }
}

#[async_trait::async_trait]
impl Provider for Auto {
    fn name(&self) -> &'static str {
        "auto"
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        if request.model.as_deref() == Some("tutor") {
            return self.tutor.chat(request).await;
        }
        let Err(why) = self.ollama_answers().await else {
            return self.ollama.chat(request).await;
        };
        match request.model.clone() {
            None => self.tutor.chat(request).await,
            // Somebody asked for that model by name: they are told who answers in its place.
            Some(model) => Ok(warned(
                self.tutor.chat(request).await?,
                format!("You asked for the model \"{model}\", but the tutor answers: {why}"),
            )),
        }
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        if self.ollama_answers().await.is_err() {
            return self.tutor.models().await;
        }
        let mut models = self.ollama.models().await?;
        models.push(tutor::model());
        Ok(models)
    }

    async fn health(&self) -> Result<Health, ProviderError> {
        match self.ollama_answers().await {
            Ok(()) => self.ollama.health().await,
            Err(_) => self.tutor.health().await,
        }
    }
}

/// The same answer, with a warning in its end.
fn warned(inner: ChatStream, warning: String) -> ChatStream {
    use futures_util::StreamExt;
    Box::pin(inner.map(move |event| match event {
        Ok(ChatEvent::Done(mut completion)) => {
            completion.warnings.push(warning.clone());
            Ok(ChatEvent::Done(completion))
        }
        other => other,
    }))
}
