//! What an operator may set. Each number here bounds something, so that no queue, wait or answer
//! can grow without end.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::address::{Address, Syntax};

/// The provider to build, as the configuration and the command line name it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    /// Ollama when it answers, else the tutor: decided for each chat.
    #[default]
    Auto,
    /// Ollama, and an error when it doesn't answer.
    Ollama,
    /// Any server with an OpenAI-compatible `/v1`.
    Openai,
    /// The built-in tutor, which needs no engine.
    Tutor,
}

impl ProviderName {
    /// How `base_url` is written for this provider.
    fn address_syntax(self) -> Syntax {
        // The tutor has no address; one that is set for Ollama may stay when it is chosen.
        if matches!(self, Self::Auto | Self::Ollama | Self::Tutor) {
            Syntax::Ollama
        } else {
            Syntax::Url
        }
    }
}

/// The settings of this crate, as they stand in a configuration file's `[llm]` section.
///
/// API keys are not among them: they come only from the environment (see [`crate::connect`]), so
/// that a configuration file can be shown to anybody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `auto`, `ollama`, `openai` or `tutor`.
    pub provider: ProviderName,
    /// The engine's address; else `OLLAMA_HOST` (or `OPENAI_BASE_URL`), else Ollama's usual one.
    pub base_url: Option<String>,
    /// The model to use when a chat names none; else the first one that can chat.
    pub default_model: Option<String>,
    /// The context window to ask Ollama for, in tokens. Changing it reloads the model.
    pub num_ctx: Option<u32>,
    /// How long a connection may take to open.
    pub connect_timeout_ms: u64,
    /// How long the first byte may take: a cold model can take minutes to load.
    pub first_byte_timeout_ms: u64,
    /// How long an answer may pause between two pieces.
    pub idle_timeout_ms: u64,
    /// How many chats may run at once.
    pub max_concurrent: usize,
    /// How many more may wait.
    pub max_queue: usize,
    /// How long one may wait for its turn.
    pub queue_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            provider: ProviderName::Auto,
            base_url: None,
            default_model: None,
            num_ctx: None,
            connect_timeout_ms: 2_000,
            first_byte_timeout_ms: 300_000,
            idle_timeout_ms: 60_000,
            max_concurrent: 4,
            max_queue: 32,
            queue_timeout_ms: 60_000,
        }
    }
}

/// Settings that can't work, with the field to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct SettingsError {
    /// The field's name, as it is written in the configuration.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

/// No wait is longer than a day: beyond that a number is a slip of the hand.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;

impl Settings {
    /// Refuses what can't work, naming the field.
    ///
    /// # Errors
    /// When a limit is zero or absurd, when the timeouts don't nest (connect ≤ first byte), or
    /// when the address isn't one.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let refuse = |field, problem: String| Err(SettingsError { field, problem });
        for (field, ms) in [
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("first_byte_timeout_ms", self.first_byte_timeout_ms),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("queue_timeout_ms", self.queue_timeout_ms),
        ] {
            if ms == 0 || ms > LONGEST_MS {
                return refuse(
                    field,
                    format!("is {ms}; it must be from 1 to {LONGEST_MS} (a day)"),
                );
            }
        }
        if self.first_byte_timeout_ms < self.connect_timeout_ms {
            return refuse(
                "first_byte_timeout_ms",
                format!(
                    "is {}, shorter than connect_timeout_ms ({}): no byte can come before the connection",
                    self.first_byte_timeout_ms, self.connect_timeout_ms
                ),
            );
        }
        if self.max_concurrent == 0 || self.max_concurrent > 1024 {
            return refuse(
                "max_concurrent",
                format!("is {}; it must be from 1 to 1024", self.max_concurrent),
            );
        }
        if self.max_queue > 65_536 {
            return refuse(
                "max_queue",
                format!("is {}; it must be at most 65536", self.max_queue),
            );
        }
        if self.num_ctx.is_some_and(|tokens| tokens < 256) {
            return refuse(
                "num_ctx",
                "is too small to hold a question and an answer; use at least 256".to_owned(),
            );
        }
        if self
            .default_model
            .as_deref()
            .is_some_and(|name| name.trim().is_empty())
        {
            return refuse(
                "default_model",
                "is empty; leave it out to take the first model that can chat".to_owned(),
            );
        }
        if let Some(url) = &self.base_url
            && let Err(problem) = Address::parse(url, self.provider.address_syntax())
        {
            return refuse("base_url", problem);
        }
        Ok(())
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            connect: Duration::from_millis(self.connect_timeout_ms),
            first_byte: Duration::from_millis(self.first_byte_timeout_ms),
            idle: Duration::from_millis(self.idle_timeout_ms),
        }
    }
}

