//! The report as a person reads it: one fact a line, in 80 columns wherever the names allow it.

use std::fmt;

use super::{Report, State, bytes};
use crate::{Model, ollama::LoadedModel};

/// Where the text of a line begins: after what it is about, and whether that is well.
const INDENT: usize = 12;
const WIDTH: usize = 80;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.problem.is_empty() {
            self.ollama(f)?;
            self.models(f)?;
            self.tools(f)?;
            self.memory(f)?;
            self.loaded(f)?;
        } else {
            let mut what = "Ollama";
            for part in wrapped(&self.problem) {
                let well = (!what.is_empty()).then_some(false);
                line(f, what, well, &part)?;
                what = "";
            }
        }
        for (n, next) in self.next.iter().enumerate() {
            line(f, if n == 0 { "Next" } else { "" }, None, next)?;
        }
        Ok(())
    }
}

impl Report {
    fn ollama(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            address,
            address_from,
            ..
        } = self;
        let text = format!("version {version} answers at {address} (from {address_from})");
        line(f, "Ollama", Some(true), &text)
    }

    fn models(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.models.len();
        match self.state {
            _ if count == 0 => line(f, "Models", Some(false), "none is installed")?,
            State::NoModel if !self.chosen.is_empty() => {
                let text = format!("{count} installed, and {} isn't one of them", self.chosen);
                line(f, "Models", Some(false), &text)?;
            }
            State::NoModel => {
                let text = format!("{count} installed, none that a chat can use");
                line(f, "Models", Some(false), &text)?;
            }
            _ => line(f, "Models", Some(true), &format!("{count} installed"))?,
        }
        let names = self.models.iter().map(|model| model.name.chars().count());
        let widest = names.max().unwrap_or(0).min(40);
        for model in &self.models {
            let Model {
                name,
                parameters,
                quantization,
                capabilities,
                size,
            } = model;
            let (size, can) = (bytes(*size), capabilities.join(", "));
            let text =
                format!("{name:<widest$} {parameters:>5} {quantization:<6} {size:>7}  {can}");
            line(f, "", None, &text)?;
        }
        Ok(())
    }

    fn tools(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = &self.chosen;
        match self.state {
            State::NoOllama | State::NoModel => Ok(()),
            State::NoTools => {
                let text = format!("{chosen} can't call tools, and it is the best there is");
                line(f, "Tools", Some(false), &text)
            }
            State::TooLarge | State::Loaded | State::Ready => {
                let text = format!("{chosen} can call tools, and answers when no model is named");
                line(f, "Tools", Some(true), &text)
            }
        }
    }

    fn memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.needs == 0 {
            return Ok(());
        }
        let (chosen, needs) = (&self.chosen, bytes(self.needs));
        let (well, is_free) = match self.free_memory {
            Some(free) => {
                let well = Some(self.state != State::TooLarge);
                (well, format!("{} free on this machine", bytes(free)))
            }
            None if self.on_this_machine => (
                None,
                "the free memory isn't known on this system".to_owned(),
            ),
            None => (None, "the free memory there isn't known".to_owned()),
        };
        let text = format!("{is_free}; {chosen} takes about {needs}");
        line(f, "Memory", well, &text)
    }

    fn loaded(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for loaded in &self.loaded {
            let LoadedModel {
                name,
                size,
                context_length,
                ..
            } = loaded;
            let context = match context_length {
                0 => String::new(),
                tokens => format!(", a context of {tokens} tokens"),
            };
            let text = format!("{name}: {}{context}", bytes(*size));
            line(f, "Loaded", Some(true), &text)?;
        }
        if self.loaded.is_empty() && !self.chosen.is_empty() {
            line(f, "Loaded", None, "no model yet")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, well: Option<bool>, text: &str) -> fmt::Result {
    let mark = match well {
        Some(true) => "ok",
        Some(false) => "--",
        None => "",
    };
    writeln!(f, "{what:<8} {mark:<2} {text}")
}

/// A text in parts that fit beside what they are about, cut between words.
fn wrapped(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match parts.last_mut() {
            Some(part) if part.chars().count() + 1 + word.chars().count() <= WIDTH - INDENT => {
                part.push(' ');
                part.push_str(word);
            }
            _ => parts.push(word.to_owned()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_problem_is_wrapped_between_words_and_loses_none() {
        let text = "The program at http://127.0.0.1:11434 doesn't talk like Ollama. Is something else listening there?";
        let parts = wrapped(text);
        assert_eq!(parts.join(" "), text);
        assert!(
            parts.len() == 2 && parts.iter().all(|part| part.len() <= 68),
            "{parts:?}"
        );
        assert_eq!(wrapped(&"x".repeat(200)).len(), 1, "a word is never cut");
    }
}
