//! What a caller gives a prompt: checked against it, and safe to stand among its words.

use rmcp::{ErrorData, model::JsonObject};

use super::{
    super::{completion::Choices, tools::untrusted},
    Template,
};
use crate::config::nearest;

/// No argument is longer. A model's context ends long before this.
pub(super) const MAX_ARGUMENT: usize = 200_000;

/// Arguments that were checked against their prompt.
pub(super) struct Given<'a>(&'a JsonObject);

impl<'a> Given<'a> {
    pub(super) fn check(
        prompt: &Template,
        arguments: Option<&'a JsonObject>,
    ) -> Result<Self, ErrorData> {
        static NONE: std::sync::LazyLock<JsonObject> = std::sync::LazyLock::new(JsonObject::new);
        let wrong =
            |what: String| ErrorData::invalid_params(format!("{}: {what}", prompt.name), None);
        let arguments = arguments.unwrap_or(&NONE);
        for (name, value) in arguments {
            if !prompt
                .arguments
                .iter()
                .any(|argument| argument.name == name)
            {
                let known: Vec<_> = prompt
                    .arguments
                    .iter()
                    .map(|argument| argument.name)
                    .collect();
                return Err(wrong(format!(
                    "it has no such argument; it takes {}",
                    known.join(", ")
                )));
            }
            match value.as_str() {
                None => return Err(wrong(format!("{name} must be a text"))),
                Some(text) if text.len() > MAX_ARGUMENT => {
                    return Err(wrong(format!("{name} is longer than {MAX_ARGUMENT} bytes")));
                }
                Some(_) => {}
            }
        }
        let given = Self(arguments);
        for argument in prompt.arguments {
            let text = given.text(argument.name);
            let is_empty = text.is_none_or(|text| untrusted::line(text, 1).is_empty());
            if argument.required && is_empty {
                return Err(wrong(format!("{} is missing", argument.name)));
            }
            if let (Choices::OneOf(known), Some(text)) = (argument.choices, text)
                && !known.contains(&text)
            {
                let meant = nearest(text, known.iter().copied());
                let meant = meant.map_or(String::new(), |it| format!(": did you mean {it}?"));
                return Err(wrong(format!(
                    "{} must be {}{meant}",
                    argument.name,
                    known.join(", ")
                )));
            }
        }
        Ok(given)
    }

    /// An argument, if it was given and isn't empty.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let text = self.0.get(name)?.as_str()?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// A short argument, safe inside a sentence: one line, nothing hidden in it, and not long.
    pub(super) fn word(&self, name: &str) -> Option<String> {
        let word = untrusted::line(self.text(name)?, 100);
        (!word.trim().is_empty()).then_some(word)
    }

    /// A long argument, fenced, with what is hidden in it written out: the fence is longer than any run of backticks inside, so nothing in
    /// it can end it.
    pub(super) fn fenced(&self, name: &str) -> String {
        let text = untrusted::written_out(self.text(name).unwrap_or_default());
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        format!("{fence}\n{}\n{fence}", text.trim_end_matches('\n'))
    }

    pub(super) fn language(&self) -> String {
        self.word("language")
            .map(|language| format!(" It is written in {language}."))
            .unwrap_or_default()
    }
}
