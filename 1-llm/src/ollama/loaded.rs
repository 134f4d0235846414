//! Which models are in memory now.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::failure::explain;
use crate::{
    ProviderError,
    http::{Failure, Http},
    settings::Timeout,
    text::clean_name,
};

/// A model that is in memory now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedModel {
    /// Its name, with its tag.
    pub name: String,
    /// Bytes in memory, of any kind.
    #[serde(default)]
    pub size: u64,
    /// Bytes of those on a graphics card.
    #[serde(default)]
    pub size_vram: u64,
    /// The context that it was loaded with, in tokens; 0 when the server doesn't say.
    #[serde(default)]
    pub context_length: u64,
}

/// `GET /api/ps`.
#[derive(Deserialize)]
struct Ps {
    #[serde(default)]
    models: Option<Vec<LoadedModel>>,
}

/// All models in memory.
pub(super) async fn list(http: &Http) -> Result<Vec<LoadedModel>, ProviderError> {
    let answer: Result<Ps, Failure> = http
        .json(Method::GET, "api/ps", None, Timeout::Connect)
        .await;
    let ps = answer.map_err(|failure| explain(http, failure, None))?;
    let mut models = ps.models.unwrap_or_default();
    for model in &mut models {
        model.name = clean_name(&model.name);
    }
    Ok(models)
}

/// How a model is loaded, if it is.
pub(super) async fn find(http: &Http, model: &str) -> Result<Option<LoadedModel>, ProviderError> {
    let wanted = full_name(model);
    Ok(list(http)
        .await?
        .into_iter()
        .find(|loaded| full_name(&loaded.name) == wanted))
}

/// A name without a tag means `:latest`, and case doesn't matter.
fn full_name(name: &str) -> String {
    let name = name.to_lowercase();
    let is_tagged = name
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains(':'));
    if is_tagged {
        name
    } else {
        format!("{name}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::full_name;

    #[test]
    fn a_name_without_a_tag_is_the_latest() {
        assert_eq!(full_name("Llama3.2"), "llama3.2:latest");
        assert_eq!(full_name("llama3.2:3b"), "llama3.2:3b");
        assert_eq!(
            full_name("host:5000/team/model"),
            "host:5000/team/model:latest"
        );
    }
}