/// An address may be written with a password in it, though [`Settings::validate`] refuses it:
/// printing settings must not print that.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown_url = self
            .base_url
            .as_deref()
            .map(|url| match url.rsplit_once('@') {
                Some((_, after)) => format!("…@{after}"),
                None => url.to_owned(),
            });
        f.debug_struct("Settings")
            .field("provider", &self.provider)
            .field("base_url", &shown_url)
            .field("default_model", &self.default_model)
            .field("num_ctx", &self.num_ctx)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("first_byte_timeout_ms", &self.first_byte_timeout_ms)
            .field("idle_timeout_ms", &self.idle_timeout_ms)
            .field("max_concurrent", &self.max_concurrent)
            .field("max_queue", &self.max_queue)
            .field("queue_timeout_ms", &self.queue_timeout_ms)
            .finish()
    }
}

/// The timeouts of a request to an engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) idle: Duration,
}

/// One of the timeouts, so that an error can name the setting to raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timeout {
    Connect,
    FirstByte,
    Idle,
}

/// An answer that is due within the connect timeout gets this much more: so a connection that
/// doesn't open and an engine that doesn't answer have different errors.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

impl Timeouts {
    pub(crate) fn duration(&self, timeout: Timeout) -> Duration {
        match timeout {
            Timeout::Connect => self.connect + ANSWER_MARGIN,
            Timeout::FirstByte => self.first_byte,
            Timeout::Idle => self.idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Settings::default().validate().unwrap();
    }

    #[test]
    fn timeouts_that_do_not_nest_name_the_field() {
        let settings = Settings {
            first_byte_timeout_ms: 1_000,
            ..Settings::default()
        };
        let refused = settings.validate().unwrap_err();
        assert_eq!(refused.field, "first_byte_timeout_ms");
        assert!(
            refused.to_string().contains("connect_timeout_ms (2000)"),
            "{refused}"
        );
    }

    #[test]
    fn a_limit_of_zero_is_refused_wherever_it_stands() {
        let zero = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.validate().unwrap_err().field
        };
        assert_eq!(zero(|s| s.connect_timeout_ms = 0), "connect_timeout_ms");
        assert_eq!(zero(|s| s.idle_timeout_ms = 0), "idle_timeout_ms");
        assert_eq!(zero(|s| s.queue_timeout_ms = 0), "queue_timeout_ms");
        assert_eq!(zero(|s| s.max_concurrent = 0), "max_concurrent");
        assert_eq!(zero(|s| s.num_ctx = Some(0)), "num_ctx");
        assert_eq!(
            zero(|s| s.default_model = Some("  ".to_owned())),
            "default_model"
        );
    }

    #[test]
    fn an_address_with_a_password_is_refused_and_never_printed() {
        let settings = Settings {
            base_url: Some("http://me:hunter2@gpu:11434".to_owned()),
            ..Settings::default()
        };
        let refused = settings.validate().unwrap_err();
        assert_eq!(refused.field, "base_url");
        assert!(!format!("{refused} {refused:?} {settings:?}").contains("hunter2"));
    }

    #[test]
    fn an_address_is_read_by_the_rules_of_the_provider_that_it_is_for() {
        let refused = |provider, url: &str| {
            let settings = Settings {
                provider,
                base_url: Some(url.to_owned()),
                ..Settings::default()
            };
            settings.validate().err().map(|refused| refused.field)
        };
        for without_scheme in ["gpu:8000", "gpu"] {
            assert_eq!(refused(ProviderName::Auto, without_scheme), None);
            assert_eq!(refused(ProviderName::Ollama, without_scheme), None);
            assert_eq!(refused(ProviderName::Tutor, without_scheme), None);
            assert_eq!(
                refused(ProviderName::Openai, without_scheme),
                Some("base_url")
            );
        }
        assert_eq!(refused(ProviderName::Openai, "http://gpu:8000/v1"), None);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let misspelt = serde_json::json!({"conect_timeout_ms": 5});
        let refused = serde_json::from_value::<Settings>(misspelt).unwrap_err();
        assert!(
            refused.to_string().contains("conect_timeout_ms"),
            "{refused}"
        );
    }
}
