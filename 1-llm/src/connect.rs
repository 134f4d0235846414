//! From settings to a provider, and the one that chooses: Ollama when it answers, else the tutor.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use tokio::sync::Mutex;

use crate::{
    ChatEvent, ChatRequest, ChatStream, Gate, Health, Model, Ollama, OpenAi, Provider,
    ProviderError, ProviderName, Settings, Tutor, text::quoted, tutor,
};

/// For how long an answer to "is Ollama there?" is believed: soon enough for somebody who has just
/// started it, seldom enough that a chat doesn't wait for it.
const BELIEVED_FOR: Duration = Duration::from_secs(3);

/// Builds the provider that the settings ask for. Nothing is sent yet.
///
/// `env` reads the environment: the addresses that the settings leave out, and the keys, which
/// are taken from nowhere else.
///
/// # Errors
/// When the settings or the environment can't work; the message names which.
pub fn connect(
    settings: &Settings,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<dyn Provider>, ProviderError> {
    settings
        .validate()
        .map_err(|refused| ProviderError::invalid(refused.to_string()))?;
    let provider: Arc<dyn Provider> = match settings.provider {
        ProviderName::Auto => Arc::new(Auto::new(Ollama::connect(settings, env)?)),
        ProviderName::Ollama => Arc::new(Ollama::connect(settings, env)?),
        ProviderName::Openai => Arc::new(OpenAi::connect(settings, env)?),
        ProviderName::Tutor => Arc::new(Tutor::new()),
    };
    Ok(Arc::new(Gate::new(provider, settings)))
}

/// Ollama when it answers, else the tutor; decided for each chat.
struct Auto {
    ollama: Ollama,
    tutor: Tutor,
    // When Ollama was last asked, and whether it answered. The chat that asks holds the lock, so
    // that a burst of chats asks once.
    last_answer: Mutex<Option<(Instant, Result<(), ProviderError>)>>,
}

impl Auto {
    fn new(ollama: Ollama) -> Self {
        Self {
            ollama,
            tutor: Tutor::new(),
            last_answer: Mutex::new(None),
        }
    }

    async fn ollama_answers(&self) -> Result<(), ProviderError> {
        let mut last_answer = self.last_answer.lock().await;
        if let Some((asked, known)) = &*last_answer
            && asked.elapsed() < BELIEVED_FOR
        {
            return known.clone();
        }
        let fresh = self.ollama.version().await.map(|_| ());
        if let Err(error) = &fresh {
            tracing::debug!(
                internal = error.internal(),
                "Ollama doesn't answer; the tutor does"
            );
        }
        *last_answer = Some((Instant::now(), fresh.clone()));
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
            // Somebody asked for that model by name: the answer says who gives it instead.
            Some(model) => Ok(with_warning(
                self.tutor.chat(request).await?,
                format!(
                    "You asked for the model {}, but the tutor answers: {why}",
                    quoted(&model)
                ),
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

/// The same answer, with a warning at its end.
fn with_warning(inner: ChatStream, warning: String) -> ChatStream {
    Box::pin(inner.map(move |event| match event {
        Ok(ChatEvent::Done(mut completion)) => {
            completion.warnings.push(warning.clone());
            Ok(ChatEvent::Done(completion))
        }
        other => other,
    }))
}
