//! What could this argument be? Completion for the arguments of prompts and resource templates,
//! while a person types (specification, "Completion").

use std::sync::LazyLock;

use mcp_llm::{Provider, pages};
use rmcp::{
    ErrorData,
    model::{CompleteResult, CompletionInfo},
};

use super::tools::untrusted;

/// What an argument could be.
#[derive(Debug, Clone, Copy)]
pub enum Choices {
    /// Anything; there is nothing to propose.
    None,
    /// One of these and nothing else.
    OneOf(&'static [&'static str]),
    /// One of these, or something like them.
    Such(&'static [&'static str]),
    /// A term of the glossary.
    Concepts,
    /// A page of the learning path.
    Pages,
    /// A model that the provider has.
    Models,
}

/// The glossary's terms, in its order.
static CONCEPTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let text = pages::get("glossary").map_or("", |page| page.text);
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    headings.map(str::trim).collect()
});

impl Choices {
    /// Proposes values for what has been typed so far.
    ///
    /// # Errors
    /// When the answer breaks the protocol's bounds, which would be our own mistake.
    pub async fn propose(
        self,
        typed: &str,
        provider: &dyn Provider,
    ) -> Result<CompleteResult, ErrorData> {
        let all = match self {
            Self::None => Vec::new(),
            Self::OneOf(values) | Self::Such(values) => {
                values.iter().map(|value| (*value).to_owned()).collect()
            }
            Self::Concepts => CONCEPTS.iter().map(|term| (*term).to_owned()).collect(),
            Self::Pages => pages::all().map(|page| page.name.to_owned()).collect(),
            // A provider that doesn't answer is no reason to fail while somebody types.
            Self::Models => provider.models().await.map_or_else(
                |error| {
                    tracing::debug!(error = error.internal(), "no models to propose");
                    Vec::new()
                },
                |models| {
                    let clean = |mut model| {
                        untrusted::model(&mut model);
                        model.name
                    };
                    models.into_iter().map(clean).collect()
                },
            ),
        };
        propose(all, typed)
    }
}

/// What begins with the text first, then what contains it; at most as many as the protocol allows.
fn propose(all: Vec<String>, typed: &str) -> Result<CompleteResult, ErrorData> {
    let typed = typed.to_lowercase();
    let (begins, rest): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|value| value.to_lowercase().starts_with(&typed));
    let contains = rest
        .into_iter()
        .filter(|value| value.to_lowercase().contains(&typed));
    let mut values: Vec<String> = begins.into_iter().chain(contains).collect();
    let total = u32::try_from(values.len()).ok();
    let more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let info = CompletionInfo::with_pagination(values, total, more)
        .map_err(|error| ErrorData::internal_error(error, None))?;
    Ok(CompleteResult::new(info))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(all: &[&str], typed: &str) -> Vec<String> {
        let all = all.iter().map(|value| (*value).to_owned()).collect();
        propose(all, typed).unwrap().completion.values
    }

    #[test]
    fn what_begins_with_the_text_comes_before_what_contains_it() {
        let all = ["typescript", "javascript", "java", "rust"];
        assert_eq!(values(&all, "Ja"), ["javascript", "java"]);
        assert_eq!(values(&all, "script"), ["typescript", "javascript"]);
        assert_eq!(values(&all, ""), all);
        assert!(values(&all, "zzz").is_empty());
    }

    #[test]
    fn at_most_a_hundred_are_proposed_and_the_rest_is_announced() {
        let all: Vec<String> = (0..250).map(|n| format!("m{n}")).collect();
        let info = propose(all, "m").unwrap().completion;
        assert_eq!(info.values.len(), 100);
        assert_eq!((info.total, info.has_more), (Some(250), Some(true)));
    }

    #[test]
    fn the_glossary_has_terms_to_propose() {
        assert!(CONCEPTS.contains(&"Resource"), "{CONCEPTS:?}");
    }
}
